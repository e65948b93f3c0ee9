"""``mickey-hloc submit``: a Map-free submission zip from poses files, for val and test, single and multi-frame."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.validate import print_problems
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    from mickey_hloc.evaluation.assembly import Assembled
    from mickey_hloc.geometry.relative_pose import RelativePose


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Poses, dataset, track."""
    from mickey_hloc.datasets.tracks import TRACKS

    parser.epilog = (
        "Pairs are a scene's seq0/frame_00000.jpg and a query, named like s00460/seq1/frame_00005.jpg. Failed pairs "
        "are left out, never written as a pose. With --track multi9 the poses of a query and of the 8 frames before it "
        "are fused by the device's tracking (poses_device.txt); it needs the pairs of all these frames."
    )
    parser.add_argument(
        "--poses", nargs="+", type=Path, required=True, metavar="FILE", help="poses files, e.g. one a scene"
    )
    parser.add_argument("--dataset", type=Path, required=True, metavar="DIR", help="the folder with the splits in it")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument("--track", choices=TRACKS, default="single", help="default: %(default)s")
    parser.add_argument("--scenes", nargs="+", metavar="SCENE", help="only these")
    parser.add_argument(
        "--output", type=Path, default=Path("submission.zip"), metavar="ZIP", help="default: %(default)s"
    )
    parser.add_argument("--accept", choices=("supported", "all"), default="all",
                        help="all: refused estimates as well, ranked by confidence (default: %(default)s)")  # fmt: skip
    parser.add_argument("--confidence", choices=("confidence", "score"), default="confidence",
                        help="which number of the poses file the submission is ranked by")  # fmt: skip
    apart = "multi9: frames further apart do not support each other"
    parser.add_argument("--max-rotation-deg", type=float, default=10.0, metavar="DEG", help=apart)
    parser.add_argument("--max-distance-m", type=float, default=0.5, metavar="M", help=apart)


def run(args: argparse.Namespace) -> int:
    """Write the zip, check it, say what is missing. 1 if it is not correct.

    Raises:
        InputError: poses or dataset cannot be read or do not fit, or no query has a pose.
    """
    from mickey_hloc.datasets.mapfree import find_scenes, read_scene
    from mickey_hloc.evaluation.assembly import FusionOptions, assemble
    from mickey_hloc.evaluation.submission import write_submission
    from mickey_hloc.evaluation.validation import expected_frames, validate_submission
    from mickey_hloc.io.poses import with_estimates

    if args.accept == "supported":
        _require_refusals(args.poses)
    poses = _read_all(args.poses)
    poses = with_estimates(poses) if args.accept == "all" else poses
    scenes = [read_scene(path) for path in find_scenes(args.dataset, args.split, args.scenes)]
    options = FusionOptions(args.max_rotation_deg, args.max_distance_m)
    assembled = assemble(poses, scenes, args.track, args.confidence, options)
    count = sum(map(len, assembled.estimates.values()))
    if count == 0:
        raise InputError(
            f"No scored query of {args.dataset}/{args.split} has a pose in {', '.join(map(str, args.poses))} "
            f"({len(assembled.failed)} failed, {len(assembled.absent)} are not in it); nothing was written."
        )
    write_submission(args.output, assembled.estimates)
    _report(assembled)
    frames = expected_frames(args.dataset, args.split, args.track, args.scenes)
    problems = [p for p in validate_submission(args.output, frames) if p.kind != "missing_frame"]
    print_problems(problems, limit=20)
    print(f"{args.output}: {count} poses of {len(assembled.estimates)} scenes")
    return 1 if problems else 0


def _require_refusals(paths: list[Path]) -> None:
    """Refuse poses files that do not tell supported poses from others."""
    from mickey_hloc.io.pose_journal import poses_origin

    for path in paths:
        acceptance = poses_origin(path).get("acceptance")
        if isinstance(acceptance, dict) and acceptance.get("accept") == "all":
            raise InputError(
                f"{path} was made with --accept all and does not tell which of its poses are supported; make it again "
                "with --accept supported, or submit all."
            )


def _read_all(paths: list[Path]) -> dict[tuple[str, str], RelativePose]:
    from mickey_hloc.io.poses import read_poses

    poses: dict[tuple[str, str], RelativePose] = {}
    for path in paths:
        more = read_poses(path)
        twice = next((pair for pair in more if pair in poses), None)
        if twice is not None:
            raise InputError(f"The pair '{twice[0]}' '{twice[1]}' is in {path} and in another poses file; keep one.")
        poses |= more
    return poses


def _report(assembled: Assembled) -> None:
    for what, frames in (("failed", assembled.failed), ("not in the poses", assembled.absent)):
        if frames:
            print(f"{len(frames)} scored queries {what}, e.g. {frames[0]}", file=sys.stderr)
