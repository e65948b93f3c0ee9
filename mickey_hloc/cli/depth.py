"""``mickey-hloc depth``: any depth source and any matches in the files that other people's code reads."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mickey_hloc.cli.vocabulary import add_options
from mickey_hloc.depth.table import OWN_SPEC, SPECS
from mickey_hloc.errors import InputError
from mickey_hloc.registry import parse_assignments

if TYPE_CHECKING:
    from mickey_hloc.depth.base import DepthSource

_CHOICES = ", ".join([*SPECS.values(), OWN_SPEC])
_EPILOG = """\
examples:
  mickey-hloc depth mickey --features feats-mickey.h5 --images mapfree/val --name mickey
      writes mapfree/val/s00460/seq0/frame_00000.mickey.png and so on: 16 bit, millimetres, 0 = unknown
  mickey-hloc depth transformers:depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf --images photos --name dav2
  mickey-hloc depth png:kinect@5000 --images photos --name mm
      from photos/a.kinect.png with 5000 units a metre, as in TUM's files, to photos/a.mm.png in millimetres
  mickey-hloc depth --features feats.h5 --matches matches.h5 --images mapfree/val --name mickey
      writes mapfree/val/s00460/correspondences_mickey.npz and so on: one block x0 y0 x1 y1 per query"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the step."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("source", nargs="?", help=f"write depth maps of this source: {_CHOICES}")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the folder of the images")
    parser.add_argument("--name", required=True, help="name of the method in the files' names, e.g. mickey")
    parser.add_argument("--image-list", type=Path, metavar="FILE", help="only these images, one name a line")
    parser.add_argument("--features", type=Path, metavar="H5", help="features file (for mickey and for --matches)")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="the folder to write into (default: beside the images)"
    )
    parser.add_argument("--overwrite", action="store_true", help="write also the depth maps that exist")
    add_options(parser, "the source", "device=cpu")
    parser.add_argument(
        "--exif",
        choices=["refuse", "ignore"],
        default="refuse",
        help="photos that EXIF turns, for sources that look at them: refuse, or use the pixels as stored",
    )
    parser.add_argument("--matches", type=Path, metavar="H5", help="write correspondences of these matches")
    parser.add_argument(
        "--pairs", type=Path, metavar="FILE", help="correspondences of these pairs in one file, not one file a scene"
    )


def run(args: argparse.Namespace) -> int:
    """Write depth maps, correspondences, or both; exit status 1 where images have no depth map.

    Raises:
        InputError: a file or an argument that cannot be used.
    """
    from mickey_hloc.depth.png import check_suffix

    check_suffix(args.name)
    if args.source is None and args.matches is None:
        raise InputError(f"Nothing to write: give a depth source ({_CHOICES}) or --matches.")
    if args.matches is not None and args.features is None:
        raise InputError("--matches needs --features, the file with the keypoints that were matched.")
    if args.pairs is not None and args.matches is None:
        raise InputError("--pairs says which correspondences to write and needs --matches.")
    failed = args.source is not None and _write_depth(args)
    if args.matches is not None:
        _write_correspondences(args)
    return int(failed)


def _write_depth(args: argparse.Namespace) -> bool:
    """Whether images have no depth map."""
    from mickey_hloc.depth.export import export_depth, photos
    from mickey_hloc.depth.png import PngDepth
    from mickey_hloc.io.text import read_rows

    source = _make_source(args)
    if isinstance(source, PngDepth) and source.suffix == args.name and args.output is None:
        raise InputError(f"'{args.source}' would be written onto itself; choose another --name or --out.")
    if args.image_list is not None:
        names = [row[0] for _, row in read_rows(args.image_list, "image list")]
    else:
        names = source.image_names() or photos(args.images)
    result = export_depth(source, args.images, names, args.name, args.output, args.overwrite)
    print(f"{result.written} depth maps written, {result.skipped} were there already", end="")
    print(f"; {result.known:.1%} of their pixels have a depth" if result.written else "")
    for name, reason in list(result.failed.items())[:3]:
        print(f"  no depth map: {name}: {reason}")
    if len(result.failed) > 3:
        print(f"  and {len(result.failed) - 3} more without one")
    return bool(result.failed)


def _make_source(args: argparse.Namespace) -> DepthSource:
    from mickey_hloc.depth.sources import DEPTH_SOURCES, get_depth_source, split_spec

    options: dict[str, Any] = parse_assignments(args.set)
    for name, argument in (("image_dir", "--images"), ("features", "--features")):
        if name in options:
            raise InputError(f"{name} is no option of a depth source: write {argument}.")
    known = [field.name for field in fields(DEPTH_SOURCES.get(split_spec(args.source)[0]).Options)]
    if args.exif != "refuse" and "exif_turn" in known:  # other sources use the pixels as stored anyway
        options.setdefault("exif_turn", args.exif)
    return get_depth_source(args.source, args.images, args.features, **options)


def _write_correspondences(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from mickey_hloc.io.correspondences import export_scene, matched_keypoints, write_correspondences
    from mickey_hloc.io.features import FeatureFile
    from mickey_hloc.io.matches import MatchFile
    from mickey_hloc.io.pairs import read_pairs

    out = args.images if args.output is None else args.output
    with FeatureFile(args.features) as features, MatchFile(args.matches) as matches:
        if args.pairs is not None:
            pairs = tqdm(read_pairs(args.pairs), desc="pairs")
            blocks = [matched_keypoints(features, matches, *pair) for pair in pairs]
            path = write_correspondences(out / f"correspondences_{args.name}.npz", blocks)
            print(f"{path}: {len(blocks)} pairs, {sum(map(len, blocks)) / len(blocks):.0f} matches each")
            return
        scenes = sorted(path.parent for path in args.images.rglob("poses.txt") if (path.parent / "seq1").is_dir())
        if not scenes:
            raise InputError(
                f"{args.images} has no Map-free scene (poses.txt, seq0, seq1); give --pairs for other data."
            )
        for scene in scenes:
            prefix = scene.relative_to(args.images).as_posix() + "/"
            target = out / scene.relative_to(args.images)
            path, done = export_scene(scene, prefix.removeprefix("./"), features, matches, args.name, target)
            print(f"{path}: {done} queries with matches")
