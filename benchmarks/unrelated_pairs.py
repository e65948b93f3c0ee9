"""How many unrelated pairs get a pose, and how many right poses are kept, for every solver.

    python benchmarks/unrelated_pairs.py PLACE OTHER_PLACE [--unrelated 500] [--feature sift --depth png:sensor]

Places are folders in Map-free layout. Unrelated pairs are one photo of each of two places; the reference-query pairs of
their scenes have true poses. The arguments of the method are those of ``mickey-hloc pose``; ``--solver`` names one
solver, all where it is left out. Judge on other places than a calibration was fitted on.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mickey_hloc.benchmark.judged_pairs import judged_pairs
from mickey_hloc.cli.vocabulary import add_method, chosen_method
from mickey_hloc.confidence.reliability import expected_calibration_error
from mickey_hloc.solvers import SOLVERS
from mickey_hloc.two_view.method import Method


def main() -> None:
    """Print a line for each solver."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", type=Path, nargs="+")
    parser.add_argument("--split", default="val")
    parser.add_argument("--unrelated", type=int, default=500, help="pairs (default: %(default)s)")
    add_method(parser)
    parser.set_defaults(device="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    method = chosen_method(args)
    print(f"{'solver':16}{'unrelated':>10}{'accepted':>10}{'correct':>9}{'kept':>8}{'precision':>11}{'ECE':>7}")
    for name in [args.solver] if args.solver else SOLVERS.names:
        measure(replace(method, solver=name), args)


def measure(method: Method, args: argparse.Namespace) -> None:
    """Print one solver's line."""
    acceptance = method.resolve().acceptance
    pairs = list(judged_pairs(method, args.places, args.split, args.unrelated))
    poses = [acceptance.judge(pair.estimate) for pair in pairs]
    accepted = np.array([pose.success for pose in poses])
    right = np.array([pair.judgement.is_correct for pair in pairs])
    unrelated = np.array([pair.judgement.is_unrelated for pair in pairs])
    confidence = np.array([pose.confidence for pose in poses])
    error = expected_calibration_error(confidence[~unrelated], right[~unrelated])
    chance = accepted[unrelated].mean() if unrelated.any() else float("nan")
    posed = accepted & ~unrelated
    print(
        f"{method.solver:16}{int(unrelated.sum()):10d}{chance:10.4f}{int(right.sum()):9d}"
        f"{accepted[right].mean():8.3f}{right[posed].mean():11.3f}{error:7.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
