"""Fine refinement of a metric pose on keypoints and depths together; usable after any solver.

A match with depth in both views says e = R X + t - Y = 0. Its uncertainty is strongly lopsided: a keypoint is known to
about a pixel, which is millimetres across the viewing direction, a depth to per cents, which is centimetres along it.
So e is weighed by the inverse of its covariance C = R C_X R^T + C_Y (generalised ICP: Segal, Haehnel and Thrun, RSS
2009): e^T C^-1 e holds reprojection in both images and depth agreement at once, and where depth is poor it leaves the
epipolar constraint. A Geman-McClure loss, sharpened step by step, takes care of outliers.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from mickey_hloc.geometry import transform
from mickey_hloc.geometry.rigid import skew
from mickey_hloc.solvers.base import PoseProblem, View
from mickey_hloc.solvers.depth_model import DepthModel
from mickey_hloc.solvers.residuals import sampson_errors

_LOSS_SCALES = (12.0, 6.0, 3.0)  # of the Geman-McClure loss, in standard deviations
_STEPS = (3, 3, 8)  # Gauss-Newton steps at each scale; they need not converge before the last
_UNKNOWN_DEPTH_SIGMA = 10.0  # relative; a missing depth is a guess that says next to nothing
_SIGMA_RANGE = (0.003, 0.5)  # relative depth sigma, when it is measured


def refine_pose(
    problem: PoseProblem,
    matches: Tensor,
    R: Tensor,
    t: Tensor,
    keypoint_sigma_px: float = 1.0,
    depth_sigma: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The pose that fits all matches best, from one that is roughly right.

    Args:
        problem: in float64 where the device has it.
        matches: (M, 2) int64; outliers are fine. A match needs usable depth in at least one view to count.
        R, t: (3, 3) and (3,) metres, cam1_from_cam0 to start from.
        keypoint_sigma_px: standard deviation of a keypoint.
        depth_sigma: relative standard deviation of a depth; 0 = measured on the matches.

    Returns:
        R (3, 3) and t (3,); those given, where the refinement does not lower the robust cost.
    """
    R, t, _ = refine_with_depth_model(problem, matches, R, t, DepthModel(), keypoint_sigma_px, depth_sigma)
    return R, t


def refine_with_depth_model(
    problem: PoseProblem,
    matches: Tensor,
    R: Tensor,
    t: Tensor,
    model: DepthModel,
    keypoint_sigma_px: float = 1.0,
    depth_sigma: float = 0.0,
) -> tuple[Tensor, Tensor, DepthModel]:
    """As ``refine_pose``, with scale and shift errors of the depths among the unknowns."""
    fit = PairFit(problem, matches, keypoint_sigma_px)
    if len(fit) < 3:
        return R, t, model
    sigma = depth_sigma or fit.measured_depth_sigma(R, t, model)
    start = (R, t, model)
    for scale, steps in zip(_LOSS_SCALES, _STEPS, strict=True):
        for _ in range(steps):
            R, t, model = fit.step(R, t, model, sigma, scale)
    finite = bool(torch.isfinite(R).all() & torch.isfinite(t).all())
    if finite and fit.cost(R, t, model, sigma, _LOSS_SCALES[-1]) < fit.cost(*start, sigma, _LOSS_SCALES[-1]):
        return R, t, model
    return start


