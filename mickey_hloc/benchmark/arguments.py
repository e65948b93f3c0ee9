"""The arguments that every benchmark pipeline has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mickey_hloc.benchmark.methods import Method
from mickey_hloc.cli.poses import parse_options
from mickey_hloc.depth import SPECS
from mickey_hloc.errors import MickeyHlocError
from mickey_hloc.evaluation.tables import STYLES
from mickey_hloc.solvers import SOLVERS


def add_method_arguments(parser: argparse.ArgumentParser) -> None:
    """The choice of the method."""
    group = parser.add_argument_group("method")
    group.add_argument("--feature", help="mickey, sift, or any conf of hloc's extract_features (default: mickey)")
    group.add_argument(
        "--matcher", help="nn-ratio, nn-mutual, any conf of hloc's match_features or match_dense, or vismatch-<name>"
    )
    specs = ", ".join((SPECS | {"mickey": "mickey[:<weights>]"}).values())
    group.add_argument("--depth", metavar="SPEC", help=f"{specs} (default: MicKey's own)")
    group.add_argument("--solver", help=f"{', '.join(SOLVERS.names)} (default: probabilistic for MicKey's descriptors)")
    group.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="option of the solver")
    group.add_argument("--weights", metavar="NAME|FILE", help="of MicKey, as feature or as depth")
    group.add_argument("--encoder", metavar="NAME|FILE", help="DINOv2 weights, for checkpoints that leave them out")
    group.add_argument("--hloc", default="hloc", help="which hloc runs what is not ours (default: %(default)s)")
    group.add_argument("--seed", type=int, default=0, help="of the solver's draws (default: %(default)s)")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Where and how it runs."""
    group = parser.add_argument_group("run")
    group.add_argument("--outputs", type=Path, required=True, metavar="DIR", help="everything that is made goes there")
    group.add_argument("--workers", type=int, default=4, metavar="N", help="threads (default: %(default)s)")
    group.add_argument("--device", default="cpu", help="where the solver runs (default: %(default)s)")
    group.add_argument("--overwrite", action="store_true", help="make everything anew")
    group.add_argument("--format", choices=STYLES, default="text", help="of the table on the screen")


def chosen_method(args: argparse.Namespace) -> Method:
    """The method of the arguments.

    Raises:
        InputError: ``--set`` is no assignment.
    """
    return Method(
        feature=args.feature,
        matcher=args.matcher,
        depth=args.depth,
        solver=args.solver,
        options=parse_options(args.set),
        weights=args.weights,
        encoder=args.encoder,
        hloc=args.hloc,
        seed=args.seed,
    )


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of a text like 1296x968."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"a width and a height like 1296x968 are needed, got '{text}'")
    return int(width), int(height)


def run_options(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of PoseTask among the arguments."""
    return {"workers": args.workers, "device": args.device, "overwrite": args.overwrite}


def run_main(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int], argv: list[str] | None) -> int:
    """Parse and run; a user's error is one sentence and exit status 2, as for ``mickey-hloc``."""
    args = parser.parse_args(argv)
    try:
        return run(args)
    except (MickeyHlocError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same again to go on", file=sys.stderr)
        return 130
