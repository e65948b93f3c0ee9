"""Matching time of a pair: extraction of both images and matching, one pair at a time, as the paper measures it.

Reading images from the disk and estimating the pose are not counted. The first pair warms up and is not counted either.
"""

from __future__ import annotations

import json
import logging
import platform
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from mickey_hloc.benchmark.task import PoseTask
from mickey_hloc.errors import MickeyHlocError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.images import read_image
from mickey_hloc.io.json_text import parse_json
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.method import Method, Parts
from mickey_hloc.two_view.result import Photo

logger = logging.getLogger(__name__)


def timing_path(task: PoseTask, parts: Parts) -> Path:
    """Where the time of a feature and a matcher is kept."""
    tags = [part.tag() for part in (parts.extractor, parts.matcher, parts.pair_model) if part is not None]
    return task.outputs / "timing" / ("+".join(tags) + ".json")


def matching_ms(task: PoseTask, parts: Parts, num_pairs: int) -> float | None:
    """Median milliseconds a pair, measured once and kept with the outputs.

    Returns:
        None where nothing is to be measured, or where only the results of the methods are here and not their weights.
    """
    if num_pairs < 1:
        return None
    path = timing_path(task, parts)
    if path.is_file() and not task.overwrite:
        with suppress(ValueError, KeyError, TypeError):  # a damaged one is measured anew
            return float(parse_json(path.read_text(encoding="utf-8"))["ms_per_pair"])
    step = max(1, len(task.pairs) // (num_pairs + 1))
    estimator = TwoViewEstimator(_matched(parts), task.images)
    try:
        seconds = [
            sum(estimator.match([_photo(task, name) for name in pair])[1][stage] for stage in ("features", "matching"))
            for pair in task.pairs[::step][: num_pairs + 1]
        ]
    except MickeyHlocError as error:
        logger.warning("no matching time of %s: %s", path.stem, error)
        return None
    milliseconds = 1000 * median(seconds[1:] or seconds)
    found = {"ms_per_pair": milliseconds, "pairs": len(seconds[1:]), "device": device_name()}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(found), encoding="utf-8")
    return milliseconds


def _matched(parts: Parts) -> Method:
    """The method with its matcher; where the solver works on descriptors, MicKey's, which computes the same."""
    return replace(parts.method, matcher="mickey") if parts.on_descriptors else parts.method


def _photo(task: PoseTask, name: str) -> Photo:
    return Photo(name, read_image(task.images / name, "ignore"), np.asarray(task.cameras[name].K))


def device_name() -> str:
    """What the networks run on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"
