"""Matching time of a pair: extraction of both images and matching, one pair at a time, as the paper measures it.

Reading images from the disk and estimating the pose are not counted. The first pair warms up and is not counted either.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mickey_hloc.benchmark.methods import Plan, short
from mickey_hloc.benchmark.task import PoseTask
from mickey_hloc.errors import MickeyHlocError
from mickey_hloc.extract_features import ExtractConf
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.image_batches import load_image
from mickey_hloc.io.pairs import Pair
from mickey_hloc.match_features import MatchConf
from mickey_hloc.match_images import ImageMatchConf, load_for_matching

logger = logging.getLogger(__name__)

Stopwatch = Callable[[Pair], float]  # a pair -> seconds


def timing_path(task: PoseTask, plan: Plan) -> Path:
    """Where the time of a feature and a matcher is kept."""
    confs = [plan.feature, None if plan.matching is None else plan.matching.conf]
    return task.outputs / "timing" / ("+".join(short(conf) for conf in confs if conf is not None) + ".json")


def matching_ms(task: PoseTask, plan: Plan, num_pairs: int) -> float | None:
    """Median milliseconds a pair, measured once and kept with the outputs.

    Returns:
        None where nothing is to be measured, or where only the results of the methods are here and not their weights.
    """
    if num_pairs < 1:
        return None
    path = timing_path(task, plan)
    if path.is_file() and not task.overwrite:
        return float(json.loads(path.read_text(encoding="utf-8"))["ms_per_pair"])
    step = max(1, len(task.pairs) // (num_pairs + 1))
    pairs = task.pairs[::step][: num_pairs + 1]
    stopwatch = _image_stopwatch(task, plan) if plan.feature is None else _feature_stopwatch(task, plan)
    try:
        seconds = [stopwatch(pair) for pair in pairs]
    except MickeyHlocError as error:
        logger.warning("no matching time of %s: %s", path.stem, error)
        return None
    milliseconds = 1000 * median(seconds[1:] or seconds)
    found = {"ms_per_pair": milliseconds, "pairs": len(seconds[1:]), "device": device_name()}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(found), encoding="utf-8")
    return milliseconds


def device_name() -> str:
    """What the networks run on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def _image_stopwatch(task: PoseTask, plan: Plan) -> Stopwatch:
    assert plan.matching is not None
    conf = ImageMatchConf.from_dict(plan.matching.conf)
    matcher = conf.matcher()

    def time_pair(pair: Pair) -> float:
        images = [load_for_matching(task.images / name, conf)[0] for name in pair]
        start = time.perf_counter()
        matcher.match(*images)
        return time.perf_counter() - start

    return time_pair


def _feature_stopwatch(task: PoseTask, plan: Plan) -> Stopwatch:
    assert plan.feature is not None
    conf = ExtractConf.from_dict(plan.feature)
    extractor = conf.extractor()
    match = _matching(plan)
    prepared = False

    def time_pair(pair: Pair) -> float:
        nonlocal prepared
        images = [load_image(task.images / name, conf.preprocessing)[0] for name in pair]
        start = time.perf_counter()
        features = []
        for image in images:
            arrays = extractor.extract(torch.from_numpy(image)[None])[0]
            tensors = {key: torch.from_numpy(value) for key, value in arrays.items()}
            features.append({**tensors, "image_size": torch.tensor([image.shape[2], image.shape[1]])})
        if not prepared:  # only now are the extractor's constants known without loading it twice
            match.prepare(extractor.attributes())
            prepared = True
        match.match(*features)
        return time.perf_counter() - start

    return time_pair


def _matching(plan: Plan) -> Any:
    """The matcher; where the solver works on descriptors, MicKey's, which computes the same probabilities."""
    conf: Mapping[str, Any] = {"output": "", "model": {"name": "mickey"}}
    return MatchConf.from_dict(conf if plan.matching is None else plan.matching.conf).matcher()
