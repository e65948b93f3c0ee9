"""MicKey's probabilistic RANSAC: hypotheses from the full correspondence probability (sections 3.1.2 and 4)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mickey_hloc.geometry import kabsch
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.model.matching import mutual_nearest_neighbours
from mickey_hloc.solvers.base import PoseProblem, Solver
from mickey_hloc.solvers.hypotheses import best_of_each_set, draw_hypotheses, soft_residuals
from mickey_hloc.solvers.match_solver import precise
from mickey_hloc.solvers.refine import refine_pose
from mickey_hloc.solvers.sampling import is_weight, sample_without_replacement
from mickey_hloc.solvers.support import EvidenceOptions, conclude, require, soft_inlier_count, too_few


@dataclass(frozen=True)
class ProbabilisticOptions(EvidenceOptions):
    """Options of ``probabilistic``, besides those of ``EvidenceOptions``; the defaults are the published constants.

    Attributes:
        num_sets: Q correspondence sets are drawn from the probability.
        num_samples: correspondences a set; all of them where there are fewer.
        num_hypotheses: J poses a set.
        minimal: n correspondences a hypothesis.
        score_threshold_m: t of the soft count that ranks hypotheses, metres.
        inlier_threshold_m: inliers of the refinement and of the reported score, metres.
        refine_steps: maximum number of times that a pose is refitted to its inliers while they grow in number.
        published: the paper's procedure and nothing else: one winner over all hypotheses, refined on its own set. What
            follows does not apply then.
        refine: at the end, refine the pose on keypoints and depths of the mutual best pairs (see ``refine``).
        keypoint_sigma_px: standard deviation of a keypoint that this refinement assumes.
        max_elements: bounds memory, (hypotheses at once) x (correspondences).
    """

    num_sets: int = 20
    num_samples: int = 2048
    num_hypotheses: int = 100
    minimal: int = 3
    score_threshold_m: float = 0.3
    inlier_threshold_m: float = 0.15
    refine_steps: int = 4
    published: bool = False
    refine: bool = True
    keypoint_sigma_px: float = 2.0
    max_elements: int = 1_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_sets", "num_hypotheses", "max_elements"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        require(self, "minimal", self.minimal >= 3, "at least 3")
        require(self, "num_samples", self.num_samples >= self.minimal, "at least the minimal set")
        require(self, "score_threshold_m", 0 < self.score_threshold_m < math.inf, "positive and finite")
        require(self, "inlier_threshold_m", 0 < self.inlier_threshold_m < math.inf, "positive and finite")
        require(self, "refine_steps", self.refine_steps >= 0, "at least 0")
        require(self, "keypoint_sigma_px", 0 < self.keypoint_sigma_px < math.inf, "positive and finite")


class ProbabilisticSolver(Solver):
    """Correspondence sets drawn by probability, Kabsch on minimal sets drawn from them, the best one refined.

    With ``published`` this is the paper's test-time procedure. Otherwise the best hypothesis of every set is refined,
    not only the best of all, and the final pose is refined once more under a noise model of keypoints and depths:
    learned depth is wrong by per cents where keypoints are right to a pixel, which Kabsch cannot know.
    """

    Options = ProbabilisticOptions
    needs: ClassVar[Literal["matches", "probability"]] = "probability"

    @property
    def calibrated_as(self) -> str:
        """The published procedure is a solver of its own."""
        return f"{self.name}-published" if self.options.published else self.name

    @property
    def tolerance_m(self) -> float:
        return self.options.inlier_threshold_m

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose:
        o: ProbabilisticOptions = self.options
        probability = _usable_probability(problem)
        if not is_weight(probability):
            return RelativePose.failure("the correspondence probability has negative or infinite values")
        cells = sample_without_replacement(probability, o.num_sets, o.num_samples, generator)
        n1 = probability.shape[1]
        correspondences = torch.stack([cells // n1, cells % n1], dim=-1) if n1 else cells.new_zeros((0, 0, 2))
        if cells.shape[1] < o.minimal:
            what = "correspondences have a probability above 0 and depth in both images"
            return too_few(correspondences[0] if len(correspondences) else cells.new_zeros((0, 2)), o.minimal, what)
        points0, points1 = problem.view0.points(), problem.view1.points()
        X, Y = points0[correspondences[..., 0]], points1[correspondences[..., 1]]
        hypotheses = draw_hypotheses(probability.flatten()[cells], o.num_hypotheses, o.minimal, generator)
        R, t, scores = best_of_each_set(X, Y, hypotheses, o.score_threshold_m, o.max_elements)
        # A drawn set holds every likely partner of a keypoint, most of them wrong by construction; whether the pose is
        # right is asked of the most likely partners alone.
        judged, _ = mutual_nearest_neighbours(probability)
        if o.published:
            best = int(scores.argmax())
            R_best, t_best = _refine_published(R[best], t[best], X[best], Y[best], o)
        else:
            R, t, scores = _refine(R, t, X, Y, o)
            best = int(scores.argmax())
            R_best, t_best = R[best], t[best]
            if o.refine:
                R_best, t_best = _refine_on_pairs(problem, judged, R_best, t_best, o)

        def residual(pairs: Tensor) -> Tensor:
            return soft_residuals(R_best, t_best, points0[pairs[:, 0]], points1[pairs[:, 1]])

        return conclude(
            problem,
            R_best,
            t_best,
            correspondences[best],
            residual,
            o.inlier_threshold_m,
            o.minimal,
            o,
            generator,
            "whitened" if o.refine and not o.published else "points",
            judged=judged,
            probabilities=_dominance(probability, judged),
        )


def _usable_probability(problem: PoseProblem) -> Tensor:
    """The correspondence probability with 0 where a keypoint has no usable depth."""
    assert problem.probability is not None
    probability = problem.probability.detach().float()
    usable0, usable1 = problem.view0.usable, problem.view1.usable
    if bool(usable0.all() & usable1.all()) and is_weight(probability):
        return probability
    probability = torch.where(usable0[:, None] & usable1, probability, 0.0)
    return probability.nan_to_num_(nan=0.0, posinf=torch.inf, neginf=-torch.inf)


def _dominance(probability: Tensor, pairs: Tensor) -> Tensor:
    """(E,) in [0, 1]: how far a pair's probability outweighs all others of its row and of its column.

    The probability has no scale of its own, so the share of its row and the share of its column are multiplied, as the
    dual softmax (Eq. 3) does.
    """
    i, j = pairs.unbind(dim=-1)
    tiny = torch.finfo(probability.dtype).tiny
    rows, columns = probability.sum(dim=1).clamp(min=tiny), probability.sum(dim=0).clamp(min=tiny)
    values = probability[i, j]
    return ((values / rows[i]) * (values / columns[j])).clamp(0, 1)


def _refine(R: Tensor, t: Tensor, X: Tensor, Y: Tensor, o: ProbabilisticOptions) -> tuple[Tensor, Tensor, Tensor]:
    """Kabsch on the inliers of each set's pose while their number grows; with the soft inlier counts (Q,)."""
    residuals = soft_residuals(R, t, X, Y)
    for _ in range(o.refine_steps):
        inliers = residuals < o.inlier_threshold_m
        new_R, new_t = kabsch(X, Y, inliers)
        new_residuals = soft_residuals(new_R, new_t, X, Y)
        count = inliers.sum(dim=-1)
        grows = ((new_residuals < o.inlier_threshold_m).sum(dim=-1) > count) & (count >= o.minimal)
        if not bool(grows.any()):
            break
        R = torch.where(grows[:, None, None], new_R, R)
        t = torch.where(grows[:, None], new_t, t)
        residuals = torch.where(grows[:, None], new_residuals, residuals)
    return R, t, soft_inlier_count(residuals, o.inlier_threshold_m)


