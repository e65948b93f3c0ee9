"""Solvers of the metric relative pose from two views."""

from typing import Any

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.registry import Registry, tables
from mickey_hloc.solvers.base import PoseProblem, Solver, View

SOLVERS: Registry[Solver] = Registry("solver", Solver, tables.SOLVERS)


def get_solver(name: str, **options: Any) -> Solver:
    """A solver by name, e.g. ``get_solver("procrustes", max_error_m=0.05)``.

    Raises:
        InputError: an unknown name or option; the message lists the known ones.

    Example:
        >>> import torch
        >>> from mickey_hloc.geometry import project
        >>> points0 = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([-0.5, -0.5, 2.0])
        >>> points1 = points0 + torch.tensor([0.25, 0.0, 0.0])  # metres: camera 1 stands 0.25 m to the left
        >>> K = torch.tensor([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
        >>> view0, view1 = (View(project(points, K), points[:, 2], K) for points in (points0, points1))
        >>> problem = PoseProblem(view0, view1, matches=torch.arange(50)[:, None].expand(50, 2))
        >>> pose = get_solver("procrustes", max_error_m=0.05).solve(problem)
        >>> pose.success, [round(float(x), 3) + 0.0 for x in pose.t]  # of cam1_from_cam0, metres
        (True, [0.25, 0.0, 0.0])
    """
    return SOLVERS.create(name, **options)


def finding_solvers() -> tuple[str, ...]:
    """Names of the solvers that find a pose from matches; the others take one that a pair model predicts."""
    return tuple(name for name in SOLVERS.names if not SOLVERS.get(name).needs_prediction)


__all__ = ["SOLVERS", "PoseProblem", "RelativePose", "Solver", "View", "finding_solvers", "get_solver"]
