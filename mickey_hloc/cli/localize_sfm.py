"""``mickey-hloc localize-sfm``: queries in a mapped set of images.

The map's points are made anew with the chosen feature and matcher, then hloc poses the queries against them.

Metric poses from relative ones, without points: ``mickey-hloc poses`` and ``mickey-hloc localize``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mickey_hloc.cli.hloc_matching import add_matching_arguments, chosen_matching
from mickey_hloc.cli.vocabulary import add_focal, add_output, guessed_cameras
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    from mickey_hloc.io.cameras import Camera, Cameras


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("images", type=Path, help="folder that all image names are relative to")
    parser.add_argument(
        "--map-model", type=Path, required=True, help="COLMAP model with the poses of the mapped images"
    )
    parser.add_argument(
        "--queries",
        type=Path,
        required=True,
        help="lines 'name MODEL width height params' or 'name fx fy cx cy w h'; with --focal names are enough",
    )
    add_focal(parser)
    add_output(parser, "folder for everything that is made")
    add_matching_arguments(parser)
    parser.add_argument("--map-pairs", default="exhaustive", help="exhaustive, sequential, a retrieval conf, or a file")
    parser.add_argument("--query-pairs", default="exhaustive", help="exhaustive, a retrieval conf, or a file")
    parser.add_argument(
        "--num-matched", type=int, default=20, metavar="N", help="similar images, with a retrieval conf"
    )


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where no query has a pose."""
    from mickey_hloc.io.locks import sole_writer

    with sole_writer(args.output / ".lock", str(args.output)):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from mickey_hloc.hloc_plugin import import_step, register
    from mickey_hloc.hloc_plugin.steps import empty_model_dir, extract, find_images, make_pairs, match, method_name
    from mickey_hloc.io.colmap import find_colmap_model, read_colmap_model

    hloc = register(args.hloc)
    triangulation, localize_sfm = import_step(hloc, "triangulation"), import_step(hloc, "localize_sfm")
    extractor, matching = chosen_matching(args).resolve_matching()

    map_model = find_colmap_model(args.map_model) or args.map_model
    references = sorted(image.name for image in read_colmap_model(map_model).images.values())
    asked = _asked(args)
    left_out = dict(asked.unusable) | dict.fromkeys(
        [name for name in asked.cameras if name in set(references)], "it is in the map already, whose pose is kept"
    )
    cameras = {n: c for n, c in asked.cameras.items() if n not in left_out}
    queries = list(cameras)
    if not queries:
        raise InputError(f"{args.queries} has no image that is not in the map {args.map_model} already.")
    find_images(args.images, [*references, *queries], exif_turn=args.exif)
    names, with_folder = names_in_results(queries)

    # Points of the map, from its poses and our matches.
    num_matched, outputs = args.num_matched, args.output
    map_pairs = make_pairs(hloc, args.map_pairs, args.images, outputs, references, num_matched=num_matched)
    features = None if extractor is None else extract(extractor, args.images, outputs, [*references, *queries])
    map_features, map_matches = match(hloc, matching, map_pairs, args.images, outputs, features)
    sfm_dir = empty_model_dir(outputs / f"map-{method_name(extractor, matching)}")
    model = triangulation.main(
        sfm_dir,
        map_model,
        args.images,
        map_pairs,
        map_features,
        map_matches,
        estimate_two_view_geometries=True,  # hloc's other way leaves no points with pycolmap 4
    )
    if model.num_points3D() == 0:
        print("no map: no match of its images agrees with their poses")
        return 1

    # Queries against these points.
    how = args.query_pairs
    if Path(how).is_file():
        how, left_out = pairs_with_map(Path(how), queries, references, outputs, left_out)
    query_pairs = make_pairs(hloc, how, args.images, outputs, queries, references, num_matched)
    query_features, query_matches = match(hloc, matching, query_pairs, args.images, outputs, features, map_features)
    results = outputs / f"results-{method_name(extractor, matching)}-{query_pairs.stem}.txt"
    localize_sfm.main(
        sfm_dir,
        write_queries(outputs / "queries.txt", cameras),
        query_pairs,
        query_features,
        query_matches,
        results,
        covisibility_clustering=True,  # without it, hloc writes the pose of a reference where a query has none
        prepend_camera_name=with_folder,
    )
    return report(results, names, left_out)


