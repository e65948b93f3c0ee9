"""Writing what an evaluation found: json, tables, per-scene and per-frame lists, curves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.curves import Curve, save_precision_recall
from mickey_hloc.evaluation.mapfree import SceneResult, summarise
from mickey_hloc.evaluation.metrics import precision_recall
from mickey_hloc.evaluation.tables import MAPFREE_COLUMNS, Column, Row, format_table, json_value
from mickey_hloc.io.files import atomic_path

SCENE_COLUMNS = (Column("scene", "scene"), Column("frames", "frames", "d"), *MAPFREE_COLUMNS[1:])
FRAME_COLUMNS = tuple(
    Column(key, key) for key in ("scene", "frame", "translation_m", "rotation_deg", "vcre_px", "confidence")
)


def parse_labelled(arguments: Sequence[str]) -> dict[str, Path]:
    """Files by label from ``FILE`` or ``LABEL=FILE``; the label is the file's name without its ending by default.

    Raises:
        InputError: a label twice, or one that cannot be part of a file name.
    """
    files: dict[str, Path] = {}
    for argument in arguments:
        label, separator, file = argument.partition("=")
        if not separator:
            label, file = Path(argument).stem, argument
        if label in files:
            raise InputError(f"Two files have the label '{label}'; give them labels of their own: LABEL=FILE.")
        if not label or "/" in label or "\\" in label or label.startswith("."):
            raise InputError(f"'{label}' cannot be a label: outputs are named by it; write LABEL=FILE.")
        files[label] = Path(file)
    return files


def write_text(path: Path, text: str) -> Path:
    """Write a text file, whole or not at all."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def as_json(values: Mapping[str, float | str]) -> str:
    """A json object in full precision; what json has no number for is written as ``json_value`` says."""
    return json.dumps({key: json_value(value) for key, value in values.items()}, indent=1, allow_nan=False) + "\n"


def mapfree_row(label: str, results: Sequence[SceneResult]) -> dict[str, str | float]:
    """The benchmark's numbers under the keys of the table's columns."""
    numbers = list(summarise(results).values())
    translation, rotation, vcre, pose_precision, pose_auc, vcre_precision, vcre_auc, estimates, failures = numbers
    return {
        "method": label,
        "vcre_auc": vcre_auc,
        "vcre_precision_pct": 100.0 * vcre_precision,
        "average_median_vcre_px": vcre,
        "pose_auc": pose_auc,
        "pose_precision_pct": 100.0 * pose_precision,
        "average_median_translation_m": translation,
        "average_median_rotation_deg": rotation,
        "estimates_pct": 100.0 * estimates,
        "failures": failures,
    }


def scene_rows(results: Sequence[SceneResult]) -> list[Row]:
    """The same numbers scene by scene; medians are missing where a scene has no estimate."""
    rows: list[Row] = []
    for result in results:
        row = {"scene": result.name, "frames": result.total, **mapfree_row(result.name, [result])}
        rows.append({k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()})
    return rows


def frame_rows(results: Sequence[SceneResult]) -> list[Row]:
    """One row an estimated frame, with its errors and its confidence."""
    return [
        {"scene": result.name, "frame": frame, "translation_m": t, "rotation_deg": r, "vcre_px": v, "confidence": c}
        for result in results
        for frame, t, r, v, c in zip(
            result.frames,
            result.translation_m.tolist(),
            result.rotation_deg.tolist(),
            result.vcre_px.tolist(),
            result.confidence.tolist(),
            strict=True,
        )
    ]


def write_mapfree_report(
    folder: Path, by_label: Mapping[str, Sequence[SceneResult]], table: str, legend: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a folder of results.

    Per label ``<label>.json`` (the benchmark's numbers under its own names), ``<label>.scenes.csv`` and
    ``<label>.frames.csv``; for all together ``precision_recall.png`` and ``table.txt``.

    Args:
        table: the finished table.
        legend: what curves are called, by label; default: the labels.

    Returns:
        What was written.
    """
    written = []
    for label, results in by_label.items():
        written += [
            write_text(folder / f"{label}.json", as_json(summarise(results))),
            write_text(folder / f"{label}.scenes.csv", format_table(scene_rows(results), SCENE_COLUMNS, "csv")),
            write_text(folder / f"{label}.frames.csv", format_table(frame_rows(results), FRAME_COLUMNS, "csv")),
        ]
    panels, names = {}, legend or {}
    for title, criterion in (("VCRE < 90 px", "vcre_accepted"), ("pose < 25 cm, 5 deg", "pose_accepted")):
        panels[title] = {names.get(label, label): _curve(results, criterion) for label, results in by_label.items()}
    written.append(save_precision_recall(folder / "precision_recall.png", panels))
    written.append(write_text(folder / "table.txt", table))
    return written


def _curve(results: Sequence[SceneResult], criterion: str) -> Curve:
    accepted = np.concatenate([getattr(result, criterion) for result in results])
    confidence = np.concatenate([result.confidence for result in results])
    return precision_recall(accepted, confidence, sum(result.num_failures for result in results))