def _refine_published(R: Tensor, t: Tensor, X: Tensor, Y: Tensor, o: ProbabilisticOptions) -> tuple[Tensor, Tensor]:
    """The published refinement of one pose on its set: Kabsch on the inliers while they grow in number."""
    before = o.minimal
    for _ in range(o.refine_steps):
        inliers = soft_residuals(R, t, X, Y) < o.inlier_threshold_m
        count = int(inliers.sum())
        if count <= before:
            break
        R, t = kabsch(X, Y, inliers)
        before = count
    return R, t


def _refine_on_pairs(
    problem: PoseProblem, pairs: Tensor, R: Tensor, t: Tensor, o: ProbabilisticOptions
) -> tuple[Tensor, Tensor]:
    """The pose that fits pairs (E, 2) best in keypoints and depths; the given one where that costs half its support."""
    wide = precise(PoseProblem(problem.view0, problem.view1, pairs))
    X, Y = wide.view0.points()[pairs[:, 0]], wide.view1.points()[pairs[:, 1]]
    start = R.to(X), t.to(X)
    refined = refine_pose(wide, pairs, *start, o.keypoint_sigma_px)
    before, after = (soft_inlier_count(soft_residuals(*pose, X, Y), o.inlier_threshold_m) for pose in (start, refined))
    return (R, t) if bool(after < 0.5 * before) else (refined[0].to(R), refined[1].to(t))
