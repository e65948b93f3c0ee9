"""``mickey-hloc benchmark grid``: methods x depth sources x solvers in one table, beside the paper's figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mickey_hloc.cli.benchmark import add_run_arguments, path_argument, run_options, scene_argument
from mickey_hloc.cli.machines import add_engine, chosen_engine
from mickey_hloc.cli.vocabulary import add_hloc, command_line
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    from mickey_hloc.benchmark.benches import Bench
    from mickey_hloc.benchmark.grid import Grid
    from mickey_hloc.benchmark.report import BenchmarkPage
    from mickey_hloc.benchmark.runner import Outcome
    from mickey_hloc.engine import Engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The grid, its data, the run."""
    parser.add_argument("grid", type=Path, metavar="GRID.yaml", help="what is combined, see configs/ablation")
    path_argument(parser, "--dataset", "Map-free: the folder with the splits in it", "DIR")
    path_argument(parser, "--pairs", "ScanNet: the list of pairs", "FILE")
    path_argument(parser, "--images", "ScanNet: the folder of the images", "DIR")
    scene_argument(parser)
    parser.add_argument("--methods", nargs="+", metavar="LABEL", help="only these methods of the grid")
    parser.add_argument(
        "--submission", nargs="+", default=[], metavar="LABEL=FILE", help="further rows: zips or poses files of others"
    )
    add_hloc(parser)
    add_engine(parser)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default: %(default)s)")
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 0, or 1 where no row has figures."""
    from mickey_hloc.benchmark.benches import MapFreeBench, ScanNetBench, paper_figures
    from mickey_hloc.benchmark.grid import read_grid
    from mickey_hloc.benchmark.report import write_benchmark_page
    from mickey_hloc.benchmark.runner import run_grid
    from mickey_hloc.benchmark.table import (
        published_rows,
        table_columns,
        table_rows,
        with_numbered_notes,
        write_tables,
    )
    from mickey_hloc.benchmark.timing import device_name

    grid = choose(read_grid(args.grid), args.methods, args.submission)
    figures = paper_figures(grid.paper_table)
    if args.jobs < 1:
        raise InputError(f"--jobs is {args.jobs}; it is at least 1.")

    if args.jobs > 1 and args.engine != "local":
        raise InputError(
            "--jobs are processes of this machine; the workers of --engine ray are as many as it has room for."
        )
    with chosen_engine(args) as engine:
        bench = open_bench(grid, args, engine)
        outcomes = run_grid(grid, bench, args.hloc, args.jobs)

    bench_columns = (MapFreeBench if grid.benchmark == "mapfree" else ScanNetBench).columns
    published, sources = published_rows(f"{grid.benchmark}-test") if grid.newer_rows else ([], [])
    rows = table_rows(outcomes, figures) + published
    columns = table_columns(bench_columns, rows)
    notes = []
    if grid.timing_pairs:
        notes = [f"Matching: extraction of two images and matching, median of single pairs on {device_name()}."]
    notes += sources
    notes += [f"Paper: its table {grid.paper_table}, measured on its own data."] if figures else []
    tables = write_tables(args.output, args.grid.stem, grid.title or args.grid.stem, rows, columns, notes)
    print(tables[args.format], end="")
    print(f"written to {args.output / args.grid.stem}.txt, .csv, .md, .json and .html", file=sys.stderr)
    if args.report is not None:
        numbered, failures = with_numbered_notes(rows)
        page = _page(grid, bench, outcomes, command_line())
        page = replace(page, columns=columns, rows=numbered, notes=[*failures, *notes])
        print(f"report: {write_benchmark_page(args.report, page)}", file=sys.stderr)
    return 0 if any(not outcome.reason for outcome in outcomes) else 1


def _page(grid: Grid, bench: Bench, outcomes: Sequence[Outcome], command: str) -> BenchmarkPage:
    """The page of all rows, the best one first: it is shown pair by pair."""
    from mickey_hloc.benchmark.pair_pictures import draw_pairs
    from mickey_hloc.benchmark.report import BenchmarkPage

    done = [outcome for outcome in outcomes if outcome.poses and not outcome.reason]
    done.sort(key=lambda outcome: -float(outcome.numbers.get("vcre_auc", 0.0)))
    methods = {}
    for outcome in done:
        assert outcome.parts is not None
        results = bench.task.outputs / f"results-{bench.task.kind}" / outcome.parts.name
        methods[", ".join(filter(None, outcome.labels))] = bench.scored_pairs(outcome.poses, results)
    criterion, limit = bench.criterion
    return BenchmarkPage(
        title=grid.title or "Methods compared",
        criterion=criterion,
        columns=(),
        rows=(),
        methods=methods,
        published="mapfree-test" if grid.benchmark == "mapfree" else "scannet-1500",
        draw=partial(draw_pairs, bench.task, done[0].parts) if done and done[0].parts else None,
        vcre_limit_px=limit,
        command=command,
    )


def choose(grid: Grid, methods: list[str] | None, submissions: list[str]) -> Grid:
    """The grid with fewer methods and more submissions.

    Raises:
        InputError: a method that the grid has not.
    """
    from mickey_hloc.benchmark.grid import SubmissionEntry
    from mickey_hloc.evaluation.report import parse_labelled
    from mickey_hloc.registry import unknown_name

    for label in methods or []:
        if label not in grid.methods:
            raise unknown_name("method of the grid", label, grid.methods)
    kept = {label: entry for label, entry in grid.methods.items() if methods is None or label in methods}
    more = {label: SubmissionEntry(str(path)) for label, path in parse_labelled(submissions).items()}
    return replace(grid, methods=kept, submissions={**grid.submissions, **more})


def open_bench(grid: Grid, args: argparse.Namespace, engine: Engine) -> Bench:
    """The benchmark with its data."""
    from mickey_hloc.benchmark.benches import MapFreeBench, ScanNetBench

    options: dict[str, Any] = {**run_options(args), "engine": engine}
    if grid.benchmark == "mapfree":
        if args.dataset is None:
            raise InputError("This grid is of Map-free: say with --dataset where the data are.")
        return MapFreeBench(grid, args.dataset, args.output, args.scenes, **options)
    if args.pairs is None or args.images is None:
        raise InputError("This grid is of ScanNet: say with --pairs and --images where the data are.")
    return ScanNetBench(grid, args.pairs, args.images, args.output, args.scenes, **options)
