"""MicKey's probabilistic RANSAC: hypotheses from the full correspondence probability (sections 3.1.2 and 4)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mickey_hloc.geometry import kabsch
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.model.matching import mutual_nearest_neighbours
from mickey_hloc.solvers.base import PoseProblem, Solver
from mickey_hloc.solvers.sampling import sample_without_replacement
from mickey_hloc.solvers.support import SupportOptions, conclude, require, soft_inlier_count, too_few


@dataclass(frozen=True)
class ProbabilisticOptions(SupportOptions):
    """Options of ``probabilistic``, besides those of ``SupportOptions``; the defaults are the published constants.

    Attributes:
        num_sets: Q correspondence sets are drawn from the probability.
        num_samples: correspondences a set; all of them where there are fewer.
        num_hypotheses: J poses a set.
        minimal: n correspondences a hypothesis.
        score_threshold_m: t of the soft count that ranks hypotheses, metres.
        inlier_threshold_m: inliers of the refinement and of the reported score, metres.
        refine_steps: at most so many times is the best of a set refined, while its inliers grow in number.
        polish_steps: least-squares steps of the final pose on the distinct correspondences of all sets, each weighted
            by its soft inlier value; 0 = as published. It uses Q times the evidence of one set.
        max_elements: bounds memory, (hypotheses at once) x (correspondences).
    """

    num_sets: int = 20
    num_samples: int = 2048
    num_hypotheses: int = 100
    minimal: int = 3
    score_threshold_m: float = 0.3
    inlier_threshold_m: float = 0.15
    refine_steps: int = 4
    polish_steps: int = 8
    max_elements: int = 1_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_sets", "num_hypotheses", "max_elements"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        require(self, "minimal", self.minimal >= 3, "at least 3")
        require(self, "num_samples", self.num_samples >= self.minimal, "at least the minimal set")
        require(self, "score_threshold_m", self.score_threshold_m > 0, "positive")
        require(self, "inlier_threshold_m", self.inlier_threshold_m > 0, "positive")
        require(self, "refine_steps", self.refine_steps >= 0, "at least 0")
        require(self, "polish_steps", self.polish_steps >= 0, "at least 0")


class ProbabilisticSolver(Solver):
    """Correspondence sets drawn by probability, Kabsch on minimal sets drawn from them, the best one refined.

    Against the published description the best hypothesis of every set is refined, not only the best of all, and the
    final pose is polished on the correspondences of all sets: both cost a few small Kabsch solves.
    """

    Options = ProbabilisticOptions
    needs: ClassVar[Literal["matches", "probability"]] = "probability"

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose:
        o: ProbabilisticOptions = self.options
        probability = _usable_probability(problem)
        cells = sample_without_replacement(probability, o.num_sets, o.num_samples, generator)
        n1 = probability.shape[1]
        correspondences = torch.stack([cells // n1, cells % n1], dim=-1) if n1 else cells.new_zeros((0, 0, 2))
        if cells.shape[1] < o.minimal:
            what = "correspondences have a probability above 0 and depth in both images"
            return too_few(correspondences[0] if len(correspondences) else cells.new_zeros((0, 2)), o.minimal, what)
        points0, points1 = problem.view0.points(), problem.view1.points()
        X, Y = points0[correspondences[..., 0]], points1[correspondences[..., 1]]
        hypotheses = _draw_hypotheses(probability.flatten()[cells], o, generator)
        R, t = _best_of_each_set(X, Y, hypotheses, o)
        R, t, scores = _refine(R, t, X, Y, o)
        best = int(scores.argmax())
        distinct = cells.unique()
        R_best, t_best = _polish(R[best], t[best], points0[distinct // n1], points1[distinct % n1], o)

        def residual(pairs: Tensor) -> Tensor:
            return _residuals(R_best, t_best, points0[pairs[:, 0]], points1[pairs[:, 1]])

        # A drawn set holds every likely partner of a keypoint, most of them wrong by construction; whether the pose is
        # right is asked of the most likely partners alone.
        evidence, _ = mutual_nearest_neighbours(probability)
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
            evidence=evidence,
        )


def _usable_probability(problem: PoseProblem) -> Tensor:
    """The correspondence probability with 0 where a keypoint has no usable depth."""
    assert problem.probability is not None
    probability = problem.probability.detach().float()
    usable0, usable1 = problem.view0.usable, problem.view1.usable
    probability = torch.where(usable0[:, None] & usable1, probability, 0.0)
    return probability.nan_to_num_(nan=0.0)


def _draw_hypotheses(weights: Tensor, o: ProbabilisticOptions, generator: torch.Generator) -> Tensor:
    """Minimal sets, drawn by probability without replacement: (Q, M) weights -> (Q, J, n) indices into a set."""
    rows = (weights / weights.amax(dim=-1, keepdim=True)).repeat_interleave(o.num_hypotheses, dim=0)
    rows = rows.clamp(min=torch.finfo(rows.dtype).tiny)  # all were drawn with a probability above 0
    drawn = torch.multinomial(rows, o.minimal, replacement=False, generator=generator)
    return drawn.unflatten(0, (len(weights), o.num_hypotheses))


def _residuals(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """sqrt(|R X + t - Y|^2 + 1e-6) for (..., 3, 3), (..., 3) and points (..., M, 3): (..., M) metres."""
    offsets = torch.baddbmm(t[..., :, None], R, X.mT) - Y.mT if R.dim() == 3 else R @ X.mT + t[..., :, None] - Y.mT
    return (offsets.square().sum(dim=-2) + 1e-6).sqrt_()


def _best_of_each_set(X: Tensor, Y: Tensor, hypotheses: Tensor, o: ProbabilisticOptions) -> tuple[Tensor, Tensor]:
    """The hypothesis with the highest soft inlier count in each set: (Q, M, 3) points -> (Q, 3, 3) and (Q, 3)."""
    index = torch.arange(len(X), device=X.device)[:, None, None]
    R, t = kabsch(X[index, hypotheses], Y[index, hypotheses])
    step = max(o.max_elements // X.shape[1], 1)
    scores = torch.empty(R.shape[:2], device=R.device)
    for q in range(len(X)):
        for j in range(0, R.shape[1], step):
            residuals = _residuals_of_many(R[q, j : j + step], t[q, j : j + step], X[q], Y[q])
            scores[q, j : j + step] = soft_inlier_count(residuals, o.score_threshold_m)
    best = scores.argmax(dim=1)
    rows = torch.arange(len(X), device=X.device)
    return R[rows, best], t[rows, best]


def _residuals_of_many(R: Tensor, t: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """Residuals of J poses on the same M points: (J, 3, 3), (J, 3), (M, 3) -> (J, M), as one matrix product."""
    homogeneous = torch.cat([X, torch.ones_like(X[:, :1])], dim=1)
    moved = torch.cat([R, t[..., None]], dim=-1).flatten(0, 1) @ homogeneous.mT
    offsets = moved.unflatten(0, (len(R), 3)).sub_(Y.mT)
    return offsets.square_().sum(dim=1).add_(1e-6).sqrt_()


def _refine(R: Tensor, t: Tensor, X: Tensor, Y: Tensor, o: ProbabilisticOptions) -> tuple[Tensor, Tensor, Tensor]:
    """Kabsch on the inliers of each set's pose while their number grows; with the soft inlier counts (Q,)."""
    residuals = _residuals(R, t, X, Y)
    for _ in range(o.refine_steps):
        inliers = residuals < o.inlier_threshold_m
        new_R, new_t = kabsch(X, Y, inliers)
        new_residuals = _residuals(new_R, new_t, X, Y)
        count = inliers.sum(dim=-1)
        grows = ((new_residuals < o.inlier_threshold_m).sum(dim=-1) > count) & (count >= o.minimal)
        if not bool(grows.any()):
            break
        R = torch.where(grows[:, None, None], new_R, R)
        t = torch.where(grows[:, None], new_t, t)
        residuals = torch.where(grows[:, None], new_residuals, residuals)
    return R, t, soft_inlier_count(residuals, o.inlier_threshold_m)


def _polish(R: Tensor, t: Tensor, X: Tensor, Y: Tensor, o: ProbabilisticOptions) -> tuple[Tensor, Tensor]:
    """Least squares weighted by soft inlier values, kept while their sum does not fall: (3, 3), (3,), (M, 3)."""
    threshold = o.inlier_threshold_m
    values = _soft_inliers(_residuals(R, t, X, Y), threshold)
    for _ in range(o.polish_steps):
        new_R, new_t = kabsch(X, Y, values)
        new_values = _soft_inliers(_residuals(new_R, new_t, X, Y), threshold)
        if not bool(new_values.sum() >= values.sum()):
            break
        R, t, values = new_R, new_t, new_values
    return R, t


def _soft_inliers(residuals: Tensor, threshold: float) -> Tensor:
    return torch.sigmoid((5.0 / threshold) * (threshold - residuals))
