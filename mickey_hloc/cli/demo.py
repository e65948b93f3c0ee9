"""``mickey-hloc demo``: the pose of two rendered views or of two shipped photos, beside the truth. Needs no files."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.pose import add_pose_arguments, load_photos, make_estimator, save_all
from mickey_hloc.cli.vocabulary import check_report
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    import pycolmap

    from mickey_hloc.rooms import RenderedPair

BUNDLED = "small"
_WHAT_IS_SHOWN = ("output", "json", "verbose", "report")  # the pose is the same with and without


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments of ``demo``."""
    parser.add_argument(
        "--room", type=int, default=7, metavar="SEED", help="which room and views; default: %(default)s"
    )
    parser.add_argument(
        "--photos", action="store_true", help="two photos of a desk that come with the package, instead of a room"
    )
    add_pose_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the files a user would have, estimate from them, compare; 1 when there is no pose."""
    from mickey_hloc.cli.pose_report import pose_as_json, print_pose, truth_as_text

    check_report(args.report)
    args.output = args.output or Path("mickey-hloc-demo-photos" if args.photos else "mickey-hloc-demo")
    if args.feature is None and args.weights is None:
        args.weights = BUNDLED
    paths, truth = copy_photos(args.output) if args.photos else write_room(args.room, args.output)
    intrinsics = args.output / "intrinsics.txt"
    photos, image_dir = load_photos(paths, [intrinsics], None)
    estimator = make_estimator(args, image_dir)
    result = estimator.estimate(photos[0], photos[1])
    if args.json:
        print(pose_as_json(result))
    else:
        print_pose(result, photos, args.verbose)
        print(truth_as_text(result.pose, truth))
    save_all(args, estimator, result, photos, truth)
    files = shlex.join([*map(str, paths), "--intrinsics", str(intrinsics)])
    print(f"the same from files: mickey-hloc pose {files} {method_as_text(args)}", file=sys.stderr)
    return 0 if result.pose.success else 1


def method_as_text(args: argparse.Namespace) -> str:
    """What of ``add_pose_arguments`` decides the pose and is not the default, as one types it."""
    parser = argparse.ArgumentParser()
    add_pose_arguments(parser)
    words: list[str] = []
    for name, default in vars(parser.parse_args([])).items():
        value = getattr(args, name)
        if name not in _WHAT_IS_SHOWN and value != default:
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{name.replace('_', '-')}", str(one)]
    return shlex.join(words)


def write_room(seed: int, folder: Path) -> tuple[tuple[Path, Path], pycolmap.Rigid3d]:
    """Render a room twice and save what ``write_pair`` does; the image paths and the true cam1_from_cam0.

    Raises:
        InputError: no room of this seed.
    """
    from mickey_hloc.rooms import PairOptions, RoomError, sample_pair

    try:
        # views like those that the bundled model was trained on
        pair = sample_pair(seed, options=PairOptions(fov_deg=(60.0, 66.0), baseline_m=(0.1, 1.0)))
    except RoomError as error:
        raise InputError(str(error)) from error
    return write_pair(pair, folder), pair.cam1_from_cam0


def copy_photos(folder: Path) -> tuple[tuple[Path, Path], pycolmap.Rigid3d]:
    """Copy the photos of the package, their depth and intrinsics; the image paths and the true cam1_from_cam0."""
    from mickey_hloc.datasets.example import NAMES, load_example
    from mickey_hloc.io.files import atomic_path

    example = load_example()
    for path in sorted(example.folder.iterdir()):
        if path.is_file() and path.name != "README.md":
            with atomic_path(folder / path.name) as temporary:
                temporary.write_bytes(path.read_bytes())
    return (folder / NAMES[0], folder / NAMES[1]), example.cam1_from_cam0


def write_pair(pair: RenderedPair, folder: Path) -> tuple[Path, Path]:
    """Save both images, their exact depth (16-bit PNG, millimetres) and intrinsics.txt; return the image paths."""
    import cv2
    import numpy as np

    from mickey_hloc.io.files import atomic_path
    from mickey_hloc.visualization import save_image

    paths, lines = [], ["# name fx fy cx cy w h"]
    for name, view in (("reference", pair.view0), ("query", pair.view1)):
        path = folder / f"{name}.png"
        save_image(path, view.image)
        millimetres = np.clip(np.round(view.depth * 1000), 0, 65534).astype(np.uint16)
        with atomic_path(folder / f"{name}.exact.png") as temporary:
            temporary.write_bytes(cv2.imencode(".png", millimetres)[1].tobytes())
        height, width = view.depth.shape
        K = view.K
        lines.append(f"{path.name} {K[0, 0]:.6f} {K[1, 1]:.6f} {K[0, 2]:.6f} {K[1, 2]:.6f} {width} {height}")
        paths.append(path)
    with atomic_path(folder / "intrinsics.txt") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    return paths[0], paths[1]
