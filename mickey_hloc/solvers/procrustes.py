"""Metric relative pose from 3D-3D matches: Kabsch on three points in a locally optimised RANSAC, batched."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.geometry import kabsch
from mickey_hloc.solvers.base import PoseProblem
from mickey_hloc.solvers.covariance import Minimised
from mickey_hloc.solvers.icp import align_depth_maps
from mickey_hloc.solvers.match_solver import MatchOptions, MatchSolver, Pose
from mickey_hloc.solvers.residuals import point_errors
from mickey_hloc.solvers.support import Residual, require


@dataclass(frozen=True)
class ProcrustesOptions(MatchOptions):
    """Options of ``procrustes``, besides those of ``MatchOptions``.

    Attributes:
        max_error_m: inliers are nearer than this to their partner under the pose, metres.
        max_iterations: maximum number of triples that are drawn.
        probability: drawing stops when a triple of inliers only was drawn with this probability.
        refine_steps: maximum number of least-squares steps on the inliers of a promising pose.
        refine_best: number of poses of each batch that are refined.
        icp: then align the dense depth maps of both views (see ``icp``), with the same threshold.
        batch: triples a batch. max_elements: bounds memory, (poses at once) x (matches).
    """

    max_error_m: float = 0.1
    max_iterations: int = 100_000
    probability: float = 0.9999
    refine_steps: int = 10
    refine_best: int = 4
    icp: bool = False
    batch: int = 2048
    max_elements: int = 2_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_error_m", 0 < self.max_error_m < math.inf, "positive and finite")
        require(self, "max_iterations", self.max_iterations >= 1, "at least 1")
        require(self, "probability", 0 < self.probability < 1, "between 0 and 1")
        require(self, "batch", self.batch >= 1, "at least 1")
        require(self, "refine_steps", self.refine_steps >= 0, "at least 0")
        require(self, "refine_best", self.refine_best >= 1, "at least 1")
        require(self, "max_elements", self.max_elements >= 1, "at least 1")


class ProcrustesSolver(MatchSolver):
    """RANSAC over rigid motions of three 3D-3D matches, with local refinement while the support grows."""

    Options = ProcrustesOptions
    min_correspondences = 3

    @property
    def tolerance_m(self) -> float:
        return self.options.max_error_m

    def _estimate(self, problem: PoseProblem, matches: Tensor, generator: torch.Generator) -> Pose | None:
        X, Y = problem.view0.points()[matches[:, 0]], problem.view1.points()[matches[:, 1]]
        return rigid_ransac(X, Y, self.options, generator)

    def _improve(self, problem: PoseProblem, matches: Tensor, pose: Pose) -> Pose:
        pose = super()._improve(problem, matches, pose)
        if not self.options.icp:
            return pose
        view0, view1 = problem.view0, problem.view1
        if view0.depth_map is None or view1.depth_map is None:
            raise InputError(
                "Option icp needs dense depth maps of both images, without lens distortion; use another depth source."
            )
        return align_depth_maps(
            view0.depth_map, view0.K, view1.depth_map, view1.K, *pose, max_error_m=self.options.max_error_m
        )

    def _minimised(self) -> Minimised:
        return "points"

    def _judge(self, problem: PoseProblem, pose: Pose) -> tuple[Residual, float]:
        points0, points1 = problem.view0.points(), problem.view1.points()

        def residual(pairs: Tensor) -> Tensor:
            return point_errors(*pose, points0[pairs[:, 0]], points1[pairs[:, 1]])

        return residual, self.options.max_error_m


def rigid_ransac(X: Tensor, Y: Tensor, options: ProcrustesOptions, generator: torch.Generator) -> Pose | None:
    """The rigid motion with the largest truncated support sum_i max(0, 1 - r_i^2 / max_error_m^2).

    Args:
        X, Y: (M, 3) metres, M >= 3, matched points of camera 0 and camera 1.

    Returns:
        R (3, 3) and t (3,) of cam1_from_cam0; None when no triple agrees with any motion.
    """
    best: Pose | None = None
    best_support, drawn, needed = 0.0, 0, float(options.max_iterations)
    while drawn < needed:
        triples = _draw_triples(len(X), options.batch, generator)
        drawn += len(triples)
        triples = triples[_congruent(X, Y, triples, options.max_error_m)]
        if len(triples) == 0:
            continue
        R, t = kabsch(X[triples], Y[triples])
        top = _supports(R, t, X, Y, options).topk(min(options.refine_best, len(R))).indices
        R, t, support = refine_on_inliers(R[top], t[top], X, Y, options.max_error_m, options.refine_steps)
        winner = int(support.argmax())
        if float(support[winner]) > best_support:
            best_support, best = float(support[winner]), (R[winner], t[winner])
            share = float((point_errors(*best, X, Y) < options.max_error_m).double().mean())
            needed = min(needed, _iterations(share, options.probability))
    return best


def refine_on_inliers(
    R: Tensor, t: Tensor, X: Tensor, Y: Tensor, max_error_m: float, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Truncated least squares: Kabsch on the inliers of each pose, again and again, while its support grows.

    Args:
        R, t: (B, 3, 3) and (B, 3) poses to start from.
        X, Y: (M, 3) metres.

    Returns:
        R, t and the support (B,): never lower than that of the pose it started from.
    """
    support, inliers = _support(R, t, X, Y, max_error_m)
    for _ in range(steps):
        new_R, new_t = kabsch(X.expand(len(R), -1, -1), Y.expand(len(R), -1, -1), inliers)
        new_support, new_inliers = _support(new_R, new_t, X, Y, max_error_m)
        grows = (new_support > support) & (inliers.sum(dim=-1) >= 3)
        if not bool(grows.any()):
            break
        R = torch.where(grows[:, None, None], new_R, R)
        t = torch.where(grows[:, None], new_t, t)
        support = torch.where(grows, new_support, support)
        inliers = torch.where(grows[:, None], new_inliers, inliers)
    return R, t, support


