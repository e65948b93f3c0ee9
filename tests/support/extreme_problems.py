"""Problems that no camera makes: numbers at the ends of their range, singular cameras, repeated points, odd scores.

``extreme_problem`` takes a function that chooses, so that hypothesis and a plain random generator draw the same kind.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mickey_hloc.solvers import PoseProblem, View
from support.solver_scenes import K, make_scene, rotation

Choose = Callable[[Sequence[Any]], Any]

VALUES = (
    *(math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 1e-45, 1e-38, 1e-30, 1e-12, 1e-6, 1e6, 1e9, 1e12, 1e19, 1e30),
    *(3e38, -1e12, -1e30, -3e38),
)
SHARES = (0.02, 0.3, 1.0)


@dataclass
class Draft:
    """A problem that is being spoiled; everything float32, as files give it."""

    views: list[View]
    matches: Tensor
    scores: Tensor | None
    probability: Tensor
    choose: Choose
    generator: torch.Generator

    def some(self, count: int) -> Tensor:
        """(count,) bool, a share of which is set; at least one."""
        chosen = torch.rand(count, generator=self.generator) < self.choose(SHARES)
        if count:
            chosen[int(torch.randint(count, (1,), generator=self.generator))] = True
        return chosen

    def edit(self, side: int, **changes: Any) -> None:
        self.views[side] = replace(self.views[side], **changes)


def _keypoints(draft: Draft) -> None:
    side, axis, value = draft.choose((0, 1)), draft.choose((0, 1)), draft.choose(VALUES)
    keypoints = draft.views[side].keypoints.clone()
    keypoints[draft.some(len(keypoints)), axis] = value
    draft.edit(side, keypoints=keypoints)


def _scaled_keypoints(draft: Draft) -> None:
    side, factor = draft.choose((0, 1)), draft.choose((0.0, 1e-30, 1e-9, 1e-3, 1e3, 1e9, 1e30))
    draft.edit(side, keypoints=draft.views[side].keypoints * factor)


def _depths(draft: Draft) -> None:
    side, value = draft.choose((0, 1)), draft.choose(VALUES)
    depths = draft.views[side].depths.clone()
    depths[draft.some(len(depths))] = value
    draft.edit(side, depths=depths)


def _scaled_depths(draft: Draft) -> None:
    factor = draft.choose((1e-45, 1e-38, 1e-20, 1e-6, 1e-3, 1e3, 1e6, 1e12, 1e20, 1e38))
    for side in draft.choose(((0,), (1,), (0, 1))):
        draft.edit(side, depths=draft.views[side].depths * factor)


def _one_depth(draft: Draft) -> None:
    for side in draft.choose(((0,), (1,), (0, 1))):
        draft.edit(side, depths=torch.full_like(draft.views[side].depths, draft.choose((1e-6, 2.0, 1e6))))


def _camera(draft: Draft) -> None:
    side, place = draft.choose((0, 1)), draft.choose(((0, 0), (1, 1), (0, 2), (1, 2), (0, 1), (2, 2)))
    camera = draft.views[side].K.clone()
    camera[place] = draft.choose(VALUES)
    draft.edit(side, K=camera)


def _whole_camera(draft: Draft) -> None:
    odd = (torch.zeros(3, 3), torch.ones(3, 3), torch.eye(3), -K, K * 1e30, K * 1e-30, torch.full((3, 3), math.nan))
    side = draft.choose((0, 1))
    draft.edit(side, K=draft.choose(odd).to(draft.views[side].K))


def _one_spot(draft: Draft) -> None:
    for side in draft.choose(((0,), (1,), (0, 1))):
        keypoints = draft.views[side].keypoints
        draft.edit(side, keypoints=torch.full_like(keypoints, draft.choose((0.0, 200.0, 1e5))))


def _line(draft: Draft) -> None:
    for side in draft.choose(((0,), (1,), (0, 1))):
        keypoints = draft.views[side].keypoints.clone()
        keypoints[:, 1] = draft.choose((0.0, 100.0)) + draft.choose((0.0, 1e-6, 0.5)) * keypoints[:, 0]
        draft.edit(side, keypoints=keypoints)


def _repeated_matches(draft: Draft) -> None:
    if len(draft.matches):
        draft.matches = draft.matches[:1].repeat(len(draft.matches), 1)


def _many_to_one(draft: Draft) -> None:
    if len(draft.matches):
        draft.matches = torch.stack([draft.matches[:, 0], draft.matches[:1, 1].expand(len(draft.matches))], dim=-1)


def _scores(draft: Draft) -> None:
    scores = torch.ones(len(draft.matches)) if draft.scores is None else draft.scores.clone()
    scores[draft.some(len(scores))] = draft.choose(VALUES)
    draft.scores = scores


def _no_scores(draft: Draft) -> None:
    draft.scores = None


def _probability(draft: Draft) -> None:
    probability = draft.probability.clone()
    probability[draft.some(probability.numel()).reshape(probability.shape)] = draft.choose(VALUES)
    draft.probability = probability


def _uniform_probability(draft: Draft) -> None:
    draft.probability = torch.full_like(draft.probability, draft.choose((0.0, 1e-45, 1e-30, 1.0, 1e30, 3e38)))


def _size(draft: Draft) -> None:
    draft.edit(draft.choose((0, 1)), image_size=draft.choose((None, (1, 1), (0, 0), (-5, 7), (2**31, 2**31))))


def _depth_maps(draft: Draft) -> None:
    shape = draft.choose(((1, 1), (2, 3), (48, 64)))
    value = draft.choose((math.nan, math.inf, 0.0, 1e-30, 2.0, 1e30))
    for side in (0, 1):
        draft.edit(side, depth_map=torch.full(shape, value))


def _noise(draft: Draft) -> None:
    side, sigma = draft.choose((0, 1)), draft.choose((1.0, 30.0, 1e4))
    keypoints = draft.views[side].keypoints
    draft.edit(side, keypoints=keypoints + sigma * torch.randn(keypoints.shape, generator=draft.generator))


def _same_view(draft: Draft) -> None:
    if len(draft.views[0].keypoints) == len(draft.views[1].keypoints):
        draft.views[1] = draft.views[0]
        draft.matches = draft.matches[:, :1].repeat(1, 2)


def _double(draft: Draft) -> None:
    for side, view in enumerate(draft.views):
        draft.edit(side, keypoints=view.keypoints.double(), depths=view.depths.double(), K=view.K.double())


SPOILERS = (
    *(_keypoints, _scaled_keypoints, _depths, _scaled_depths, _one_depth, _camera, _whole_camera, _one_spot, _line),
    *(_repeated_matches, _many_to_one, _scores, _no_scores, _probability, _uniform_probability, _size, _noise),
    *(_same_view, _double),
)
COUNTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 30, 90)
MOTIONS = (
    (rotation(0.05, -0.2, 0.08), (0.4, -0.1, 0.25)),
    (rotation(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    (rotation(0.0, 3.14159, 0.0), (1.0, 0.0, 5.0)),
    (rotation(0.1, 0.2, 0.3), (1e6, 0.0, 0.0)),
)


def extreme_problem(choose: Choose) -> PoseProblem:
    """One problem with matches, scores, probability and depth maps, spoiled in one to four ways."""
    R, t = choose(MOTIONS)
    seed = choose(range(1000))
    scene = make_scene(
        choose(COUNTS),
        choose((0, 0, 5, 40)),
        choose(((0, 0), (3, 0), (0, 7), (9, 4))),
        choose((0.0, 0.5)),
        seed=seed,
        R=R,
        t=torch.tensor(t, dtype=torch.float64),
    )
    assert scene.matches is not None
    assert scene.probability is not None
    generator = torch.Generator().manual_seed(seed)
    draft = Draft([scene.view0, scene.view1], scene.matches, scene.match_scores, scene.probability, choose, generator)
    _depth_maps(draft)
    for _ in range(choose((1, 1, 2, 3, 4))):
        choose(SPOILERS)(draft)
    return PoseProblem(*draft.views, draft.matches, draft.scores, draft.probability)
