"""A warm-up of all heads by what a known relative pose says about matches: no depth is needed.

With the true pose, a match of two keypoints has a depth: where their rays meet. It teaches depths in every match at
once, a much denser signal than the error of a whole pose. The epipolar lines tell wrong matches from possible ones,
which teaches offsets, descriptors and scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.geometry import inverse
from mickey_hloc.geometry.epipolar import (
    EPS,
    epipolar_distances,
    fundamental_matrix,
    near_epipolar_lines,
    triangulate_depths,
)
from mickey_hloc.model.mickey import MetricKeypoints


@dataclass(frozen=True)
class AlignmentOptions:
    """The warm-up; pixels are of the training images.

    Attributes:
        steps: how many steps it lasts, after the warm-up by homographies; 0 = none.
        weight_after: with which this loss goes on beside the pose loss; 0 = not at all.
        epipolar_px: a match is possible when it lies this near to its epipolar lines.
        near_m, far_m: and when its rays meet between these depths in front of both cameras.
        disparity_px: a match whose keypoint would lie this far off if its point were infinitely far counts half as
            much as one with a large disparity, because its depth is uncertain.
        min_probability: matches below this are not looked at.
        score_reach: the relative error of depth, as a logarithm, at which a keypoint is as bad for its score as one
            without a match.
        score_contrast: logarithm of how much likelier the best keypoint shall be than the worst.
        matching_every: descriptors and scores learn in every so many steps; the others, for depths and offsets alone,
            cost much less.
        matching: what teaches the descriptors. "line": all keypoints along the epipolar line of a match share what
            they can win; good from scratch, but in the long run it also teaches matches to keypoints that have none.
            "partner": matches that the pose allows become likelier, others less likely; for descriptors that match.
        line_step: with "line", every line_step-th keypoint is compared with all of the other image.
        offset_weight, matching_weight, score_weight: of these parts of the loss, relative to the depths'.
    """

    steps: int = 0
    weight_after: float = 0.0
    epipolar_px: float = 4.0
    near_m: float = 0.3
    far_m: float = 15.0
    disparity_px: float = 6.0
    min_probability: float = 0.05
    score_reach: float = 0.5
    score_contrast: float = 3.0
    matching_every: int = 1
    matching: Literal["line", "partner"] = "line"
    line_step: int = 3
    offset_weight: float = 0.05
    matching_weight: float = 0.1
    score_weight: float = 0.3

    def __post_init__(self) -> None:
        positive = (self.epipolar_px, self.disparity_px, self.score_reach, self.near_m)
        counts = (self.line_step, self.matching_every)
        if min(self.steps, self.weight_after) < 0 or min(*positive, *counts) <= 0 or self.far_m <= self.near_m:
            raise InputError(
                "alignment: needs steps and weight_after >= 0, positive epipolar_px, disparity_px, score_reach, "
                "matching_every and line_step, and 0 < near_m < far_m."
            )


class AlignmentLoss(NamedTuple):
    """Parts of the loss, scalars: ``depth`` as a mean absolute logarithm, ``offset`` in pixels off the epipolar line,
    ``matching`` and ``score`` in nats; and ``possible``, the share of the looked-at matches that the pose allows."""

    depth: Tensor
    offset: Tensor
    matching: Tensor
    score: Tensor
    possible: Tensor

    def total(self, options: AlignmentOptions) -> Tensor:
        """Their weighted sum."""
        o = options
        return (
            self.depth + o.offset_weight * self.offset + o.matching_weight * self.matching + o.score_weight * self.score
        )


def alignment_loss(
    a: MetricKeypoints,
    b: MetricKeypoints,
    probability: Tensor,
    K: tuple[Tensor, Tensor],
    cam1_from_cam0: tuple[Tensor, Tensor],
    options: AlignmentOptions,
    first: int = 0,
    learn_matching: bool = True,
) -> AlignmentLoss:
    """The loss of a batch of pairs with known relative pose.

    Args:
        a, b: keypoints of images 0 and 1. probability: (B, N0, N1) match probability.
        K: (B, 3, 3) of both images. cam1_from_cam0: R (B, 3, 3), t (B, 3) metres.
        options: thresholds and weights. first: of the keypoints whose epipolar lines are compared, from 0.
        learn_matching: else the parts ``matching`` and ``score`` are left out, as zeros.
    """
    o, (R, t) = options, cam1_from_cam0
    F = fundamental_matrix(R, t, *K)
    partner, looked_at = mutual_matches(probability.detach(), o.min_probability)
    matched = b.keypoints.gather(1, partner[..., None].expand(-1, -1, 2))
    distance = epipolar_distances(a.keypoints, matched, F)
    with torch.no_grad():
        depths0, disparity = triangulate_depths(a.keypoints, matched, R, t, *K)
        depths1, _ = triangulate_depths(matched, a.keypoints, *inverse(R, t), K[1], K[0])
        inside = [(d > o.near_m) & (d < o.far_m) for d in (depths0, depths1)]
        possible = looked_at & (distance < o.epipolar_px) & inside[0] & inside[1]
        weights = (
            probability.gather(2, partner[..., None])[..., 0] * possible * disparity / (disparity + o.disparity_px)
        )
        weights = weights / weights.sum().clamp(min=EPS)
    errors = [
        log_ratio(estimated, true, possible)
        for estimated, true in ((a.depths, depths0), (b.depths.gather(1, partner), depths1))
    ]
    matching = score = a.depths.new_zeros(())
    if learn_matching:
        if o.matching == "partner":
            matching = partner_loss(probability.gather(2, partner[..., None])[..., 0], possible, looked_at)
        else:
            some = slice(first % o.line_step, None, o.line_step)
            matching = off_line_loss(probability[:, some], a.keypoints[:, some], b.keypoints, F, looked_at[:, some], o)
        score = score_loss(a, b, partner, possible, 0.5 * (errors[0] + errors[1]) / o.score_reach, o.score_contrast)
    return AlignmentLoss(
        depth=0.5 * ((errors[0] + errors[1]) * weights).sum(),
        offset=(torch.where(possible, distance, 0.0) * weights).sum(),
        matching=matching,
        score=score,
        possible=possible.sum() / looked_at.sum().clamp(min=1),
    )


def mutual_matches(probability: Tensor, min_probability: float) -> tuple[Tensor, Tensor]:
    """(B, N0, N1) -> each keypoint's likeliest partner (B, N0), and whether the choice is mutual and likely."""
    best, partner = probability.max(dim=2)
    first = torch.arange(probability.shape[1], device=probability.device)
    mutual = probability.argmax(dim=1).gather(1, partner) == first
    return partner, mutual & (best > min_probability)