def _draw_triples(num: int, count: int, generator: torch.Generator) -> Tensor:
    """(count, 3) int64 in [0, num), distinct within a row."""
    columns: list[Tensor] = []
    for taken in range(3):
        column = torch.randint(num - taken, (count,), generator=generator, device=generator.device)
        for smaller in torch.stack(columns, dim=-1).sort(dim=-1).values.unbind(dim=-1) if columns else ():
            column = column + (column >= smaller)  # skip what the row has already
        columns.append(column)
    return torch.stack(columns, dim=-1)


def _congruent(X: Tensor, Y: Tensor, triples: Tensor, max_error_m: float) -> Tensor:
    """(B,) bool: a rigid motion keeps lengths, so sides of the triangles that differ too much rule a triple out."""
    corners = torch.tensor([[0, 1], [1, 2], [2, 0]], device=triples.device)
    side_X = X[triples[:, corners[:, 0]]] - X[triples[:, corners[:, 1]]]
    side_Y = Y[triples[:, corners[:, 0]]] - Y[triples[:, corners[:, 1]]]
    difference = torch.linalg.vector_norm(side_X, dim=-1) - torch.linalg.vector_norm(side_Y, dim=-1)
    return (difference.abs() < 2 * max_error_m).all(dim=-1)


def _support(R: Tensor, t: Tensor, X: Tensor, Y: Tensor, max_error_m: float) -> tuple[Tensor, Tensor]:
    residuals = point_errors(R, t, X, Y)
    return (1 - (residuals / max_error_m).square()).clamp(min=0).sum(dim=-1), residuals < max_error_m


def _supports(R: Tensor, t: Tensor, X: Tensor, Y: Tensor, options: ProcrustesOptions) -> Tensor:
    """(B,) support of many poses, as many at once as memory allows."""
    step = max(options.max_elements // len(X), 1)
    parts = [_support(R[i : i + step], t[i : i + step], X, Y, options.max_error_m)[0] for i in range(0, len(R), step)]
    return torch.cat(parts)


def _iterations(share: float, probability: float) -> float:
    """Draws until a triple of inliers only was among them with this probability."""
    hit = share**3
    return 1.0 if hit >= 1 else math.log(1 - probability) / math.log1p(-hit) if hit > 0 else math.inf
