"""Positions of cameras from the metric vectors between them: robust least squares, each vector by its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ROUNDS = 30
INLIER_STDS = 3.0


@dataclass(frozen=True, eq=False)
class Positions:
    """Where cameras stand.

    Attributes:
        centres: (N, 3) metres, the first at the origin.
        covariances: (N, 3, 3) of them, given the first; in proportion to what the vectors scatter.
        residuals: (E,) of each vector, in its standard deviations.
        inliers: (E,) bool, which vectors agree.
    """

    centres: np.ndarray
    covariances: np.ndarray
    residuals: np.ndarray
    inliers: np.ndarray


def solve_positions(edges: np.ndarray, vectors: np.ndarray, covariances: np.ndarray, count: int) -> Positions:
    """Least squares over centre[j] - centre[i] = vector, vectors that do not fit losing their weight.

    Weights are those of Geman and McClure, whose width shrinks from that of all residuals to the vectors' own
    (graduated non-convexity, as Yang et al., RA-L 2020).

    Args:
        edges: (E, 2) indices i, j of cameras; they connect all of them.
        vectors: (E, 3) metres.
        covariances: (E, 3, 3) of the vectors, positive definite.
        count: N, of cameras.

    Raises:
        ValueError: the edges do not connect all cameras.
    """
    information = np.linalg.inv(covariances)
    weights = np.ones(len(edges))
    centres, hessian = _least_squares(edges, vectors, information, count)
    for number in range(_ROUNDS):
        residuals = _residuals(edges, vectors, information, centres)
        width = max(1.0, 3.0 * float(np.median(residuals)) * 0.7**number) * INLIER_STDS
        again = (width**2 / (width**2 + residuals**2)) ** 2
        if number > 10 and np.abs(again - weights).max() < 1e-6:
            break
        weights = again
        centres, hessian = _least_squares(edges, vectors, information * weights[:, None, None], count)
    residuals = _residuals(edges, vectors, information, centres)
    inliers = residuals <= INLIER_STDS * 1.5
    free = max(3 * int(inliers.sum()) - 3 * (count - 1), 1)
    scatter = max(3.0 * float((residuals[inliers] ** 2).sum()) / free, 1e-6)  # a residual is of three numbers
    blocks = np.zeros((count, 3, 3))
    inverse = np.linalg.inv(hessian)
    for camera in range(1, count):
        place = slice(3 * camera - 3, 3 * camera)
        blocks[camera] = inverse[place, place] * scatter
    return Positions(centres, blocks, residuals, inliers)


def _least_squares(
    edges: np.ndarray, vectors: np.ndarray, information: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) centres with the first at 0, and the (3N - 3, 3N - 3) Hessian of the others."""
    H, b = np.zeros((count, 3, count, 3)), np.zeros((count, 3))
    for (i, j), vector, weight in zip(edges, vectors, information, strict=True):
        H[i, :, i] += weight
        H[j, :, j] += weight
        H[i, :, j] -= weight
        H[j, :, i] -= weight
        b[j] += weight @ vector
        b[i] -= weight @ vector
    reduced = H[1:, :, 1:].reshape(3 * count - 3, 3 * count - 3)
    try:
        found = np.linalg.solve(reduced, b[1:].ravel())
    except np.linalg.LinAlgError as error:
        raise ValueError("the vectors do not connect all cameras") from error
    return np.concatenate([np.zeros((1, 3)), found.reshape(-1, 3)]), reduced


def _residuals(edges: np.ndarray, vectors: np.ndarray, information: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(E,) in standard deviations."""
    off = centres[edges[:, 1]] - centres[edges[:, 0]] - vectors
    return np.sqrt(np.einsum("ei,eij,ej->e", off, information, off) / 3.0)
