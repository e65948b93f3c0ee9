"""The pairs of a benchmark one by one: their errors, or why there is no estimate. What reports are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mickey_hloc.datasets.mapfree import REFERENCE, MapFreeScene
from mickey_hloc.datasets.scannet import PosedPair
from mickey_hloc.datasets.tracks import Track
from mickey_hloc.evaluation.mapfree import SceneResult
from mickey_hloc.evaluation.scannet import PairResults
from mickey_hloc.evaluation.sevenscenes import LocalizationErrors
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.pairs import Pair

NO_ESTIMATE = "no estimate"


@dataclass(frozen=True)
class ScoredPair:
    """One pair or query of a benchmark.

    Attributes:
        pair: names of its images, the reference first.
        translation_m, rotation_deg: errors; inf without an estimate.
        vcre_px: VCRE in pixels; inf without an estimate, NaN where the benchmark has no VCRE.
        confidence: as the method gave it; NaN where there is none.
        right: whether the benchmark counts it as right.
        reason: why there is no estimate; empty where there is one.
    """

    pair: Pair
    translation_m: float = math.inf
    rotation_deg: float = math.inf
    vcre_px: float = math.inf
    confidence: float = math.nan
    right: bool = False
    reason: str = ""


def _scored(pair: Pair, errors: tuple[float, float, float, float], right: bool) -> ScoredPair:
    metres, degrees, vcre_px, confidence = map(float, errors)
    return ScoredPair(pair, metres, degrees, vcre_px, confidence, bool(right))


def failed_pair(pair: Pair, poses: Mapping[Pair, RelativePose]) -> ScoredPair:
    """A pair without an estimate, and why."""
    pose = poses.get(pair)
    return ScoredPair(pair, reason=(pose.reason if pose is not None else "") or NO_ESTIMATE)


def of_mapfree(
    scenes: Iterable[MapFreeScene],
    results: Sequence[SceneResult],
    poses: Mapping[Pair, RelativePose],
    track: Track = "single",
) -> list[ScoredPair]:
    """Every scored query of the scenes; right is a VCRE below 90 px."""
    by_name, found = {result.name: result for result in results}, []
    for scene in scenes:
        result, reference = by_name[scene.name], f"{scene.name}/{REFERENCE}"
        errors = zip(result.translation_m, result.rotation_deg, result.vcre_px, result.confidence, strict=True)
        for frame, values, right in zip(result.frames, errors, result.vcre_accepted, strict=True):
            found.append(_scored((reference, f"{scene.name}/{frame}"), values, right))
        missing = [frame for frame in scene.queries(track) if frame not in set(result.frames)]
        found += [failed_pair((reference, f"{scene.name}/{frame}"), poses) for frame in missing]
    return found


def of_scannet(
    truth: Sequence[PosedPair], results: PairResults, poses: Mapping[Pair, RelativePose]
) -> list[ScoredPair]:
    """Every pair of the list; right is a VCRE below 10 % of the diagonal."""
    errors = results.errors
    values = zip(errors.translation_m, errors.rotation_deg, results.vcre_px, results.confidence, strict=True)
    found = [
        _scored(pair, row, right) for pair, row, right in zip(results.pairs, values, results.vcre_accepted, strict=True)
    ]
    estimated = set(results.pairs)
    listed = [(pair.name0, pair.name1) for pair in truth]
    return found + [failed_pair(pair, poses) for pair in listed if pair not in estimated]


def of_sevenscenes(errors: LocalizationErrors, pairs: Iterable[Pair]) -> list[ScoredPair]:
    """Every query with its first reference; right is within 5 cm and 5 degrees."""
    reference: dict[str, str] = {}
    for name0, name1 in pairs:
        reference.setdefault(name1, name0)
    found = []
    for name, metres, degrees in zip(errors.names, errors.translation_m, errors.rotation_deg, strict=True):
        reason = "" if np.isfinite(metres) else "not localized"
        right = bool(metres < 0.05 and degrees < 5)
        pair = (reference.get(name, name), name)
        found.append(ScoredPair(pair, float(metres), float(degrees), math.nan, math.nan, right, reason))
    return found
