"""``mickey-hloc pose REF QUERY``: the metric relative pose of two photos."""

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import yaml

from mickey_hloc.cli.pose_report import pose_as_json, pose_as_text, save_pictures
from mickey_hloc.depth import SPECS
from mickey_hloc.errors import InputError
from mickey_hloc.io.images import exif_focal_px, read_image
from mickey_hloc.io.intrinsics import Intrinsics, find_intrinsics, read_intrinsics
from mickey_hloc.model.focal import FOCAL_CORRECTIONS
from mickey_hloc.solvers import SOLVERS
from mickey_hloc.two_view.estimator import FEATURES, Photo, TwoViewEstimator, TwoViewOptions, TwoViewResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments of ``pose``."""
    parser.add_argument("reference", type=Path, metavar="REF", help="the photo whose camera is the origin (cam0)")
    parser.add_argument("query", type=Path, metavar="QUERY", help="the photo whose camera is looked for (cam1)")
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument("--intrinsics", type=Path, metavar="FILE", help="lines 'name fx fy cx cy w h'")
    camera.add_argument(
        "--focal", type=_focal_lengths, metavar="PX[,PX]", help="focal length in pixels: of both photos, or of each"
    )
    add_method_arguments(parser)


def add_method_arguments(parser: argparse.ArgumentParser, feature: str = "mickey", depth: str = "mickey") -> None:
    """The arguments that ``pose`` and ``demo`` share."""
    parser.add_argument("--feature", default=feature, choices=sorted(FEATURES), help=f"default: {feature}")
    parser.add_argument("--weights", default="mickey", metavar="NAME|PATH", help="see `mickey-hloc weights list`")
    parser.add_argument("--encoder", metavar="NAME|PATH", help="DINOv2 weights, for checkpoints that leave them out")
    parser.add_argument(
        "--depth", default=depth, metavar="SOURCE", help=f"{', '.join(SPECS.values())}; default: {depth}"
    )
    parser.add_argument("--solver", choices=SOLVERS.names, help="default: probabilistic for mickey, else procrustes")
    parser.add_argument(
        "--solver-option", action="append", default=[], metavar="KEY=VALUE", help="an option of the solver; repeatable"
    )
    parser.add_argument("--focal-correction", default="none", choices=list(FOCAL_CORRECTIONS))
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...; default: the GPU where there is one")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same pose")
    parser.add_argument("--json", action="store_true", help="print the result as json")
    parser.add_argument("--out", type=Path, metavar="DIR", help="save pictures of matches, depth and scores there")


def run(args: argparse.Namespace) -> int:
    """Estimate and print; 1 when there is no pose."""
    photos, image_dir = load_photos((args.reference, args.query), args.intrinsics, args.focal)
    result = estimate(args, photos, image_dir)
    print(pose_as_json(result) if args.json else pose_as_text(result, photos))
    if args.out is not None:
        saved = save_pictures(result, photos, args.out)
        print(f"pictures: {', '.join(str(path) for path in saved)}", file=sys.stderr)
    return 0 if result.pose.success else 1


def make_estimator(args: argparse.Namespace, image_dir: Path) -> TwoViewEstimator:
    """What the shared arguments ask for."""
    options = TwoViewOptions(
        feature=args.feature,
        weights=args.weights,
        encoder=args.encoder,
        device=args.device,
        precision=args.precision,
        depth=args.depth,
        solver=args.solver,
        solver_options=parse_options(args.solver_option),
        focal_correction=args.focal_correction,
    )
    return TwoViewEstimator(options, image_dir=image_dir)


def estimate(args: argparse.Namespace, photos: tuple[Photo, Photo], image_dir: Path) -> TwoViewResult:
    """Run what the shared arguments ask for; warnings of the model become notes on stderr."""
    estimator = make_estimator(args, image_dir)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = estimator.estimate(photos[0], photos[1], seed=args.seed)
    for message in dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning):
        print(f"note: {message}", file=sys.stderr)
    return result


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """``["max_error_m=0.05"]`` as a dict, values read as yaml.

    Raises:
        InputError: a pair without "=".
    """
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"'{pair}' is not KEY=VALUE; write for example max_error_m=0.05.")
        try:
            options[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"the value in '{pair}' cannot be read; write a number, true, false or a word.") from None
    return options


def load_photos(
    paths: tuple[Path, Path],
    intrinsics: Path | None,
    focal: tuple[float, float] | None,
    image_dir: Path | None = None,
) -> tuple[tuple[Photo, Photo], Path]:
    """Read two photos with their cameras, named relative to ``image_dir``, which is returned too.

    Args:
        paths: the reference and the query.
        intrinsics: a file of lines ``name fx fy cx cy w h``.
        focal: in pixels, of each photo, where there is no such file. Neither: EXIF.
        image_dir: default: the folder that both lie in or under.

    Raises:
        InputError: an image or its intrinsics cannot be used.
    """
    table = None if intrinsics is None else read_intrinsics(intrinsics)
    folder = image_dir or Path(os.path.commonpath([path.absolute().parent for path in paths]))
    photos = []
    for i, path in enumerate(paths):
        image = read_image(path)
        height, width = image.shape[:2]
        if table is not None and intrinsics is not None:
            camera = find_intrinsics(table, path, intrinsics)
            camera.check_size(width, height, path, str(intrinsics))
        elif focal is not None:
            camera = Intrinsics.from_focal(focal[i], width, height)
        else:
            camera = _camera_from_exif(path, width, height)
        photos.append(Photo(path.absolute().relative_to(folder.absolute()).as_posix(), image, camera.K))
    return (photos[0], photos[1]), folder


def _focal_lengths(text: str) -> tuple[float, float]:
    first, _, second = text.partition(",")
    try:
        return float(first), float(second or first)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not PX or PX,PX") from None


def _camera_from_exif(path: Path, width: int, height: int) -> Intrinsics:
    focal_px = exif_focal_px(path)
    if focal_px is None:
        raise InputError(f"{path} has no focal length in its EXIF data; give --intrinsics FILE or --focal PX.")
    print(
        f"note: {path}: focal length {focal_px:.1f} px from its EXIF data, principal point in the middle",
        file=sys.stderr,
    )
    return Intrinsics.from_focal(focal_px, width, height)
