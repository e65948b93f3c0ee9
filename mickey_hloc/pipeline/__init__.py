"""From images to scores: the steps of every benchmark pipeline, cached and resumable, by the names of the methods."""

from mickey_hloc.pipeline.methods import Method, Plan, make_plan
from mickey_hloc.pipeline.steps import run_plan
from mickey_hloc.pipeline.task import PoseTask

__all__ = ["Method", "Plan", "PoseTask", "make_plan", "run_plan"]
