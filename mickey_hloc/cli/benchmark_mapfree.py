"""``mickey-hloc benchmark mapfree``: from images to the benchmark's table, and to the submission zip."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from mickey_hloc.cli.benchmark import add_method_arguments, run_options, scene_argument
from mickey_hloc.cli.vocabulary import chosen_method, command_line
from mickey_hloc.datasets.tracks import TRACKS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Data, method, run."""
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="the folder with the splits in it")
    parser.add_argument("--split", default="val", help="val, test, or another folder (default: %(default)s)")
    parser.add_argument("--track", choices=TRACKS, default="single", help="which queries (default: %(default)s)")
    scene_argument(parser, help="only these; others may follow later")
    parser.add_argument("--paper", action="store_true", help="print the rows that the paper reports, too")
    add_method_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 0; where true poses are withheld, the zip is written and nothing is scored."""
    from mickey_hloc.benchmark import run_method
    from mickey_hloc.benchmark.mapfree import mapfree_run, score, submission
    from mickey_hloc.benchmark.pair_pictures import draw_pairs
    from mickey_hloc.benchmark.report import BenchmarkPage, write_benchmark_page
    from mickey_hloc.evaluation.mapfree import MAX_VCRE_PX
    from mickey_hloc.evaluation.report import mapfree_row, write_mapfree_report
    from mickey_hloc.evaluation.scored_pairs import of_mapfree
    from mickey_hloc.evaluation.tables import MAPFREE_COLUMNS, format_table, paper_rows
    from mickey_hloc.io.poses import read_all_poses

    parts = chosen_method(args).resolve()
    data = mapfree_run(args.dataset, args.split, args.track, args.scenes, args.output, **run_options(args))

    # images -> features -> matches -> depths -> poses: everything that is not there yet
    poses = run_method(data.task, parts)

    results = args.output / args.split / f"results-{args.track}" / parts.name
    zip_path, found, failed = submission(data, poses, results / "submission.zip")
    print(f"{found} queries have a pose, {failed} have none: {zip_path}", file=sys.stderr)
    if not data.has_truth:
        print(f"the poses of {args.split} are withheld: upload the zip to be scored", file=sys.stderr)
        if args.paper:
            print(format_table(paper_rows("mapfree-test"), MAPFREE_COLUMNS, args.format), end="")
        return 0

    scored = score(data, zip_path)
    rows = [mapfree_row(parts.name, scored), *(paper_rows("mapfree-test") if args.paper else [])]
    table = format_table(rows, MAPFREE_COLUMNS)
    write_mapfree_report(results, {"benchmark": scored}, table, {"benchmark": parts.name})
    print(format_table(rows, MAPFREE_COLUMNS, args.format), end="")
    if args.report is not None:
        pairs = of_mapfree(data.scenes, scored, read_all_poses(poses), data.track)
        content = BenchmarkPage(
            title=f"Map-free, {args.split}: {parts.name}",
            criterion=f"VCRE below {MAX_VCRE_PX:.0f} px",
            columns=MAPFREE_COLUMNS,
            rows=rows[:1],
            methods={parts.name: pairs},
            published="mapfree-test",
            draw=partial(draw_pairs, data.task, parts),
            vcre_limit_px=MAX_VCRE_PX,
            command=command_line(),
        )
        print(f"report: {write_benchmark_page(args.report, content)}", file=sys.stderr)
    return 0
