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
    """
    return SOLVERS.create(name, **options)


__all__ = ["SOLVERS", "PoseProblem", "RelativePose", "Solver", "View", "get_solver"]
