"""``mickey-hloc pose REF QUERY``: the metric relative pose of two photos."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mickey_hloc.cli.vocabulary import (
    add_intrinsics,
    add_method,
    add_report,
    check_report,
    chosen_method,
    command_line,
)
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    import pycolmap

    from mickey_hloc.io.intrinsics import Intrinsics
    from mickey_hloc.two_view.estimator import TwoViewEstimator
    from mickey_hloc.two_view.result import Photo, TwoViewResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments of ``pose``."""
    parser.add_argument("reference", type=Path, metavar="REF", help="the photo whose camera is the origin (cam0)")
    parser.add_argument("query", type=Path, metavar="QUERY", help="the photo whose camera is looked for (cam1)")
    camera = parser.add_mutually_exclusive_group()
    add_intrinsics(camera, required=False)
    camera.add_argument(
        "--focal",
        type=_focal_lengths,
        metavar="PX[,PX]",
        help="focal length in pixels: of both photos, or of each; auto: that of EXIF, else a guess, which is said and "
        "lowers the confidence",
    )
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
    from mickey_hloc.cli.pose_report import pose_as_json, pose_as_text

    check_report(args.report)
    photos, image_dir = load_photos((args.reference, args.query), args.intrinsics, args.focal, exif_turn=args.exif)
    estimator = make_estimator(args, image_dir)
    result = estimator.estimate(photos[0], photos[1])
    print(pose_as_json(result) if args.json else pose_as_text(result, photos, args.verbose))
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
    focal: tuple[float | None, float | None] | None,
    image_dir: Path | None = None,
    exif_turn: Literal["refuse", "ignore"] = "refuse",
) -> tuple[tuple[Photo, Photo], Path]:
    """Read two photos with their cameras, named relative to ``image_dir``, which is returned too.

    Args:
        paths: the reference and the query.
        intrinsics: what ``read_cameras`` understands.
        focal: in pixels, of each photo, where there are none; None of a photo: EXIF, else a guess. Neither: EXIF.
        exif_turn: what happens to photos that their EXIF orientation turns, see ``read_image``.
        image_dir: default: the folder that both lie in or under.

    Raises:
        InputError: an image or its intrinsics cannot be used.
    """
    from mickey_hloc.io.cameras import Camera, read_cameras
    from mickey_hloc.io.images import read_image
    from mickey_hloc.io.intrinsics import Intrinsics
    from mickey_hloc.two_view.result import Photo

    cameras = None if intrinsics is None else read_cameras(intrinsics)
    folder = image_dir or Path(os.path.commonpath([path.absolute().parent for path in paths]))
    photos = []
    for i, path in enumerate(paths):
        image = read_image(path, exif_turn)
        height, width = image.shape[:2]
        guessed = False
        if cameras is not None:
            camera = cameras.find(path, (width, height))
        elif focal is None:
            camera = Camera(_camera_from_exif(path, width, height))
        elif (given := focal[i]) is not None:
            camera = Camera(Intrinsics.from_focal(given, width, height, f"{path}, --focal"))
        else:
            intrinsics_of, guessed = _camera_or_guess(path, width, height)
            camera = Camera(intrinsics_of)
        name = path.absolute().relative_to(folder.absolute()).as_posix()
        photos.append(Photo(name, image, camera.intrinsics.K, camera.lens, guessed))
    return (photos[0], photos[1]), folder


def _focal_lengths(text: str) -> tuple[float | None, float | None]:
    first, _, second = text.partition(",")
    try:
        chosen = [None if part == "auto" else float(part) for part in (first, second or first)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not PX or PX,PX, nor auto") from None
    return chosen[0], chosen[1]


def _camera_or_guess(path: Path, width: int, height: int) -> tuple[Intrinsics, bool]:
    """The camera of a photo's EXIF data, or a guess, and whether it is one."""
    from mickey_hloc.io.images import exif_focal_px
    from mickey_hloc.io.intrinsics import GUESSED_FOCAL_MM, Intrinsics, guessed_focal_px

    if exif_focal_px(path) is not None:
        return _camera_from_exif(path, width, height), False
    focal_px = guessed_focal_px(width, height)
    print(
        f"note: {path}: the focal length is not known; {focal_px:.1f} px is guessed, a lens of {GUESSED_FOCAL_MM:g} mm "
        "in the terms of 35 mm film. The pose is as wrong as the guess, and its confidence is halved.",
        file=sys.stderr,
    )
    return Intrinsics.from_focal(focal_px, width, height), True


def _camera_from_exif(path: Path, width: int, height: int) -> Intrinsics:
    from mickey_hloc.io.images import exif_focal_px
    from mickey_hloc.io.intrinsics import Intrinsics

    focal_px = exif_focal_px(path)
    if focal_px is None:
        raise InputError(
            f"{path} has no focal length in its EXIF data; give --intrinsics FILE or --focal PX (auto: a guess)."
        )
    print(
        f"note: {path}: focal length {focal_px:.1f} px from its EXIF data, principal point in the middle",
        file=sys.stderr,
    )
    return Intrinsics.from_focal(focal_px, width, height, f"{path}, EXIF")
