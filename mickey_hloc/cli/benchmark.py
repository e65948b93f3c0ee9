"""``mickey-hloc benchmark mapfree | scannet | sevenscenes | grid``: from images to the table, cached and resumable."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mickey_hloc.cli.vocabulary import add_method, add_output, add_report, check_report

BENCHMARKS = {
    "mapfree": "Map-free, or a folder laid out like it: the benchmark's table and the submission zip",
    "scannet": "ScanNet-1500, or any list of pairs in SuperGlue's format",
    "sevenscenes": "7-Scenes: queries against similar training images, absolute poses",
    "grid": "matchers x depth sources x solvers in one table, beside the paper's figures",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The four benchmarks; each lives in a file of its own."""
    choices = parser.add_subparsers(dest="benchmark", required=True, metavar="|".join(BENCHMARKS))
    for name, summary in BENCHMARKS.items():
        chosen = choices.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        module = importlib.import_module(f"mickey_hloc.cli.benchmark_{name}")
        module.add_arguments(chosen)
        chosen.set_defaults(run_benchmark=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the chosen one."""
    check_report(args.report)
    work: Callable[[argparse.Namespace], int] = args.run_benchmark
    return work(args)


def add_method_arguments(parser: argparse.ArgumentParser) -> None:
    """The choice of the method, and where it runs."""
    add_method(parser, accept="all")
    add_run_arguments(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Where and how it runs."""
    from mickey_hloc.evaluation.tables import STYLES

    group = parser.add_argument_group("run")
    add_output(group, "everything that is made goes there")
    group.add_argument("--workers", type=int, default=4, metavar="N", help="threads (default: %(default)s)")
    group.add_argument("--device", help="of networks and solver (default: networks the GPU, if any, solver the CPU)")
    group.add_argument("--overwrite", action="store_true", help="make everything anew")
    group.add_argument("--format", choices=STYLES, default="text", help="of the table on the screen")
    add_report(group)


def run_options(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of PoseTask among the arguments."""
    return {"workers": args.workers, "device": args.device or "cpu", "overwrite": args.overwrite}


def scene_argument(parser: argparse.ArgumentParser, **how: Any) -> None:
    """A choice of scenes."""
    parser.add_argument("--scenes", nargs="+", metavar="SCENE", **{"help": "only these", **how})


def path_argument(parser: argparse.ArgumentParser, name: str, help: str, metavar: str, required: bool = False) -> None:
    """A file or a folder."""
    parser.add_argument(name, type=Path, required=required, metavar=metavar, help=help)