class PairFit:
    """The pairs of one problem that have depth in at least one view, and Gauss-Newton steps on them."""

    def __init__(self, problem: PoseProblem, matches: Tensor, keypoint_sigma_px: float) -> None:
        known = problem.view0.usable[matches[:, 0]] | problem.view1.usable[matches[:, 1]]
        self.view0, self.view1 = _take(problem.view0, matches[known, 0]), _take(problem.view1, matches[known, 1])
        self.has0, self.has1 = self.view0.usable[:, None], self.view1.usable[:, None]
        self.rays0, self.rays1 = rays(self.view0), rays(self.view1)
        self.lateral0 = _lateral_covariance(self.view0, keypoint_sigma_px)
        self.lateral1 = _lateral_covariance(self.view1, keypoint_sigma_px)
        self.sigma_px = keypoint_sigma_px

    def __len__(self) -> int:
        return len(self.rays0)

    def points(self, R: Tensor, t: Tensor, model: DepthModel) -> tuple[Tensor, Tensor]:
        """X and Y (M, 3) under the depth model; a missing depth is guessed from the other view."""
        depths0, depths1 = model.apply(self.view0.depths, self.view1.depths)
        X, Y = self.rays0 * depths0[:, None], self.rays1 * depths1[:, None]
        guess1 = transform(R, t, X)[:, 2].clamp(min=1e-3)
        guess0 = ((Y - t) @ R)[:, 2].clamp(min=1e-3)
        X = torch.where(self.has0, X, self.rays0 * guess0[:, None])
        Y = torch.where(self.has1, Y, self.rays1 * guess1[:, None])
        return X, Y

    def whitened(self, R: Tensor, t: Tensor, model: DepthModel, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
        """Cholesky factors of C (M, 3, 3), whitened errors (M, 3), and R X (M, 3)."""
        X, Y = self.points(R, t, model)
        sigma0 = torch.where(self.has0[:, 0], sigma, _UNKNOWN_DEPTH_SIGMA)
        sigma1 = torch.where(self.has1[:, 0], sigma, _UNKNOWN_DEPTH_SIGMA)
        C0 = _covariance(X, self.lateral0, sigma0)
        C1 = _covariance(Y, self.lateral1, sigma1)
        factors = torch.linalg.cholesky(R @ C0 @ R.mT + C1)
        RX = X @ R.mT
        errors = torch.linalg.solve_triangular(factors, (RX + t - Y)[..., None], upper=False)[..., 0]
        return factors, errors, RX

    def cost(self, R: Tensor, t: Tensor, model: DepthModel, sigma: float, scale: float) -> float:
        """Geman-McClure cost of all matches, plus the prior of the shifts."""
        squared = self.whitened(R, t, model, sigma)[1].square().sum(dim=-1)
        prior = (model.shift0**2 + model.shift1**2) / model.shift_sigma**2
        return float((scale**2 * squared / (scale**2 + squared)).sum()) + prior

    def step(
        self, R: Tensor, t: Tensor, model: DepthModel, sigma: float, scale: float
    ) -> tuple[Tensor, Tensor, DepthModel]:
        """One iteratively reweighted Gauss-Newton step."""
        factors, errors, RX = self.whitened(R, t, model, sigma)
        weights = (scale**2 / (scale**2 + errors.square().sum(dim=-1))).square()
        jacobian = torch.linalg.solve_triangular(factors, self.jacobian(R, RX, model), upper=False)
        H = torch.einsum("m,mei,mej->ij", weights, jacobian, jacobian)
        g = torch.einsum("m,mei,me->i", weights, jacobian, errors)
        if model.free_shifts:
            H.diagonal()[-2:] += model.shift_sigma**-2
            g[-2:] += torch.tensor([model.shift0, model.shift1]).to(g) * model.shift_sigma**-2
        # A touch of damping: fewer than three matches with weight leave H singular.
        H = H + 1e-9 * H.diagonal().mean().clamp(min=1e-12) * torch.eye(len(H)).to(H)
        delta = -torch.linalg.solve(H, g)
        R = torch.linalg.matrix_exp(skew(delta[:3])) @ R
        return R, t + delta[3:6], model.moved(delta[6:])

    def jacobian(self, R: Tensor, RX: Tensor, model: DepthModel) -> Tensor:
        """de / d(rotation, t, log_ratio, shift0, shift1), the free ones: (M, 3, 6 to 9)."""
        columns = [-skew(RX), torch.eye(3).to(RX).expand(len(RX), 3, 3)]
        zero = torch.zeros_like(RX)
        if model.free_ratio:
            scaled0, scaled1 = replace(model, shift0=0.0, shift1=0.0).apply(self.view0.depths, self.view1.depths)
            along0 = torch.where(self.has0, self.rays0 * scaled0[:, None], zero) @ R.mT
            along1 = torch.where(self.has1, self.rays1 * scaled1[:, None], zero)
            columns.append((-0.5 * (along0 + along1))[..., None])
        if model.free_shifts:
            columns.append((torch.where(self.has0, self.rays0, zero) @ R.mT)[..., None])
            columns.append(-torch.where(self.has1, self.rays1, zero)[..., None])
        return torch.cat(columns, dim=-1)

    def measured_depth_sigma(self, R: Tensor, t: Tensor, model: DepthModel) -> float:
        """Relative depth error, from how far the two depths of matches disagree that obey the epipolar geometry."""
        X, Y = self.points(R, t, model)
        moved = transform(R, t, X)[:, 2]
        pixels = sampson_errors(R, t, self.view0.keypoints, self.view1.keypoints, self.view0.K, self.view1.K)
        good = (self.has0 & self.has1)[:, 0] & (moved > 0) & (Y[:, 2] > 0) & (pixels < 4 * self.sigma_px)
        if int(good.sum()) < 3:
            return 0.05
        spread = 1.4826 * float((moved[good] / Y[good][:, 2]).log().abs().median())  # a normal's sigma from its MAD
        return min(max(spread / math.sqrt(2), _SIGMA_RANGE[0]), _SIGMA_RANGE[1])


def _take(view: View, index: Tensor) -> View:
    return View(view.keypoints[index], view.depths[index], view.K, view.image_size)


def rays(view: View) -> Tensor:
    """(M, 3) viewing rays with z = 1."""
    return View(view.keypoints, torch.ones_like(view.depths), view.K).points()


def _lateral_covariance(view: View, sigma_px: float) -> Tensor:
    """(3, 3) covariance of a ray with z = 1."""
    columns = torch.linalg.inv(view.K)[:, :2]
    return sigma_px**2 * columns @ columns.mT


def _covariance(points: Tensor, lateral: Tensor, depth_sigma: Tensor) -> Tensor:
    """(M, 3, 3) covariance of points (M, 3) by their keypoint's and their depth's error, square metres."""
    along = depth_sigma[:, None] * points
    depth_squared = points[:, 2].square().clamp(min=1e-12)[:, None, None]
    return depth_squared * lateral + along[:, :, None] * along[:, None, :]
