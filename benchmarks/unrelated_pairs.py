"""How many unrelated pairs get a pose, and how many right poses are kept, for every solver.

    python benchmarks/unrelated_pairs.py PLACE OTHER_PLACE [--unrelated 500] [--feature sift --depth png:sensor]

Places are folders in Map-free layout. Unrelated pairs are one photo of each of two places; the reference-query pairs of
their scenes have true poses. The arguments of the method are those of ``mickey-hloc pose``; ``--solver`` names one
solver, all where it is left out. Judge on other places than a calibration was fitted on. "in 68 %" and "in 95 %" are
the accepted poses whose error lies in these regions of their covariance; AUC and "kept 1 %" (the right poses kept where
1 % of the unrelated pairs pass) say how well support tells them apart, wherever the threshold lies.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mickey_hloc.benchmark.judged_pairs import JudgedPair, judged_pairs
from mickey_hloc.cli.vocabulary import add_method, chosen_method
from mickey_hloc.confidence.reliability import expected_calibration_error, kept_share, reliability_diagram, roc_auc
from mickey_hloc.confidence.uncertainty import CHI2_6_95, squared_errors
from mickey_hloc.solvers import finding_solvers
from mickey_hloc.two_view.method import Parts


def main() -> None:
    """Print a line and a reliability diagram for each solver."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", type=Path, nargs="+")
    parser.add_argument("--split", default="val")
    parser.add_argument("--unrelated", type=int, default=500, help="pairs (default: %(default)s)")
    add_method(parser)
    parser.set_defaults(device="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    method = chosen_method(args)
    methods = [replace(method, solver=name) for name in ((args.solver,) if args.solver else finding_solvers())]
    heads = ("unrelated", "accepted", "correct", "kept", "precision", "ECE", "in 68 %", "in 95 %", "AUC", "kept 1 %")
    print(f"{'solver':16}" + "".join(f"{head:>10}" for head in heads))
    tables = zip(*judged_pairs(methods, args.places, args.split, args.unrelated), strict=True)
    for each, pairs in zip(methods, tables, strict=True):
        report(each.resolve(), list(pairs))


def report(parts: Parts, pairs: list[JudgedPair]) -> None:
    """Print one solver's line, and its reliability diagram."""
    poses = [pair.estimate for pair in pairs]
    accepted = np.array([pose.success for pose in poses])
    right = np.array([pair.judgement.is_correct for pair in pairs])
    unrelated = np.array([pair.judgement.is_unrelated for pair in pairs])
    confidence = np.array([pose.confidence for pose in poses])
    support = np.array([parts.acceptance.calibration.support.logit(pair.judgement.evidence) for pair in pairs])
    error = expected_calibration_error(confidence[~unrelated], right[~unrelated])
    posed = accepted & ~unrelated
    model = parts.acceptance.calibration.uncertainty
    errors = [pair.judgement.error for pair, keep in zip(pairs, posed, strict=True) if keep]
    squared = squared_errors(model, [each for each in errors if each is not None])
    values = [accepted[unrelated].mean() if unrelated.any() else np.nan, right.sum(), accepted[right].mean()]
    values += [right[posed].mean(), error, (squared < model.squared_68).mean(), (squared < CHI2_6_95).mean()]
    if unrelated.any():
        values += [roc_auc(support[right], support[unrelated]), kept_share(support[right], support[unrelated])]
    cells = [f"{int(unrelated.sum()):10d}"] + [f"{value:10.0f}" if value > 1 else f"{value:10.4f}" for value in values]
    print(f"{parts.solver.name:16}" + "".join(cells), flush=True)
    for b in reliability_diagram(confidence[~unrelated], right[~unrelated]):
        print(f"    {b.low:.1f}-{b.high:.1f}: {b.count:4d} poses, {b.predicted:.2f} predicted, {b.right:.2f} right")


if __name__ == "__main__":
    main()
