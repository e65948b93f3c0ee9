r"""ScanNet-1500, or any list of pairs in SuperGlue's format: from images to the table.

    python pipelines/scannet/run.py --pairs scannet_test_pairs_with_gt.txt --images scannet_test_1500 \
        --outputs outputs/scannet --matcher vismatch-roma --depth npz:planercnn.npz
"""

import argparse
import sys
from pathlib import Path

from mickey_hloc.benchmark import make_plan, run_plan
from mickey_hloc.benchmark.arguments import (
    add_method_arguments,
    add_run_arguments,
    chosen_method,
    parse_size,
    run_main,
    run_options,
)
from mickey_hloc.benchmark.scannet import PART, choose_scenes, scannet_task
from mickey_hloc.datasets.scannet import read_posed_pairs
from mickey_hloc.evaluation.curves import save_precision_recall
from mickey_hloc.evaluation.metrics import precision_recall
from mickey_hloc.evaluation.report import as_json, write_text
from mickey_hloc.evaluation.scannet import evaluate_pairs, summarise_pairs
from mickey_hloc.evaluation.tables import SCANNET_COLUMNS, format_table, paper_rows
from mickey_hloc.io.poses import read_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pairs", type=Path, required=True, metavar="FILE", help="nameA nameB rotA rotB K_A(9) K_B(9) T_AB(16)"
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the list's names are relative to it")
    parser.add_argument(
        "--intrinsics-size", type=parse_size, metavar="WxH", help="what the list's K are for; default: found out"
    )
    parser.add_argument("--scenes", nargs="+", metavar="SCENE", help="only pairs from folders of these names")
    parser.add_argument("--paper", action="store_true", help="print the rows that the paper reports, too")
    add_method_arguments(parser)
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    plan = make_plan(chosen_method(args))
    pairs = choose_scenes(read_posed_pairs(args.pairs), args.scenes)
    task = scannet_task(pairs, args.images, args.outputs, args.intrinsics_size, **run_options(args))

    # images -> features -> matches -> depths -> poses: everything that is not there yet
    poses = run_plan(task, plan)

    scored = evaluate_pairs(pairs, read_poses(poses[PART]), args.images, args.intrinsics_size)
    row = {"method": plan.name, **summarise_pairs(scored)}
    rows = [row, *(paper_rows("scannet-1500") if args.paper else [])]
    results = args.outputs / "results" / plan.name
    curve = precision_recall(scored.vcre_accepted, scored.confidence, scored.num_failures)
    save_precision_recall(results / "precision_recall.png", {"VCRE < 10 % of the diagonal": {plan.name: curve}})
    write_text(results / "benchmark.json", as_json(row))
    write_text(results / "table.txt", format_table(rows, SCANNET_COLUMNS))
    print(format_table(rows, SCANNET_COLUMNS, args.format), end="")
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="pipelines/scannet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return run_main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
