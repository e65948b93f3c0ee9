"""Solvers of the metric relative pose from two views."""

from typing import Any

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.registry import Registry
from mickey_hloc.solvers.base import PoseProblem, Solver, View

SOLVERS: Registry[Solver] = Registry(
    "solver",
    Solver,
    {
        "probabilistic": "mickey_hloc.solvers.probabilistic:ProbabilisticSolver",
        "procrustes": "mickey_hloc.solvers.procrustes:ProcrustesSolver",
        "pnp": "mickey_hloc.solvers.pnp:PnPSolver",
        "essential": "mickey_hloc.solvers.essential:EssentialSolver",
        "joint": "mickey_hloc.solvers.joint:JointSolver",
    },
)


def get_solver(name: str, **options: Any) -> Solver:
    """A solver by name, e.g. ``get_solver("procrustes", max_error_m=0.05)``.

    Raises:
        InputError: an unknown name or option; the message lists the known ones.
    """
    return SOLVERS.get(name)(**options)


__all__ = ["SOLVERS", "PoseProblem", "RelativePose", "Solver", "View", "get_solver"]
