"""``mickey-hloc calibrate``: what a method's confidence means, from pairs with known poses and from unrelated pairs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.vocabulary import add_method, add_output, chosen_method
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    from mickey_hloc.confidence import Calibrations

_EPILOG = """\
example:
  mickey-hloc calibrate house office --feature sift --depth png:sensor --output mine.json  # all solvers
  mickey-hloc calibrate rooms --also house office --weights mine.safetensors --output mine.json
  mickey-hloc pose a.jpg b.jpg --focal 525 --feature sift --depth png:sensor --calibration mine.json
Judge a calibration on other places than those that it was fitted on: benchmarks/unrelated_pairs.py."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Places, method, output."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "places",
        type=Path,
        nargs="+",
        metavar="PLACE",
        help="folders in Map-free layout that show different places; of a single one, its scenes do",
    )
    parser.add_argument(
        "--also",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        metavar="PLACE",
        help="further places, paired among themselves, e.g. photos beside rendered rooms; repeatable",
    )
    parser.add_argument(
        "--split", default="val", help="of each; one without val gives its train scenes (default: %(default)s)"
    )
    parser.add_argument(
        "--unrelated", type=int, default=500, metavar="N", help="unrelated pairs of each group (default: %(default)s)"
    )
    add_method(parser, accept="all")
    parser.add_argument("--device", help="of networks (default: the GPU where there is one)")
    add_output(parser, "the calibrations; others that the file has stay", "FILE.json")


def run(args: argparse.Namespace) -> int:
    """Fit, then write the file and print what was fitted."""
    from dataclasses import replace
    from itertools import chain

    from mickey_hloc.benchmark.judged_pairs import check_places, judged_pairs
    from mickey_hloc.confidence import Calibrations, write_calibrations
    from mickey_hloc.confidence.fit import fit_calibration
    from mickey_hloc.io.locks import sole_writer
    from mickey_hloc.solvers import finding_solvers

    method = chosen_method(args)
    solvers = (args.solver,) if args.solver else finding_solvers()
    methods = [replace(method, solver=solver) for solver in solvers]
    parts = [each.resolve() for each in methods]
    known_calibrations(args.output)  # a file of something else is found before the work
    groups = [args.places, *args.also]
    if args.unrelated < 1:
        raise InputError(f"--unrelated is {args.unrelated}: a calibration needs pairs of different places, 1 or more.")
    check_places(groups, args.split, args.unrelated)
    judged = chain.from_iterable(judged_pairs(methods, group, args.split, args.unrelated) for group in groups)
    tables = zip(*judged, strict=True)
    made = Calibrations({})
    names = ", ".join(place.name for group in groups for place in group)
    for part, pairs in zip(parts, tables, strict=True):
        table = [pair.judgement for pair in pairs]
        calibration = fit_calibration(table, f"{len(table)} pairs of {names}")
        made = made.merged(Calibrations({(part.family, part.solver.calibrated_as): calibration}))
        right, unrelated = (sum(getattr(row, key) for row in table) for key in ("is_correct", "is_unrelated"))
        name = f"{part.family}/{part.solver.calibrated_as}"
        print(f"{name}: {len(table)} pairs, {right} right, {unrelated} unrelated: {args.output}")
    with sole_writer(args.output.with_name(f".{args.output.name}.lock"), str(args.output)):
        write_calibrations(args.output, known_calibrations(args.output).merged(made))  # another run may have added some
    return 0


def known_calibrations(path: Path) -> Calibrations:
    """Those of a file, none where there is no file.

    Raises:
        InputError: it holds something else.
    """
    from mickey_hloc.confidence import Calibrations, read_calibrations

    return read_calibrations(path) if path.exists() else Calibrations({})
