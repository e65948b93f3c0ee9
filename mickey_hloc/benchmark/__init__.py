"""From images to scores: the steps of every benchmark pipeline, cached and resumable, by the names of the methods."""

from mickey_hloc.benchmark.methods import Method, Plan, make_plan
from mickey_hloc.benchmark.steps import run_plan
from mickey_hloc.benchmark.task import PoseTask

__all__ = ["Method", "Plan", "PoseTask", "make_plan", "run_plan"]
