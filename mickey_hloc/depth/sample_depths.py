"""Step: features and a depth source -> the depth at every keypoint, once for all solvers and matchers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.mickey import file_origin
from mickey_hloc.depth.sources import get_depth_source
from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.io.feature_store import FeatureStore
from mickey_hloc.io.features import DEPTH_KIND_KEY, TRAINING_FOCAL_KEY, FeatureFile

logger = logging.getLogger(__name__)

BATCH = 32  # images between two writings


def main(
    features: Path,
    depth: str | DepthSource,
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
        depth: spec of the depth source, see ``mickey_hloc.depth.SPECS``, or the source.
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
    if isinstance(depth, DepthSource):
        source = depth
    else:
        source = get_depth_source(depth, image_dir=image_dir, features=mickey_features or features)
    skipped: dict[str, str] = {}
    output = Path(output)
    with FeatureFile(Path(features)) as file:
        origin = {"depth": source.identity(), "features": file_origin(file)}
        focal = source.training_focal_px
        attributes: dict[str, float | str] = {DEPTH_KIND_KEY: source.depth_kind}
        attributes |= {} if focal is None else {TRAINING_FOCAL_KEY: focal}
        with FeatureStore(output, origin, {"depths"}, lambda: attributes, overwrite) as store:
            wanted = file.names() if names is None else [name for name in names if name in file]
            missing = [name for name in wanted if name not in store.done]
            if output.exists():
                _check_unchanged(output, file, source, wanted)
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
    return output


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
        except WeightsError:  # no image has depth
            raise
        except InputError as error:  # costs this image only
            skipped[name] = str(error)
            continue
        sampled[name] = {"keypoints": found.keypoints, "image_size": np.array(found.image_size), "depths": depths}
        learned = source.learned_focal(name)
        if learned is not None:
            sampled[name]["uncertainty"] = np.array(1.0 / learned.network_scale, dtype=np.float32)
    return sampled


def _check_unchanged(output: Path, file: FeatureFile, source: DepthSource, names: Sequence[str]) -> None:
    """Refuse depths of other keypoints or of depth files that have changed since the output was made.

    Keypoints are compared on all images, and depth is asked for again unless that is costly.

    Raises:
        InputError: they have changed.
    """
    with FeatureFile(output) as stored:
        present = [name for name in names if name in stored]
        for name in present:
            had, now = stored.read(name), file.read(name)
            if not np.array_equal(had.keypoints, now.keypoints) or had.image_size != now.image_size:
                raise _changed(output, "keypoints", name)
            if source.costly:
                continue
            depths = source.depths(name, torch.from_numpy(now.keypoints)).numpy()
            if had.depths is None or not np.array_equal(had.depths, depths, equal_nan=True):
                raise _changed(output, "depths", name)


def _changed(output: Path, what: str, name: str) -> InputError:
    return InputError(
        f"{output} was made from other {what} (those of {name} have changed); choose another output or --overwrite it."
    )
