"""``mickey-hloc evaluate mapfree | scannet | sevenscenes``: score results against the truth of a benchmark."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    from mickey_hloc.evaluation.tables import Column, Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The three benchmarks."""
    from mickey_hloc.datasets.tracks import TRACKS

    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="mapfree|scannet|sevenscenes")
    mapfree = benchmarks.add_parser("mapfree", help="a submission zip, scored as the Map-free benchmark does")
    mapfree.add_argument(
        "--submission", nargs="+", required=True, metavar="[LABEL=]ZIP", help="one row of the table each"
    )
    mapfree.add_argument("--dataset", type=Path, required=True, metavar="DIR", help="the folder with the splits in it")
    mapfree.add_argument("--split", default="val", help="default: %(default)s (the poses of test are withheld)")
    mapfree.add_argument("--track", choices=TRACKS, default="single", help="default: %(default)s")
    mapfree.add_argument("--scenes", nargs="+", metavar="SCENE", help="only these")
    _common(mapfree)

    scannet = benchmarks.add_parser("scannet", help="relative poses of a pair list in SuperGlue's format")
    scannet.add_argument("--pairs", type=Path, required=True, metavar="FILE", help="nameA nameB rotA rotB K_A K_B T_AB")
    scannet.add_argument("--images", type=Path, required=True, metavar="DIR", help="the names are relative to it")
    scannet.add_argument(
        "--poses", nargs="+", required=True, metavar="[LABEL=]FILE", help="poses files, cam1_from_cam0"
    )
    scannet.add_argument(
        "--intrinsics-size", metavar="WxH", help="pixels of the images that the list's K are for (default: found out)"
    )
    _common(scannet)

    seven = benchmarks.add_parser("sevenscenes", help="absolute poses of queries, results files as hloc writes them")
    seven.add_argument("--results", nargs="+", required=True, metavar="[LABEL=]FILE", help="name qw qx qy qz tx ty tz")
    seven.add_argument("--dataset", type=Path, metavar="DIR", help="a scene of 7-Scenes, with seq-01, seq-02, ...")
    seven.add_argument("--split", choices=("train", "test", "all"), default="test", help="default: %(default)s")
    seven.add_argument("--model", type=Path, metavar="DIR", help="a COLMAP model with the true poses, not --dataset")
    seven.add_argument("--queries", type=Path, metavar="FILE", help="a list of names; only these")
    _common(seven, paper=False)


def _common(parser: argparse.ArgumentParser, paper: bool = True) -> None:
    from mickey_hloc.evaluation.tables import STYLES

    parser.add_argument("--output", type=Path, metavar="DIR", help="write tables, lists and curves there")
    parser.add_argument("--format", choices=STYLES, default="text", help="of the table on the screen")
    if paper:
        parser.add_argument("--paper", action="store_true", help="print the rows that the paper reports, too")


def run(args: argparse.Namespace) -> int:
    """Score, print the table, write the files.

    Raises:
        InputError: results or truth cannot be read, or do not fit together.
    """
    if args.benchmark == "mapfree":
        _mapfree(args)
    elif args.benchmark == "scannet":
        _scannet(args)
    else:
        _sevenscenes(args)
    return 0


def _mapfree(args: argparse.Namespace) -> None:
    from mickey_hloc.evaluation.mapfree import evaluate_submission, summarise
    from mickey_hloc.evaluation.report import as_json, mapfree_row, parse_labelled, write_mapfree_report
    from mickey_hloc.evaluation.tables import MAPFREE_COLUMNS, format_table, paper_rows

    by_label = {
        label: evaluate_submission(path, args.dataset, args.split, args.track, args.scenes)
        for label, path in parse_labelled(args.submission).items()
    }
    rows = [mapfree_row(label, results) for label, results in by_label.items()]
    rows_and_paper = [*rows, *(paper_rows("mapfree-test") if args.paper else [])]
    if args.output is not None:
        write_mapfree_report(args.output, by_label, format_table(rows_and_paper, MAPFREE_COLUMNS))
    if args.format == "json" and len(by_label) == 1 and not args.paper:
        print(as_json(summarise(next(iter(by_label.values())))), end="")
    else:
        print(format_table(rows_and_paper, MAPFREE_COLUMNS, args.format), end="")
    _say_where(args.output)


def _scannet(args: argparse.Namespace) -> None:
    from mickey_hloc.datasets.scannet import read_posed_pairs
    from mickey_hloc.evaluation.curves import save_precision_recall
    from mickey_hloc.evaluation.metrics import precision_recall
    from mickey_hloc.evaluation.report import parse_labelled
    from mickey_hloc.evaluation.scannet import evaluate_pairs, summarise_pairs
    from mickey_hloc.evaluation.tables import SCANNET_COLUMNS, paper_rows
    from mickey_hloc.io.poses import read_poses

    pairs = read_posed_pairs(args.pairs)
    size = _parse_size(args.intrinsics_size)
    rows: list[Row] = []
    curves = {}
    for label, path in parse_labelled(args.poses).items():
        results = evaluate_pairs(pairs, read_poses(path), args.images, size)
        rows.append({"method": label, **summarise_pairs(results)})
        curves[label] = precision_recall(results.vcre_accepted, results.confidence, results.num_failures)
    if args.output is not None:
        save_precision_recall(args.output / "precision_recall.png", {"VCRE < 10 % of the diagonal": curves})
    _finish(args, rows, SCANNET_COLUMNS, paper_rows("scannet-1500") if args.paper else [])


def _sevenscenes(args: argparse.Namespace) -> None:
    from mickey_hloc.evaluation import sevenscenes
    from mickey_hloc.evaluation.report import parse_labelled
    from mickey_hloc.evaluation.tables import SEVENSCENES_COLUMNS
    from mickey_hloc.io.poses import read_absolute_poses

    split = None if args.split == "all" else args.split
    truth = sevenscenes.true_poses(args.dataset, args.model, args.queries, split)
    rows: list[Row] = []
    for label, path in parse_labelled(args.results).items():
        errors = sevenscenes.localization_errors(read_absolute_poses(path), truth)
        rows.append({"method": label, **sevenscenes.summarise_localization(errors)})
    _finish(args, rows, SEVENSCENES_COLUMNS, [])


def _finish(args: argparse.Namespace, rows: Sequence[Row], columns: Sequence[Column], paper: Sequence[Row]) -> None:
    from mickey_hloc.evaluation.report import as_json, write_text
    from mickey_hloc.evaluation.tables import format_table

    if args.output is not None:
        for row in rows:
            values = {key: value for key, value in row.items() if value is not None}
            write_text(args.output / f"{row['method']}.json", as_json(values))
        write_text(args.output / "table.txt", format_table([*rows, *paper], columns))
    print(format_table([*rows, *paper], columns, args.format), end="")
    _say_where(args.output)


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise InputError(f"--intrinsics-size is a width and a height like 1296x968, got '{text}'.")
    return int(width), int(height)


def _say_where(folder: Path | None) -> None:
    if folder is not None:
        print(f"written to {folder}", file=sys.stderr)  # the table alone goes to stdout
