r"""Methods x depth sources x solvers in one table, beside the paper's figures.

    python pipelines/ablation/run.py configs/ablation/redkitchen.yaml --dataset DATASET --outputs outputs/redkitchen
    python pipelines/ablation/run.py configs/ablation/table2.yaml --pairs scannet_test_pairs_with_gt.txt \
        --images scannet_test_1500 --outputs outputs/table2 --jobs 4
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from mickey_hloc.benchmark.arguments import add_run_arguments, run_main, run_options
from mickey_hloc.benchmark.benches import Bench, MapFreeBench, ScanNetBench, paper_figures
from mickey_hloc.benchmark.grid import Grid, SubmissionEntry, read_grid
from mickey_hloc.benchmark.runner import run_grid
from mickey_hloc.benchmark.table import table_columns, table_rows, write_tables
from mickey_hloc.benchmark.timing import device_name
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.report import parse_labelled
from mickey_hloc.registry import unknown_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("grid", type=Path, metavar="GRID.yaml", help="what is combined, see configs/ablation")
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="Map-free: the folder with the splits in it")
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="ScanNet: the list of pairs")
    parser.add_argument("--images", type=Path, metavar="DIR", help="ScanNet: the folder of the images")
    parser.add_argument("--scenes", nargs="+", metavar="SCENE", help="only these")
    parser.add_argument("--methods", nargs="+", metavar="LABEL", help="only these methods of the grid")
    parser.add_argument(
        "--submission", nargs="+", default=[], metavar="LABEL=FILE", help="further rows: zips or poses files of others"
    )
    parser.add_argument("--hloc", default="hloc", help="which hloc runs what is not ours (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: %(default)s)")
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    grid = choose(read_grid(args.grid), args.methods, args.submission)
    figures = paper_figures(grid.paper_table)
    if args.jobs < 1:
        raise InputError(f"--jobs is {args.jobs}; it is at least 1.")

    outcomes = run_grid(grid, open_bench(grid, args), args.hloc, args.jobs)

    bench_columns = (MapFreeBench if grid.benchmark == "mapfree" else ScanNetBench).columns
    rows = table_rows(outcomes, figures)
    columns = table_columns(bench_columns, rows)
    notes = []
    if grid.timing_pairs:
        notes = [f"Matching: extraction of two images and matching, median of single pairs on {device_name()}."]
    notes += [f"Paper: its table {grid.paper_table}, measured on its own data."] if figures else []
    tables = write_tables(args.outputs, args.grid.stem, grid.title or args.grid.stem, rows, columns, notes)
    print(tables[args.format], end="")
    print(f"written to {args.outputs / args.grid.stem}.txt, .csv, .md, .json and .html", file=sys.stderr)
    return 0 if any(not outcome.reason for outcome in outcomes) else 1


def choose(grid: Grid, methods: list[str] | None, submissions: list[str]) -> Grid:
    """The grid with fewer methods and more submissions."""
    for label in methods or []:
        if label not in grid.methods:
            raise unknown_name("method of the grid", label, grid.methods)
    kept = {label: entry for label, entry in grid.methods.items() if methods is None or label in methods}
    more = {label: SubmissionEntry(str(path)) for label, path in parse_labelled(submissions).items()}
    return replace(grid, methods=kept, submissions={**grid.submissions, **more})


def open_bench(grid: Grid, args: argparse.Namespace) -> Bench:
    """The benchmark with its data."""
    options: dict[str, Any] = run_options(args)
    if grid.benchmark == "mapfree":
        if args.dataset is None:
            raise InputError("This grid is of Map-free: say with --dataset where the data are.")
        return MapFreeBench(grid, args.dataset, args.outputs, args.scenes, **options)
    if args.pairs is None or args.images is None:
        raise InputError("This grid is of ScanNet: say with --pairs and --images where the data are.")
    return ScanNetBench(grid, args.pairs, args.images, args.outputs, args.scenes, **options)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="pipelines/ablation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return run_main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
