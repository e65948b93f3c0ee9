"""``mickey-hloc poses``: pairs, features, matches and depth -> metric relative poses."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.machines import add_engine, chosen_engine
from mickey_hloc.cli.vocabulary import (
    add_acceptance,
    add_depth,
    add_focal,
    add_intrinsics,
    add_options,
    add_output,
    add_report,
    add_solver,
    check_report,
    command_line,
    guessed_cameras,
    slot_options,
)

if TYPE_CHECKING:
    from mickey_hloc.geometry.relative_pose import RelativePose


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="hloc's pairs file: 'name0 name1' a line")
    parser.add_argument("--features", type=Path, required=True, metavar="FILE.h5", help="features in hloc's layout")
    parser.add_argument("--features-ref", type=Path, metavar="FILE.h5", help="features of the second images, if others")
    parser.add_argument(
        "--matches",
        type=Path,
        metavar="FILE.h5",
        help="matches in hloc's layout; without them poses are estimated on MicKey's descriptors",
    )
    camera = parser.add_mutually_exclusive_group(required=True)
    add_intrinsics(camera, required=False)
    add_focal(camera)
    add_depth(parser)
    parser.add_argument("--images", type=Path, metavar="DIR", help="image folder, for depth files beside the images")
    parser.add_argument("--weights", metavar="NAME|FILE", help="MicKey's weights, for features made by hloc")
    add_solver(parser)
    parser.add_argument("--conf", dest="solver", help=argparse.SUPPRESS)  # its name in earlier versions
    parser.add_argument(
        "--focal-correction",
        default="none",
        choices=("none", "depth"),
        help="depth: MicKey's depth times f / f_train, where f is not the focal length of its training",
    )
    add_acceptance(parser, "supported")
    add_options(parser, "the solver, or with depth., accept. in front of these", "max_error_m=0.05")
    add_output(parser, "the poses file, or the folder it goes to under the solver's name", "FILE.txt|DIR")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="pairs between two writings")
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="pairs solved at once (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="where the solver runs (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="throw away an existing file")
    add_engine(parser)
    add_report(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where no pair has a pose or pairs lack their input."""
    from mickey_hloc import estimate_poses
    from mickey_hloc.cli.poses_page import draw_pairs, write_poses_page
    from mickey_hloc.io.pairs import read_pairs
    from mickey_hloc.io.poses import read_poses

    check_report(args.report)
    options = slot_options(args.set, "solver")
    name = args.solver or estimate_poses.default_solver(args.features, args.matches)
    conf = estimate_poses.get_conf(name, **options["solver"])
    if args.matches is None and name != "mickey":
        conf["correspondences"] = "descriptors"
    conf |= {"seed": args.seed, "depth_options": options["depth"], "focal_correction": args.focal_correction}
    conf |= {"accept": args.accept, "accept_options": options["accept"], "calibration": args.calibration}
    conf |= {key: getattr(args, key) for key in ("depth", "weights") if getattr(args, key) is not None}
    cameras = args.intrinsics
    if args.focal is not None:
        names = [name for pair in read_pairs(args.pairs) for name in pair]
        cameras = guessed_cameras(args.images, names, args.focal)
    with chosen_engine(args) as engine:
        path = engine.poses(
            conf,
            args.pairs,
            features=args.features,
            intrinsics=cameras,
            matches=args.matches,
            image_dir=args.images,
            output=args.output if args.output.suffix == ".txt" else args.output / f"{conf['output']}.txt",
            features_ref=args.features_ref,
            overwrite=args.overwrite,
            batch_size=args.batch_size,
            num_workers=args.workers,
            device=args.device,
        )
    poses = read_poses(path)
    status = report(path, poses)
    if args.report is not None:
        inputs = (args.features, cameras, args.matches, args.images, args.features_ref, args.device)
        draw = None if args.images is None else partial(draw_pairs, conf, inputs)
        print(f"report: {write_poses_page(args.report, path, poses, draw, command_line())}", file=sys.stderr)
    return status


def report(path: Path, poses: Mapping[tuple[str, str], RelativePose]) -> int:
    """Print counts and reasons; the poses file names every pair."""
    from mickey_hloc.cli.reasons import reasons_by_kind
    from mickey_hloc.two_view.solving import INPUT_PROBLEM, lacks_input

    solved = sum(pose.success for pose in poses.values())
    print(f"{solved} of {len(poses)} pairs have a pose: {path}")
    for reasons in reasons_by_kind(
        pose.reason for pose in poses.values() if not pose.success and not lacks_input(pose.reason)
    ):
        print(f"  {len(reasons)} failed, e.g.: {reasons[0]}")
    without: dict[str, list[tuple[str, str]]] = {}  # by reason: a missing image is missing in all of its pairs
    for pair, pose in poses.items():
        if lacks_input(pose.reason):
            without.setdefault(pose.reason.removeprefix(INPUT_PROBLEM), []).append(pair)
    for reason, pairs in without.items():
        print(f"  {len(pairs)} without input, e.g. {' '.join(pairs[0])}: {reason}")
    return 1 if without or not solved else 0
