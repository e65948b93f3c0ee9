r"""7-Scenes: queries against similar posed images, from images to absolute poses and their table.

    python pipelines/sevenscenes/run.py DATASET --outputs outputs/7scenes --scenes chess --retrieval netvlad \
        --feature sift --depth png:depth
"""

import argparse
import sys
from pathlib import Path

from mickey_hloc import localize
from mickey_hloc.benchmark import make_plan, run_plan
from mickey_hloc.benchmark.arguments import (
    add_method_arguments,
    add_run_arguments,
    chosen_method,
    run_main,
    run_options,
)
from mickey_hloc.benchmark.sevenscenes import THUMBNAILS, sevenscenes_task
from mickey_hloc.datasets.sevenscenes import SCENES
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.report import as_json, write_text
from mickey_hloc.evaluation.sevenscenes import localization_errors, summarise_localization, true_poses
from mickey_hloc.evaluation.tables import SEVENSCENES_COLUMNS, format_table
from mickey_hloc.io.poses import read_absolute_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="the folder with the scenes in it")
    parser.add_argument("--scenes", nargs="+", metavar="SCENE", default=SCENES, help="default: all seven")
    parser.add_argument(
        "--retrieval",
        default=THUMBNAILS,
        metavar="HOW",
        help="'thumbnails', a conf of hloc, e.g. netvlad, or a pairs file with {scene} in its name "
        "(default: %(default)s)",
    )
    parser.add_argument("--num-references", type=int, default=10, metavar="N", help="of a query (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th query, for a quick look")
    add_method_arguments(parser)
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    plan = make_plan(chosen_method(args))
    rows = []
    for name in args.scenes:
        scene, outputs = args.dataset / name, args.outputs / name
        if not scene.is_dir():
            raise InputError(f"No folder {scene}; unpack the scene's zip there, or choose others with --scenes.")
        retrieval = args.retrieval.replace("{scene}", name)
        task = sevenscenes_task(
            scene, outputs, retrieval, args.num_references, args.every, args.hloc, **run_options(args)
        )

        # images -> features -> matches -> depths -> relative poses: everything that is not there yet
        poses = run_plan(task, plan)

        # relative poses to posed references -> absolute poses
        results = outputs / "results" / plan.name
        queries = sorted({query for _, query in task.pairs})
        localize.main(poses[name], scene, results / "poses.txt", queries)
        truth = {query: pose for query, pose in true_poses(scene).items() if query in queries}
        errors = localization_errors(read_absolute_poses(results / "poses.txt"), truth)
        rows.append({"method": f"{name}: {plan.name}", **summarise_localization(errors)})
        write_text(results / "benchmark.json", as_json(rows[-1]))
    write_text(args.outputs / f"table-{plan.name}.txt", format_table(rows, SEVENSCENES_COLUMNS))
    print(format_table(rows, SEVENSCENES_COLUMNS, args.format), end="")
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="pipelines/sevenscenes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return run_main(parser, run, argv)


if __name__ == "__main__":
    sys.exit(main())
