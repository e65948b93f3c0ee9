"""``mickey-hloc benchmark scannet``: from images and a list of pairs in SuperGlue's format to the table."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from mickey_hloc.cli.benchmark import add_method_arguments, path_argument, run_options, scene_argument
from mickey_hloc.cli.vocabulary import chosen_method, command_line, parse_size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Data, method, run."""
    path_argument(parser, "--pairs", "nameA nameB rotA rotB K_A(9) K_B(9) T_AB(16)", "FILE", required=True)
    path_argument(parser, "--images", "the list's names are relative to it", "DIR", required=True)
    parser.add_argument(
        "--intrinsics-size",
        type=parse_size,
        metavar="WxH",
        help="pixels of the images that the list's K are for (default: found out)",
    )
    scene_argument(parser, help="only pairs from folders of these names")
    parser.add_argument("--paper", action="store_true", help="print the rows that the paper reports, too")
    add_method_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Estimate, score, print the table."""
    import numpy as np

    from mickey_hloc.benchmark import run_method
    from mickey_hloc.benchmark.pair_pictures import draw_pairs
    from mickey_hloc.benchmark.report import BenchmarkPage, write_benchmark_page
    from mickey_hloc.benchmark.scannet import PART, choose_scenes, scannet_task
    from mickey_hloc.datasets.scannet import read_posed_pairs
    from mickey_hloc.evaluation.curves import save_precision_recall
    from mickey_hloc.evaluation.metrics import precision_recall
    from mickey_hloc.evaluation.report import as_json, write_text
    from mickey_hloc.evaluation.scannet import evaluate_pairs, summarise_pairs
    from mickey_hloc.evaluation.scored_pairs import of_scannet
    from mickey_hloc.evaluation.tables import SCANNET_COLUMNS, Row, format_table, paper_rows
    from mickey_hloc.io.poses import read_poses

    parts = chosen_method(args).resolve()
    pairs = choose_scenes(read_posed_pairs(args.pairs), args.scenes)
    task = scannet_task(pairs, args.images, args.output, args.intrinsics_size, **run_options(args))

    # images -> features -> matches -> depths -> poses: everything that is not there yet
    poses = run_method(task, parts)

    scored = evaluate_pairs(pairs, read_poses(poses[PART]), args.images, args.intrinsics_size)
    row: dict[str, str | float] = {"method": parts.name, **summarise_pairs(scored)}
    rows: list[Row] = [row, *(paper_rows("scannet-1500") if args.paper else [])]
    results = args.output / "results" / parts.name
    curve = precision_recall(scored.vcre_accepted, scored.confidence, scored.num_failures)
    save_precision_recall(results / "precision_recall.png", {"VCRE < 10 % of the diagonal": {parts.name: curve}})
    write_text(results / "benchmark.json", as_json(row))
    write_text(results / "table.txt", format_table(rows, SCANNET_COLUMNS))
    print(format_table(rows, SCANNET_COLUMNS, args.format), end="")
    if args.report is not None:
        content = BenchmarkPage(
            title=f"ScanNet: {parts.name}",
            criterion="VCRE below 10 % of the diagonal",
            columns=SCANNET_COLUMNS,
            rows=[row],
            methods={parts.name: of_scannet(pairs, scored, read_poses(poses[PART]))},
            published="scannet-1500",
            draw=partial(draw_pairs, task, parts),
            vcre_limit_px=float(np.median(scored.max_vcre_px)),
            command=command_line(),
        )
        print(f"report: {write_benchmark_page(args.report, content)}", file=sys.stderr)
    return 0
