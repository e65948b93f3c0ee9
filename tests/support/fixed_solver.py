"""A solver that weighs every match and finds the identity at once."""

import numpy as np
import pycolmap
import torch

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.solvers import PoseProblem, Solver


class FixedSolver(Solver):
    needs = "matches"

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose:
        matches = problem.matches.numpy()
        return RelativePose(
            True,
            pycolmap.Rigid3d(),
            estimate=pycolmap.Rigid3d(),
            correspondences=matches,
            inliers=np.ones(len(matches), dtype=bool),
        )
