"""``mickey-hloc poses``: pairs, features, matches and depth -> metric relative poses."""

import argparse
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mickey_hloc.depth import SPECS
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="hloc's pairs file: 'name0 name1' a line")
    parser.add_argument("--features", type=Path, required=True, metavar="FILE.h5", help="features in hloc's layout")
    parser.add_argument("--features-ref", type=Path, metavar="FILE.h5", help="features of the second images, if others")
    parser.add_argument("--matches", type=Path, metavar="FILE.h5", help="matches in hloc's layout")
    parser.add_argument(
        "--intrinsics",
        type=Path,
        required=True,
        metavar="PATH",
        help="lines 'name fx fy cx cy w h', hloc's queries with intrinsics, a Map-free folder or a COLMAP model",
    )
    parser.add_argument(
        "--conf",
        default="mickey",
        metavar="CONF",
        help="'mickey' (probabilistic, on MicKey's features) or a solver's name, on matches (default: %(default)s)",
    )
    parser.add_argument(
        "--depth", metavar="SPEC", help=f"{', '.join(SPECS.values())} (default: stored with the features)"
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="image folder, for depth files beside the images")
    parser.add_argument("--weights", metavar="NAME|FILE", help="MicKey's weights, for features made by hloc")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="option of the solver; repeatable"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the solver's draws (default: %(default)s)")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="DIR", help="folder of the poses file, which the conf names")
    where.add_argument("--output", type=Path, metavar="FILE.txt", help="the poses file itself")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="pairs between two writings")
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="pairs solved at once (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="where the solver runs (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="throw away an existing file")


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where no pair has a pose or pairs lack their input."""
    from mickey_hloc import estimate_poses
    from mickey_hloc.io.poses import read_poses

    conf = estimate_poses.get_conf(args.conf)
    conf["solver"].update(parse_options(args.set))
    conf["seed"] = args.seed
    if args.depth is not None:
        conf["depth"] = args.depth
    if args.weights is not None:
        conf["weights"] = args.weights
    path = estimate_poses.main(
        conf,
        args.pairs,
        args.features,
        args.intrinsics,
        matches=args.matches,
        image_dir=args.images,
        output=args.output or args.out / f"{conf['output']}.txt",
        features_ref=args.features_ref,
        overwrite=args.overwrite,
        batch_size=args.batch_size,
        num_workers=args.workers,
        device=args.device,
    )
    return report(path, read_poses(path))


def parse_options(assignments: list[str]) -> dict[str, Any]:
    """``key=value`` texts as options; values as in yaml.

    Raises:
        InputError: no assignment, or no yaml.
    """
    options = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator or not key:
            raise InputError(f"--set {assignment}: expected KEY=VALUE.")
        try:
            options[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--set {assignment}: the value cannot be read.") from error
    return options


def report(path: Path, poses: Mapping[tuple[str, str], RelativePose]) -> int:
    """Print counts and reasons; the poses file names every pair."""
    from mickey_hloc.two_view.solving import INPUT_PROBLEM, lacks_input

    solved = sum(pose.success for pose in poses.values())
    print(f"{solved} of {len(poses)} pairs have a pose: {path}")
    failed = [pose.reason for pose in poses.values() if not pose.success and not lacks_input(pose)]
    kinds = Counter(re.sub(r"\d+(\.\d+)?", "n", reason) for reason in failed)
    for reason, count in kinds.most_common():
        print(f"  {count} failed: {reason}")
    without: dict[str, list[tuple[str, str]]] = {}  # by reason: a missing image is missing in all of its pairs
    for pair, pose in poses.items():
        if lacks_input(pose):
            without.setdefault(pose.reason.removeprefix(INPUT_PROBLEM), []).append(pair)
    for reason, pairs in without.items():
        print(f"  {len(pairs)} without input, e.g. {' '.join(pairs[0])}: {reason}")
    return 1 if without or not solved else 0
