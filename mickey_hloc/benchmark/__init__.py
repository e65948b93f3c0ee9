"""Benchmarks from images to tables: tasks (Map-free, ScanNet, 7-Scenes), the steps of a method on them, and grids of
methods. Everything is cached and resumable; ``mickey-hloc benchmark`` runs it.
"""

from mickey_hloc.benchmark.steps import run_method
from mickey_hloc.benchmark.task import PoseTask

__all__ = ["PoseTask", "run_method"]
