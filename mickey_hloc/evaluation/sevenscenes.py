"""Absolute poses of queries against the truth, on results files in hloc's format.

The same results and the same truth give the medians and shares that hloc's own evaluation prints, but for one case:
where half of the queries or more have no estimate, both medians are infinite here, and hloc prints 180 degrees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
import torch

from mickey_hloc.datasets.sevenscenes import find_images, read_pose
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.metrics import median_of_all, share_within
from mickey_hloc.geometry import inverse, pose_errors
from mickey_hloc.geometry.pose_arrays import pose_arrays
from mickey_hloc.io.colmap import read_colmap_model
from mickey_hloc.io.text import read_rows

# metres, degrees; the first is 7-Scenes' own, the others are those that hloc prints
LIMITS = ((0.05, 5.0), (0.01, 1.0), (0.02, 2.0), (0.03, 3.0), (0.25, 2.0), (0.5, 5.0), (5.0, 10.0))


@dataclass(frozen=True, eq=False)
class LocalizationErrors:
    """Errors of absolute poses, one entry a query.

    Attributes:
        names: the queries.
        translation_m: (N,) distance of the camera centres, inf where not localized.
        rotation_deg: (N,) degrees, inf where not localized.
    """

    names: Sequence[str]
    translation_m: np.ndarray
    rotation_deg: np.ndarray


def true_poses(
    dataset: Path | None = None, model: Path | None = None, queries: Path | None = None, split: str | None = "test"
) -> dict[str, pycolmap.Rigid3d]:
    """The true cam_from_world of the queries, from a scene of 7-Scenes or from a COLMAP model.

    Args:
        dataset: the scene's folder; the queries are its ``split``.
        model: a COLMAP model with the queries in it, instead of ``dataset``.
        queries: a list of names, one a line (hloc's query lists too); only these.

    Raises:
        InputError: neither or both sources, a source that cannot be read, or a query that it does not have.
    """
    if (dataset is None) == (model is None):
        raise InputError("Give the true poses once: --dataset, a scene's folder, or --model, a COLMAP model.")
    names = None if queries is None else [fields[0] for _, fields in read_rows(queries, "list of queries")]
    if dataset is not None:
        images = names if names is not None else find_images(dataset, split)
        return {name: read_pose(dataset, name) for name in images}
    assert model is not None
    reconstruction = read_colmap_model(Path(model))
    poses = {image.name: image.cam_from_world() for image in reconstruction.images.values() if image.has_pose}
    unknown = [name for name in names or [] if name not in poses]
    if unknown:
        raise InputError(f"{model} has no pose of '{unknown[0]}' and {len(unknown) - 1} more of {queries}.")
    return poses if names is None else {name: poses[name] for name in names}


def localization_errors(
    estimates: Mapping[str, pycolmap.Rigid3d | None], truth: Mapping[str, pycolmap.Rigid3d]
) -> LocalizationErrors:
    """Compare absolute poses; a query without an estimate counts as infinitely wrong.

    Args:
        estimates: cam_from_world by image name; names that are no query are ignored.
        truth: cam_from_world of the queries.

    Raises:
        InputError: no query at all has an estimate, which mostly means that the names differ.
    """
    found = [name for name in truth if estimates.get(name) is not None]
    if not found:
        theirs, ours = next(iter(estimates), "nothing"), next(iter(truth), "nothing")
        raise InputError(f"No query has an estimate: the results have names like '{theirs}', the truth like '{ours}'.")
    estimated = inverse(*pose_arrays(pose for pose in map(estimates.get, found) if pose is not None))
    true = inverse(*pose_arrays(truth[name] for name in found))
    rotation, translation = pose_errors(*(torch.from_numpy(array) for array in (*estimated, *true)))
    translation_m, rotation_deg = np.full((2, len(truth)), np.inf)
    rows = np.isin(np.array(list(truth)), np.array(found))
    translation_m[rows], rotation_deg[rows] = translation.numpy(), rotation.numpy()
    return LocalizationErrors(list(truth), translation_m, rotation_deg)


def summarise_localization(errors: LocalizationErrors) -> dict[str, float]:
    """Medians over all queries and the recall at each limit, under the keys of the table's columns."""
    total = len(errors.names)
    summary = {
        "median_translation_m": median_of_all(errors.translation_m),
        "median_rotation_deg": median_of_all(errors.rotation_deg),
    }
    for metres, degrees in LIMITS:
        share = share_within(errors.translation_m, errors.rotation_deg, (metres, degrees), total)
        summary[f"within_{100 * metres:.0f}cm_{degrees:.0f}deg_pct"] = 100.0 * share
    summary["estimates_pct"] = 100.0 * float(np.isfinite(errors.translation_m).mean())
    return summary