def log_ratio(estimated: Tensor, true: Tensor, known: Tensor) -> Tensor:
    """|log(estimated / true)| where ``known``, else 0; below a tenth of the truth it grows no further."""
    true = torch.where(known, true, 1.0)
    return torch.where(known, (estimated / true).clamp(min=0.1).log().abs(), 0.0)


def off_line_loss(
    probability: Tensor,
    keypoints0: Tensor,
    keypoints1: Tensor,
    F: Tensor,
    looked_at: Tensor,
    options: AlignmentOptions,
) -> Tensor:
    """Negative log of the match probability (B, n, N1) that lies along the epipolar line, of those looked at (B, n)."""
    with torch.no_grad():
        near = near_epipolar_lines(keypoints0, keypoints1, F, options.epipolar_px) & looked_at[..., None]
    along = (probability * near).sum(dim=2)
    return -((along + 1e-6).log() * looked_at).sum() / looked_at.sum().clamp(min=1)


def partner_loss(probability: Tensor, possible: Tensor, looked_at: Tensor) -> Tensor:
    """Cross entropy of the matches' probabilities (B, N0): 1 is wanted where ``possible``, 0 where only looked at."""
    wanted = torch.where(possible, probability, 1.0 - probability)
    return -((wanted + 1e-6).log() * looked_at).sum() / looked_at.sum().clamp(min=1)


def score_loss(
    a: MetricKeypoints, b: MetricKeypoints, partner: Tensor, good: Tensor, error: Tensor, contrast: float
) -> Tensor:
    """Divergence of the scores from what the matches say of the keypoints.

    A keypoint's cost is 0 where it is matched and exact, 1 where it is not matched or too far off; the wanted
    distribution falls by exp(contrast) between them. The mean cost would draw all probability into one keypoint.
    """
    with torch.no_grad():
        cost = torch.where(good, error.clamp(max=1.0), 1.0)
        other = torch.ones_like(b.keypoint_scores).scatter_reduce(1, partner, cost, "amin")
    total = error.new_zeros(())
    for scores, costs in ((a.keypoint_scores, cost), (b.keypoint_scores, other)):
        inside = scores > 0
        wanted = torch.softmax((-contrast * costs).masked_fill(~inside, -torch.inf), dim=1)
        log_ratio = wanted.clamp(min=1e-12).log() - torch.where(inside, scores, 1.0).log()
        total = total + 0.5 * (wanted * log_ratio).sum(dim=1).mean()
    return total
