"""``mickey-hloc scale``: a COLMAP or hloc model in metres, from metric depth and whatever else is known."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.vocabulary import (
    add_depth,
    add_exif,
    add_options,
    add_output,
    add_report,
    check_report,
    command_line,
    slot_options,
)

if TYPE_CHECKING:
    from mickey_hloc.scale_reconstruction import Evidence, ScaledModel

_EPILOG = """\
examples:
  mickey-hloc scale outputs/sfm --images images --depth mickey:small --output metric
  mickey-hloc scale project --depth png:sensor --output project-metric     # project/images, project/sparse/0
  mickey-hloc scale sfm --known-length desk.jpg 210 340 815 362 1.60 --gps exif --images images --output metric"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the step."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a COLMAP model, or with one in sparse/0")
    add_output(parser, "folder for the model in metres; the input is not touched")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the images (default: MODEL/images)")
    add_evidence(parser)
    add_options(parser, "the scale from depth as scale.NAME, of the source as depth.NAME", "scale.min_parallax_deg=2")
    add_exif(parser)
    parser.add_argument("--tum", action="store_true", help="write trajectory.txt as well, as evo reads it")
    parser.add_argument("--ply", action="store_true", help="write points3D.ply as well")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run wrote there")
    add_report(parser)


def add_evidence(parser: argparse.ArgumentParser) -> None:
    """What says something of the scale, but for ``--set``; also of ``sfm --metric``."""
    group = parser.add_argument_group("evidence for the scale, all of it together")
    add_depth(group)
    group.add_argument(
        "--focal-correction",
        default="none",
        choices=("none", "depth"),
        help="depth: MicKey's depth times f / f_train (default: %(default)s)",
    )
    group.add_argument(
        "--known-length",
        action="append",
        nargs=6,
        default=[],
        metavar=("IMAGE", "X0", "Y0", "X1", "Y1", "METRES"),
        help="a length between two pixels of an image; may be repeated",
    )
    group.add_argument(
        "--known-distance",
        action="append",
        nargs=3,
        default=[],
        metavar=("IMAGE0", "IMAGE1", "METRES"),
        help="a distance between the cameras of two images; may be repeated",
    )
    group.add_argument(
        "--rig-baseline",
        action="append",
        nargs=3,
        default=[],
        metavar=("CAMERA0", "CAMERA1", "METRES"),
        help="a distance between two cameras of a rig, by their ids in the model; may be repeated",
    )
    group.add_argument("--gps", metavar="exif|FILE", help="EXIF data, or lines 'name latitude longitude altitude'")
    group.add_argument("--positions", type=Path, metavar="FILE", help="lines 'name x y z', metres, z up")
    group.add_argument(
        "--depth-shared-error",
        type=float,
        metavar="SHARE",
        help="standard deviation of an error that the depth source makes alike in all images, e.g. 0.05; it cannot be "
        "seen in them and widens the interval (default: 0.2 for learned depth, else 0.003)",
    )
    group.add_argument(
        "--accept",
        default="supported",
        choices=("supported", "all"),
        help="supported: write nothing where the evidence is too weak (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where the evidence is too weak and nothing was written."""
    from mickey_hloc import scale_reconstruction

    check_report(args.report)
    images = args.images
    if images is None and (args.model / "images").is_dir():
        images = args.model / "images"
    found = scale_reconstruction.main(
        args.model,
        args.output,
        chosen_evidence(args),
        image_dir=images,
        accept=args.accept,
        overwrite=args.overwrite,
        ply=args.ply,
        tum=args.tum,
    )
    status = report(found, args.output)
    if args.report is not None:
        from mickey_hloc.cli.model_page import scale_page, write_model_page

        page = write_model_page(args.report, scale_page(found, images), command_line())
        print(f"report: {page}", file=sys.stderr)
    return status


def chosen_evidence(args: argparse.Namespace, default_slot: str = "scale") -> Evidence:
    """The evidence of the arguments of ``add_evidence``.

    Args:
        default_slot: what ``--set`` without a slot's name is for.

    Raises:
        InputError: numbers that are none, or an unknown option.
    """
    from mickey_hloc.errors import InputError
    from mickey_hloc.io.text import parse_numbers
    from mickey_hloc.metric.depth_scale import DepthScaleOptions
    from mickey_hloc.metric.lengths import KnownDistance, KnownLength, RigBaseline
    from mickey_hloc.registry import make_options
    from mickey_hloc.scale_reconstruction import Evidence

    given = slot_options(args.set, default_slot)
    options = {"focal_correction": args.focal_correction, "shared_error": args.depth_shared_error, **given["scale"]}
    lengths = []
    for image, *numbers in args.known_length:
        x0, y0, x1, y1, metres = parse_numbers(numbers, "--known-length")
        lengths.append(KnownLength(image, (x0, y0, x1, y1), metres))
    baselines = []
    for camera0, camera1, metres in args.rig_baseline:
        if not (camera0.isdecimal() and camera1.isdecimal()):
            raise InputError(f"--rig-baseline needs the ids of two cameras, got '{camera0}' and '{camera1}'.")
        baselines.append(RigBaseline(int(camera0), int(camera1), *parse_numbers([metres], "--rig-baseline")))
    return Evidence(
        depth=args.depth,
        lengths=lengths,
        distances=[KnownDistance(a, b, *parse_numbers([m], "--known-distance")) for a, b, m in args.known_distance],
        baselines=baselines,
        gps=args.gps,
        positions=args.positions,
        depth_options=given["depth"],
        options=make_options(DepthScaleOptions, options, "the scale from depth"),
        exif_turn=args.exif,
    )


def report(found: ScaledModel, output: Path) -> int:
    """Print the scale and what it rests on; exit status 1 where nothing was written."""
    scale = found.scale
    low, high = scale.interval_95
    print(
        f"scale {scale.scale:.6g} metres per unit of the model, 95 % between {low:.6g} and {high:.6g} "
        f"({low / scale.scale - 1:+.1%} to {high / scale.scale - 1:+.1%})"
    )
    for evidence, residual in zip(scale.evidence, scale.residuals, strict=True):
        low, high = evidence.interval_95
        apart = f", {residual:+.1%} from the scale" if len(scale.evidence) > 1 else ""
        print(f"  {evidence}: {evidence.scale:.6g}, 95 % {low:.6g} to {high:.6g}{apart}; {evidence.detail}")
    _report_images(found)
    for sentence in scale.disagreements:
        print(f"disagreement: {sentence}")
    if found.metric_from_model is None:
        print(f"no scale: {scale.weakness}; --accept all writes the model all the same")
        return 1
    if scale.weakness:
        print(f"weak: {scale.weakness}")
    model = found.model
    print(f"{model.num_reg_images()} images and {model.num_points3D()} points in metres: {output}")
    return 0


def _report_images(found: ScaledModel) -> None:
    for alignment in found.alignments:
        if alignment.outliers:
            print(f"  left out of {alignment.evidence.what}: {', '.join(alignment.outliers)}")
    if found.depth is None:
        return
    for image in found.depth.images:
        if image.is_outlier:
            off = image.scale / found.depth.evidence.scale
            print(f"  outlier {image.name}: {off:.2f} times the scale of the others, left out")
    silent = [image for image in found.depth.images if image.reason]
    if silent:
        print(f"  {len(silent)} images say nothing, e.g. {silent[0].name}: {silent[0].reason}")
