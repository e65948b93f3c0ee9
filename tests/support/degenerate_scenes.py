"""Problems that do not, or only just, determine a pose: few matches, points on a line, on a plane, in two clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from mickey_hloc.geometry import project, transform
from mickey_hloc.solvers import PoseProblem, View
from support.solver_scenes import SIZE, K, problem_of, rotation

KINDS = ("few", "line", "plane", "clusters", "rotation")


@dataclass(frozen=True, eq=False)
class Degenerate:
    """A problem with its true rotation (3, 3), and what it is."""

    problem: PoseProblem
    R: np.ndarray
    what: str


def degenerate_scene(kind: str, seed: int) -> Degenerate:
    """A problem of one of ``KINDS`` with random noise (0.3 to 3 px, depth 0.5 to 20 %) and 0 to 70 % outliers."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    noise_px, depth_noise = _log_uniform(rng, 0.3, 3), _log_uniform(rng, 0.005, 0.2)
    outlier_share = rng.choice([0.0, rng.uniform(0, 0.7)])
    inliers = int(rng.integers(5, 11) if kind == "few" else rng.integers(10, 81))
    points = _points(kind, inliers, rng)
    R = rotation(*(math.radians(rng.uniform(0, 30)) * _unit(rng)))
    t = (
        torch.zeros(3, dtype=torch.float64)
        if kind == "rotation"
        else torch.from_numpy(rng.uniform(0.05, 0.6) * _unit(rng))
    )
    X = torch.from_numpy(points)
    Y = transform(R, t, X)
    seen = ((Y[:, 2] > 0.3) & (X[:, 2] > 0.3)).numpy()
    X, Y = X[seen], Y[seen]
    outliers = round(len(X) * outlier_share / (1 - outlier_share))
    views = [_view(P, outliers, noise_px, depth_noise, rng) for P in (X, Y)]
    index = torch.arange(len(X) + outliers)
    what = f"{kind} {seed}: {len(X)} + {outliers} matches, {noise_px:.1f} px, depth {depth_noise:.3f}"
    return Degenerate(problem_of(*views, torch.stack([index, index], dim=-1)), R.numpy(), what)


def _points(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) in camera 0, metres."""
    middle = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.4, 0.4), rng.uniform(1.5, 4.0)])
    along = rng.uniform(-1, 1, (count, 1))
    if kind == "line":
        return middle + along * rng.uniform(0.5, 1.5) * _unit(rng) + rng.uniform(0, 0.01) * rng.normal(size=(count, 3))
    if kind == "plane":
        axes = np.linalg.qr(rng.normal(size=(3, 2)))[0]
        return middle + rng.uniform(-1.2, 1.2, (count, 2)) @ axes.T
    if kind == "clusters":
        ends = middle + np.array([[-1.0], [1.0]]) * rng.uniform(0.3, 1.0) * _unit(rng)
        return ends[rng.integers(0, 2, count)] + rng.uniform(0.005, 0.05) * rng.normal(size=(count, 3))
    depth = rng.uniform(1.0, 5.0, (count, 1))
    pixels = rng.uniform([0, 0], SIZE, (count, 2))
    return np.hstack([(pixels - K[:2, 2].numpy()) / np.diag(K.numpy())[:2], np.ones((count, 1))]) * depth


def _view(points: torch.Tensor, outliers: int, noise_px: float, depth_noise: float, rng: np.random.Generator) -> View:
    keypoints = project(points, K.double()).numpy() + noise_px * rng.normal(size=(len(points), 2))
    depths = points[:, 2].numpy() * (1 + depth_noise * rng.normal(size=len(points)))
    keypoints = np.vstack([keypoints, rng.uniform([0, 0], SIZE, (outliers, 2))])
    depths = np.r_[depths, rng.uniform(1.0, 5.0, outliers)].clip(0.05)
    return View(torch.from_numpy(keypoints).float(), torch.from_numpy(depths).float(), K, SIZE)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _unit(rng: np.random.Generator) -> np.ndarray:
    v = rng.normal(size=3)
    return v / np.linalg.norm(v)
