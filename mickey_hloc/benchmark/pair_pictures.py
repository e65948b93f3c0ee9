"""Pictures of a benchmark's pairs: the best, some typical and the worst, solved once more from the stored files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mickey_hloc.benchmark.steps import solve_again
from mickey_hloc.benchmark.task import PoseTask
from mickey_hloc.evaluation.scored_pairs import ScoredPair
from mickey_hloc.io.images import read_image
from mickey_hloc.two_view.method import Parts
from mickey_hloc.visualization.two_view_pictures import matches_picture

Pictures = list[tuple[str, np.ndarray]]
PICTURES = 3  # of each kind


def chosen_pairs(pairs: Sequence[ScoredPair], count: int = PICTURES) -> dict[str, list[ScoredPair]]:
    """The best, typical (around the median) and worst pairs with an estimate, none of them twice."""
    found = sorted((pair for pair in pairs if not pair.reason), key=error_of)
    middle = max(0, len(found) // 2 - count // 2)
    kinds = {"Best": found[:count], "Typical": found[middle : middle + count], "Worst": found[::-1][:count]}
    seen: set[tuple[str, str]] = set()
    chosen: dict[str, list[ScoredPair]] = {}
    for kind, group in kinds.items():
        fresh = [pair for pair in group if pair.pair not in seen]
        seen |= {pair.pair for pair in fresh}
        if fresh:
            chosen[kind] = fresh
    return chosen


def draw_pairs(task: PoseTask, parts: Parts, pairs: Sequence[ScoredPair]) -> Pictures:
    """Captions with errors, and pictures of the matches.

    Raises:
        InputError: a file cannot be used any more.
    """
    by_names, drawn = {pair.pair: pair for pair in pairs}, {}
    for names, problem, pose in solve_again(task, parts, list(by_names)):
        images = (read_image(task.images / names[0], "ignore"), read_image(task.images / names[1], "ignore"))
        drawn[names] = (caption(by_names[names]), matches_picture(pose, problem, images))
    return [drawn[names] for names in by_names if names in drawn]


def caption(pair: ScoredPair) -> str:
    """Which pair, and how wrong its pose is."""
    error = f"{100 * pair.translation_m:.1f} cm and {pair.rotation_deg:.1f} degrees off"
    vcre = "" if np.isnan(pair.vcre_px) else f", VCRE {pair.vcre_px:.0f} px"
    confidence = "" if np.isnan(pair.confidence) else f", confidence {pair.confidence:.2f}"
    return f"{pair.pair[1]} against {pair.pair[0]}: {error}{vcre}{confidence}; {'right' if pair.right else 'wrong'}"


def error_of(pair: ScoredPair) -> float:
    """What pairs are ordered by: VCRE, or metres where there is none."""
    return pair.translation_m if np.isnan(pair.vcre_px) else pair.vcre_px
