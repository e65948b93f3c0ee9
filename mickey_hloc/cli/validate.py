"""``mickey-hloc validate ZIP``: every problem of a Map-free submission before it is uploaded."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mickey_hloc.evaluation.validation import Problem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The zip and what it is for."""
    from mickey_hloc.datasets.tracks import TRACKS

    parser.epilog = "Exit status: 0 correct, 1 with problems, 2 if it cannot be read."
    parser.add_argument("submission", type=Path, metavar="ZIP")
    parser.add_argument(
        "--dataset", type=Path, metavar="DIR", help="the folder with the splits; without it only lines are checked"
    )
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument("--track", choices=TRACKS, default="single", help="default: %(default)s")
    parser.add_argument("--scenes", nargs="+", metavar="SCENE", help="expect only these")
    parser.add_argument("--allow-missing-frames", action="store_true", help="frames without a pose are no problem")
    parser.add_argument(
        "--limit", type=int, default=20, metavar="N", help="lines to print of each kind (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the problems by kind; 1 if there is one.

    Raises:
        InputError: the zip or the dataset cannot be read.
    """
    from mickey_hloc.evaluation.validation import expected_frames, validate_submission

    frames = None if args.dataset is None else expected_frames(args.dataset, args.split, args.track, args.scenes)
    problems = validate_submission(args.submission, frames)
    allowed = [p for p in problems if p.kind == "missing_frame" and args.allow_missing_frames]
    problems = [p for p in problems if p not in allowed]
    print_problems(problems, args.limit)
    if allowed:
        print(f"{len(allowed)} scored frames have no pose and count as failures.")
    if problems:
        print(f"{args.submission} has {len(problems)} problems.")
        return 1
    if frames is None:
        print("Without --dataset, missing and unknown scenes and frames were not looked for.", file=sys.stderr)
    print(f"{args.submission} is correct.")
    return 0


def print_problems(problems: list[Problem], limit: int) -> None:
    """The problems by kind, at most ``limit`` of each."""
    from mickey_hloc.evaluation.validation import KINDS

    for kind, count in Counter(problem.kind for problem in problems).items():
        print(f"{KINDS[kind]} ({count}):")
        chosen = [problem for problem in problems if problem.kind == kind]
        for problem in chosen[:limit]:
            print(f"  {problem}")
        if count > limit:
            print(f"  ... and {count - limit} more")