def _asked(args: argparse.Namespace) -> Cameras:
    """The queries and their cameras."""
    from mickey_hloc.io.cameras import read_cameras
    from mickey_hloc.io.text import read_rows

    if args.focal is None:
        return read_cameras(args.queries)
    return guessed_cameras(args.images, [row[0] for _, row in read_rows(args.queries, "list of queries")], args.focal)


def pairs_with_map(
    file: Path, queries: Sequence[str], references: Sequence[str], outputs: Path, left_out: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """A pairs file with the pairs of a query and an image of the map alone, and why other queries have none.

    Args:
        left_out: what is added to.

    Raises:
        InputError: no pair has both.
    """
    from mickey_hloc.io.pairs import read_pairs, write_pairs

    pairs = read_pairs(file)
    asked, mapped = set(queries), set(references)
    kept = [(query, reference) for query, reference in pairs if query in asked and reference in mapped]
    if not kept:
        raise InputError(f"{file} has no pair of a query and an image of the map, in this order.")
    reasons = dict(left_out)
    for query in asked.difference(query for query, _ in kept):
        others = [reference for name, reference in pairs if name == query]
        reasons[query] = f"{file} pairs it with {others[0]}, which is not in the map" if others else f"not in {file}"
    return str(file if kept == pairs else write_pairs(outputs / f"{file.stem}-in-map.txt", kept)), reasons


def write_queries(path: Path, cameras: dict[str, Camera]) -> Path:
    """hloc's list of queries: ``name MODEL width height params``, in COLMAP's pixels."""
    from mickey_hloc.io.cameras import COLMAP_CENTRE
    from mickey_hloc.io.files import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for name, camera in cameras.items():
            K, lens = camera.intrinsics.K, camera.lens
            pinhole = [K[0, 0], K[1, 1], K[0, 2] + COLMAP_CENTRE, K[1, 2] + COLMAP_CENTRE]
            model, params = ("PINHOLE", pinhole) if lens is None else (lens.model_name, lens.params)
            size = f"{camera.intrinsics.width} {camera.intrinsics.height}"
            file.write(f"{name} {model} {size} {' '.join(map(repr, map(float, params)))}\n")
    return path


def names_in_results(queries: list[str]) -> tuple[dict[str, str], bool]:
    """hloc's results have file names only, or with one folder: query -> its name there, and whether with the folder."""
    for parts in (1, 2):
        names = {query: "/".join(PurePosixPath(query).parts[-parts:]) for query in queries}
        if len(set(names.values())) == len(queries) and all(name.count("/") == parts - 1 for name in names.values()):
            return names, parts == 2
    raise InputError(
        "hloc's results have file names with one folder at most, and some queries have the same; rename them."
    )


def report(results: Path, names: dict[str, str], reasons: Mapping[str, str]) -> int:
    """Print what became of the queries, those that were left out with the reason; exit status 1 where none has a pose.

    Args:
        names: query -> its name in the results.
        reasons: why queries have no pose, where that is known.
    """
    from mickey_hloc.io.poses import read_absolute_poses

    found = read_absolute_poses(results)
    print(f"{len(found)} of {len(names)} queries have a pose: {results}")
    for query, name in names.items():
        if name not in found:
            print(f"  no pose: {query}: {reasons.get(query, 'too few matches with the points of the map')}")
    for query, reason in reasons.items():
        if query not in names:
            print(f"  left out: {query}: {reason}")
    return 0 if found else 1
