"""Step: features and a depth source -> the depth at every keypoint, once for all solvers and matchers."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from mickey_hloc.depth import DepthSource, get_depth_source
from mickey_hloc.errors import InputError
from mickey_hloc.io.feature_store import FeatureStore
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.origin import ORIGIN_KEY

logger = logging.getLogger(__name__)

BATCH = 32  # images between two writings
COSTLY = ("transformers",)  # sources that are not asked again to find out whether their depth has changed


def main(
    features: Path,
    depth: str,
    output: Path,
    image_dir: Path | None = None,
    mickey_features: Path | None = None,
    names: list[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write a features file with keypoints, image sizes and depths, but without descriptors.

    Args:
        features: features file in hloc's layout.
        depth: spec of the depth source, see ``mickey_hloc.depth.SPECS``.
        output: the file to write; what it has is not made again.
        image_dir: the folder of the images, for depth that lies beside them.
        mickey_features: features file of MicKey, for the source "mickey" on other features.
        names: only these images. None: all.
        overwrite: throw away an existing file.
        progress: show a bar on stderr.

    Returns:
        The file. Images that the source has nothing for are missing from it and are named in a warning.

    Raises:
        InputError: wrong input, no depth at all, or a file made from other features or depth.
    """
    source = get_depth_source(depth, image_dir=image_dir, features=mickey_features or features)
    skipped: dict[str, str] = {}
    with FeatureFile(Path(features)) as file:
        origin = {"depth": depth.partition(":")[0] if mickey_features else depth, "features": _told(file)}
        if mickey_features is not None:
            with FeatureFile(mickey_features) as mickey:
                origin["mickey_features"] = _told(mickey)
        with FeatureStore(Path(output), origin, {"depths"}, overwrite=overwrite) as store:
            wanted = file.names() if names is None else [name for name in names if name in file]
            missing = [name for name in wanted if name not in store.done]
            if Path(output).exists() and depth.partition(":")[0] not in COSTLY:
                _check_unchanged(Path(output), file, source, wanted)
            with tqdm(
                total=len(wanted), initial=len(wanted) - len(missing), desc="depths", disable=not progress
            ) as bar:
                for start in range(0, len(missing), BATCH):
                    store.add(_sample(file, source, missing[start : start + BATCH], skipped))
                    bar.update(len(missing[start : start + BATCH]))
            store.finish()
    if skipped and len(skipped) == len(wanted):
        raise InputError(next(iter(skipped.values())))
    for name, reason in skipped.items():
        logger.warning("no depth for %s: %s", name, reason)
    return Path(output)


def _told(file: FeatureFile) -> Any:
    """What the features file says of its making."""
    told = file.attributes.get(ORIGIN_KEY)
    return json.loads(told) if isinstance(told, str) else None


def _sample(
    file: FeatureFile, source: DepthSource, names: Sequence[str], skipped: dict[str, str]
) -> dict[str, dict[str, np.ndarray]]:
    sampled = {}
    for name in names:
        found = file.read(name)
        if found.image_size is None:
            raise InputError(f"{file.path} has no image_size of image '{name}'; extract its features again.")
        try:
            depths = source.depths(name, torch.from_numpy(found.keypoints)).numpy()
        except InputError as error:  # costs this image only
            skipped[name] = str(error)
            continue
        sampled[name] = {"keypoints": found.keypoints, "image_size": np.array(found.image_size), "depths": depths}
    return sampled


def _check_unchanged(output: Path, file: FeatureFile, source: DepthSource, names: Sequence[str]) -> None:
    """Refuse depths of other keypoints or of depth files that have changed since; one image tells.

    Raises:
        InputError: they are.
    """
    with FeatureFile(output) as stored:
        name = next((name for name in names if name in stored), None)
        if name is None:
            return
        had, keypoints = stored.read(name), torch.from_numpy(file.read(name).keypoints)
        same = np.array_equal(had.keypoints, keypoints.numpy())
        depths = source.depths(name, keypoints).numpy() if same else None
        if had.depths is None or depths is None or not np.array_equal(had.depths, depths, equal_nan=True):
            what = "depths" if same else "keypoints"
            raise InputError(
                f"{output} was made from other {what} (those of {name} have changed); choose another output or "
                "overwrite it."
            )
