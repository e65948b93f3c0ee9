"""``mickey-hloc benchmark sevenscenes``: queries against similar training images, absolute poses, the table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.benchmark import add_method_arguments, run_options, scene_argument
from mickey_hloc.cli.vocabulary import chosen_method, command_line
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    from mickey_hloc.benchmark.task import PoseTask
    from mickey_hloc.evaluation.scored_pairs import ScoredPair
    from mickey_hloc.evaluation.tables import Row
    from mickey_hloc.two_view.method import Parts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Data, method, run."""
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="the folder with the scenes in it")
    scene_argument(parser, help="default: all seven")
    parser.add_argument(
        "--retrieval",
        default="thumbnails",
        metavar="HOW",
        help="'thumbnails', a conf of hloc, e.g. netvlad, or a pairs file with {scene} in its name "
        "(default: %(default)s)",
    )
    parser.add_argument("--num-references", type=int, default=10, metavar="N", help="of a query (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th query, for a quick look")
    add_method_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Estimate, fuse, score, print the table."""
    from mickey_hloc import localize
    from mickey_hloc.benchmark import run_method
    from mickey_hloc.benchmark.sevenscenes import sevenscenes_task
    from mickey_hloc.datasets.sevenscenes import SCENES
    from mickey_hloc.evaluation.report import as_json, write_text
    from mickey_hloc.evaluation.scored_pairs import of_sevenscenes
    from mickey_hloc.evaluation.sevenscenes import localization_errors, summarise_localization, true_poses
    from mickey_hloc.evaluation.tables import SEVENSCENES_COLUMNS, format_table
    from mickey_hloc.io.poses import read_absolute_poses

    parts = chosen_method(args).resolve()
    rows: list[Row] = []
    scored: list[tuple[PoseTask, ScoredPair]] = []
    for name in args.scenes or SCENES:
        scene, outputs = args.dataset / name, args.output / name
        if not scene.is_dir():
            raise InputError(f"No folder {scene}; unpack the scene's zip there, or choose others with --scenes.")
        retrieval = args.retrieval.replace("{scene}", name)
        task = sevenscenes_task(
            scene, outputs, retrieval, args.num_references, args.every, args.hloc, **run_options(args)
        )

        # images -> features -> matches -> depths -> relative poses: everything that is not there yet
        poses = run_method(task, parts)

        # relative poses to posed references -> absolute poses
        results = outputs / "results" / parts.name
        queries = sorted({query for _, query in task.pairs})
        localize.main(poses[name], scene, results / "poses.txt", queries)
        truth = {query: pose for query, pose in true_poses(scene).items() if query in queries}
        errors = localization_errors(read_absolute_poses(results / "poses.txt"), truth)
        row: dict[str, str | float] = {"method": f"{name}: {parts.name}", **summarise_localization(errors)}
        rows.append(row)
        scored += [(task, pair) for pair in of_sevenscenes(errors, task.pairs)]
        write_text(results / "benchmark.json", as_json(row))
    write_text(args.output / f"table-{parts.name}.txt", format_table(rows, SEVENSCENES_COLUMNS))
    print(format_table(rows, SEVENSCENES_COLUMNS, args.format), end="")
    if args.report is not None:
        _write_report(args, parts, rows, scored)
    return 0


def _write_report(
    args: argparse.Namespace, parts: Parts, rows: Sequence[Row], scored: Sequence[tuple[PoseTask, ScoredPair]]
) -> None:
    from mickey_hloc.benchmark.pair_pictures import Pictures, draw_pairs
    from mickey_hloc.benchmark.report import BenchmarkPage, write_benchmark_page
    from mickey_hloc.evaluation.tables import SEVENSCENES_COLUMNS

    tasks = {id(pair): task for task, pair in scored}  # names are the same in several scenes

    def draw(pairs: Sequence[ScoredPair]) -> Pictures:
        return [picture for pair in pairs for picture in draw_pairs(tasks[id(pair)], parts, [pair])]

    content = BenchmarkPage(
        title=f"7-Scenes: {parts.name}",
        criterion="within 5 cm and 5 degrees",
        columns=SEVENSCENES_COLUMNS,
        rows=rows,
        methods={parts.name: [pair for _, pair in scored]},
        draw=draw,
        notes=["Pictures show a query and its first reference; its pose is fused from all of its references."],
        command=command_line(),
    )
    print(f"report: {write_benchmark_page(args.report, content)}", file=sys.stderr)
