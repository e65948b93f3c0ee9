"""A model in metres: transformed in memory, and written whole or not at all, in the layout it was read from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.colmap import PLACES, check_written, find_colmap_model, has_binary
from mickey_hloc.io.json_text import parse_json

REPORT = "scale.json"  # beside the files of a model in metres


def rescale(model: pycolmap.Reconstruction, scale: float, alignment: pycolmap.Sim3d | None = None) -> pycolmap.Sim3d:
    """Bring a model to metres, in place: points, poses, frames and rigs.

    Args:
        scale: metres per unit.
        alignment: a similarity, whose rotation is taken and whose scale is not: its translation is such that the
            cameras' centre comes where it puts it. Default: about the model's origin.

    Returns:
        metric_from_model as applied.
    """
    sim3 = pycolmap.Sim3d(scale, pycolmap.Rotation3d(), np.zeros(3))
    if alignment is not None:
        centres = np.array([model.images[i].projection_center() for i in model.reg_image_ids()])
        centre, R = centres.mean(axis=0), alignment.rotation.matrix()
        target = alignment.scale * R @ centre + alignment.translation
        sim3 = pycolmap.Sim3d(scale, alignment.rotation, target - scale * R @ centre)
    model.transform(sim3)
    return sim3


def model_folder(path: Path) -> Path:
    """Where the model lies in what was given: the folder itself, or sparse/0 in it, as 3DGS and Nerfstudio have it.

    Raises:
        InputError: no model in any of them.
    """
    found = find_colmap_model(path)
    if found is None:
        raise InputError(
            f"{path} has no COLMAP model (cameras and images, .bin or .txt), neither itself nor in sparse/0."
        )
    return found


def check_output(output: Path, inputs: Path, overwrite: bool = False) -> None:
    """Refuse an output that would touch something.

    Args:
        inputs: what must not be touched.
        overwrite: a folder that an earlier run has written may be replaced.

    Raises:
        InputError: the output is the input, in it or around it, or it has files already.
    """
    here, there = output.resolve(), inputs.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise InputError(f"{output} and the model {inputs} are one folder or in one another; choose another output.")
    if not output.exists():
        return
    ours = output.is_dir() and any((output / inner / REPORT).is_file() for inner in PLACES)
    if not output.is_dir() or (any(output.iterdir()) and not (overwrite and ours)):
        advice = "choose another output" + (", or --overwrite it" if ours else "")
        raise InputError(f"{output} exists and is not empty; {advice}.")


def read_report(folder: Path) -> dict[str, Any] | None:
    """``scale.json`` beside a model; None where there is none, and the model's unit is not known.

    Raises:
        InputError: it cannot be read.
    """
    path = folder / REPORT
    if not path.is_file():
        return None
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
        if not math.isfinite(float(values["relative_std"])):
            raise ValueError("relative_std is not finite")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}); scale the model again.") from error
    found: dict[str, Any] = values
    return found


def write_model(model: pycolmap.Reconstruction, folder: Path, like: Path) -> None:
    """Write a model into an existing or new folder, as text where the model ``like`` is text.

    Raises:
        InputError: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if has_binary(like):
        model.write(str(folder))
    else:
        model.write_text(str(folder))
    check_written(model, folder)
