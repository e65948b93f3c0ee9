"""``mickey-hloc pose REF QUERY``: the metric relative pose of two photos."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mickey_hloc.cli.vocabulary import (
    add_focal,
    add_intrinsics,
    add_method,
    add_report,
    check_report,
    chosen_method,
    command_line,
    focal_length,
)

if TYPE_CHECKING:
    import pycolmap

    from mickey_hloc.io.photo_cameras import Focal
    from mickey_hloc.two_view.estimator import TwoViewEstimator
    from mickey_hloc.two_view.result import Photo, TwoViewResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments of ``pose``."""
    parser.add_argument("reference", type=Path, metavar="REF", help="the photo whose camera is the origin (cam0)")
    parser.add_argument("query", type=Path, metavar="QUERY", help="the photo whose camera is looked for (cam1)")
    camera = parser.add_mutually_exclusive_group()
    add_intrinsics(camera, required=False)
    add_focal(camera, _focal_lengths, "PX[,PX]", "of both photos, or of each")
    add_pose_arguments(parser)


def add_pose_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that ``pose`` and ``demo`` share."""
    add_method(parser)
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...; default: the GPU where there is one")
    parser.add_argument("--json", action="store_true", help="print the result as json")
    parser.add_argument("--verbose", action="store_true", help="print inliers, scores and times too")
    parser.add_argument("--output", type=Path, metavar="DIR", help="save pictures of matches, depth and scores there")
    add_report(parser)


def run(args: argparse.Namespace) -> int:
    """Estimate and print; 1 when there is no pose."""
    from mickey_hloc.cli.pose_report import pose_as_json, print_pose

    check_report(args.report)
    photos, image_dir = load_photos((args.reference, args.query), args.intrinsics, args.focal, exif_turn=args.exif)
    estimator = make_estimator(args, image_dir)
    result = estimator.estimate(photos[0], photos[1])
    if args.json:
        print(pose_as_json(result))
    else:
        print_pose(result, photos, args.verbose)
    save_all(args, estimator, result, photos)
    return 0 if result.pose.success else 1


def make_estimator(args: argparse.Namespace, image_dir: Path) -> TwoViewEstimator:
    """What the arguments of ``add_pose_arguments`` ask for."""
    from mickey_hloc.two_view.estimator import TwoViewEstimator

    return TwoViewEstimator(chosen_method(args), image_dir)


def save_all(
    args: argparse.Namespace,
    estimator: TwoViewEstimator,
    result: TwoViewResult,
    photos: tuple[Photo, Photo],
    truth: pycolmap.Rigid3d | None = None,
) -> None:
    """The pictures and the report that were asked for; says on stderr where they are."""
    from mickey_hloc.visualization.two_view_pictures import draw_pictures, save_pictures

    if args.output is None and args.report is None:
        return
    depth_maps = [estimator.depth_map(photo) for photo in photos]
    if args.output is not None:
        saved = save_pictures(draw_pictures(result, photos, depth_maps), args.output)
        print(f"pictures: {', '.join(str(path) for path in saved)}", file=sys.stderr)
    if args.report is not None:
        from mickey_hloc.cli.pose_page import write_pose_page

        write_pose_page(args.report, result, photos, depth_maps, truth, command_line())
        print(f"report: {args.report}", file=sys.stderr)


def load_photos(
    paths: tuple[Path, Path],
    intrinsics: Sequence[Path] | None,
    focal: tuple[Focal, Focal] | None,
    image_dir: Path | None = None,
    exif_turn: Literal["refuse", "ignore"] = "refuse",
) -> tuple[tuple[Photo, Photo], Path]:
    """Read two photos with their cameras, named relative to ``image_dir``, which is returned too.

    Args:
        paths: the reference and the query.
        intrinsics: what ``read_cameras`` understands.
        focal: of each photo, where there are none; see ``photo_camera``. Neither: EXIF.
        exif_turn: what happens to photos that their EXIF orientation turns, see ``read_image``.
        image_dir: default: the folder that both lie in or under.

    Raises:
        InputError: an image or its intrinsics cannot be used.
    """
    from mickey_hloc.io.cameras import read_cameras
    from mickey_hloc.io.images import read_image
    from mickey_hloc.io.photo_cameras import photo_camera
    from mickey_hloc.two_view.result import Photo

    cameras = None if intrinsics is None else read_cameras(intrinsics)
    folder = image_dir or Path(os.path.commonpath([path.absolute().parent for path in paths]))
    photos, notes = [], dict[str, list[str]]()
    for i, path in enumerate(paths):
        image = read_image(path, exif_turn)
        height, width = image.shape[:2]
        if cameras is not None:
            camera, note = cameras.find(path, (width, height)), ""
        else:
            camera, note = photo_camera(path, (width, height), None if focal is None else focal[i])
        if note:
            notes.setdefault(note, []).append(str(path))
        name = path.absolute().relative_to(folder.absolute()).as_posix()
        photos.append(Photo(name, image, camera.intrinsics.K, camera.lens, camera.is_guess))
    for note, named in notes.items():
        print(f"note: {' and '.join(named)}: {note}", file=sys.stderr)
    return (photos[0], photos[1]), folder


def _focal_lengths(text: str) -> tuple[Focal, Focal]:
    first, comma, second = text.partition(",")
    try:
        return focal_length(first), focal_length(second if comma else first)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"'{text}' is not PX or PX,PX, nor auto") from None
