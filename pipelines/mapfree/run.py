r"""Map-free: from images to the benchmark's table, and to the submission zip.

    python pipelines/mapfree/run.py DATASET --outputs outputs/mapfree --split val
    python pipelines/mapfree/run.py DATASET --outputs outputs/mapfree --split val --scenes s00460 s00461 \
        --feature sift --depth png:sensor --solver procrustes
"""

import argparse
import sys
from pathlib import Path

from mickey_hloc.benchmark import make_plan, run_plan
from mickey_hloc.benchmark.arguments import (
    add_method_arguments,
    add_run_arguments,
    chosen_method,
    run_main,
    run_options,
)
from mickey_hloc.benchmark.mapfree import mapfree_run, score, submission
from mickey_hloc.datasets.mapfree import TRACKS
from mickey_hloc.evaluation.report import mapfree_row, write_mapfree_report
from mickey_hloc.evaluation.tables import MAPFREE_COLUMNS, format_table, paper_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="the folder with the splits in it")
    parser.add_argument("--split", default="val", help="val, test, or another folder (default: %(default)s)")
    parser.add_argument("--track", choices=TRACKS, default="single", help="which queries (default: %(default)s)")
    parser.add_argument("--scenes", nargs="+", metavar="SCENE", help="only these; others may follow later")
    parser.add_argument("--paper", action="store_true", help="print the rows that the paper reports, too")
    add_method_arguments(parser)
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    plan = make_plan(chosen_method(args))
    data = mapfree_run(args.dataset, args.split, args.track, args.scenes, args.outputs, **run_options(args))

    # images -> features -> matches -> depths -> poses: everything that is not there yet
    poses = run_plan(data.task, plan)

    results = args.outputs / args.split / f"results-{args.track}" / plan.name
    zip_path, found, failed = submission(data, poses, results / "submission.zip")
    print(f"{found} queries have a pose, {failed} have none: {zip_path}", file=sys.stderr)
    if not data.has_truth:
        print(f"the poses of {args.split} are withheld: upload the zip to be scored", file=sys.stderr)
        return 0

    scored = score(data, zip_path)
    rows = [mapfree_row(plan.name, scored), *(paper_rows("mapfree-test") if args.paper else [])]
    write_mapfree_report(results, {"benchmark": scored}, format_table(rows, MAPFREE_COLUMNS))
    print(format_table(rows, MAPFREE_COLUMNS, args.format), end="")
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="pipelines/mapfree", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return run_main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
