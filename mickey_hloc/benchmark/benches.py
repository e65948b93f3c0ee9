"""The benchmarks of a grid: a task, how its poses are scored, and the figures of the paper for it."""

from __future__ import annotations

import csv
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from mickey_hloc.benchmark.grid import Grid
from mickey_hloc.benchmark.mapfree import mapfree_run, score, submission
from mickey_hloc.benchmark.scannet import PART, choose_scenes, scannet_task
from mickey_hloc.benchmark.task import PoseTask
from mickey_hloc.datasets.scannet import image_size, read_posed_pairs
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.mapfree import MAX_VCRE_PX
from mickey_hloc.evaluation.report import mapfree_row
from mickey_hloc.evaluation.scannet import VCRE_SHARE, evaluate_pairs, summarise_pairs
from mickey_hloc.evaluation.scored_pairs import ScoredPair, of_mapfree, of_scannet
from mickey_hloc.evaluation.tables import MAPFREE_COLUMNS, SCANNET_COLUMNS, Column
from mickey_hloc.io.poses import read_all_poses, read_poses

Numbers = Mapping[str, Any]


class Bench(ABC):
    """A benchmark with its data. Attributes: task: what is estimated. columns: of the table, the method left out."""

    columns: ClassVar[Sequence[Column]]
    task: PoseTask

    @abstractmethod
    def score(self, poses: Mapping[str, Path], results: Path) -> Numbers:
        """The numbers of a method.

        Args:
            poses: poses files by part.
            results: the folder of what else is written.

        Raises:
            InputError: no pair has a pose.
        """

    @abstractmethod
    def scored_pairs(self, poses: Mapping[str, Path], results: Path) -> list[ScoredPair]:
        """The same pair by pair, after ``score``. Args, raises: as of ``score``."""

    @property
    @abstractmethod
    def criterion(self) -> tuple[str, float]:
        """What counts as right, in words, and its VCRE in pixels."""

    @abstractmethod
    def score_file(self, file: Path) -> Numbers:
        """The numbers of poses that others estimated.

        Raises:
            InputError: no such file, or it cannot be used.
        """


class MapFreeBench(Bench):
    """Map-free, single or multi-frame track."""

    columns = MAPFREE_COLUMNS[1:]

    def __init__(
        self, grid: Grid, dataset: Path, outputs: Path, scenes: Sequence[str] | None = None, **options: Any
    ) -> None:
        self.run = mapfree_run(dataset, grid.split, grid.track, scenes, outputs, **options)
        self.task = self.run.task
        if not self.run.has_truth:
            raise InputError(f"The poses of {grid.split} are withheld: choose another split for a comparison.")

    def score(self, poses: Mapping[str, Path], results: Path) -> Numbers:
        zip_path, _, _ = submission(self.run, poses, results / "submission.zip")
        return self.score_file(zip_path)

    def scored_pairs(self, poses: Mapping[str, Path], results: Path) -> list[ScoredPair]:
        scored = score(self.run, results / "submission.zip")
        return of_mapfree(self.run.scenes, scored, read_all_poses(poses), self.run.track)

    @property
    def criterion(self) -> tuple[str, float]:
        return f"VCRE below {MAX_VCRE_PX:.0f} px", MAX_VCRE_PX

    def score_file(self, file: Path) -> Numbers:
        return mapfree_row("", score(self.run, file))


class ScanNetBench(Bench):
    """A list of posed pairs in SuperGlue's format."""

    columns = SCANNET_COLUMNS[1:]

    def __init__(
        self, grid: Grid, pairs: Path, images: Path, outputs: Path, scenes: Sequence[str] | None = None, **options: Any
    ) -> None:
        self.pairs, self.images = choose_scenes(read_posed_pairs(pairs), scenes), images
        self.task = scannet_task(self.pairs, images, outputs, **options)

    def score(self, poses: Mapping[str, Path], results: Path) -> Numbers:
        return self.score_file(poses[PART])

    def scored_pairs(self, poses: Mapping[str, Path], results: Path) -> list[ScoredPair]:
        found = read_all_poses(poses)
        return of_scannet(self.pairs, evaluate_pairs(self.pairs, found, self.images), found)

    @property
    def criterion(self) -> tuple[str, float]:
        width, height = image_size(self.images / self.pairs[0].name1)
        return "VCRE below 10 % of the diagonal", VCRE_SHARE * math.hypot(width, height)

    def score_file(self, file: Path) -> Numbers:
        return summarise_pairs(evaluate_pairs(self.pairs, read_poses(file), self.images))


def paper_figures(table: int | None) -> dict[tuple[str, str], dict[str, float]]:
    """The paper's figures by method (also with its supervision in brackets) and depth, with the keys of our columns.

    Source: Barroso-Laguna et al., "Matching 2D Images in 3D: Metric Relative Pose from Metric Correspondences", 2024.

    Args:
        table: 1, 2 or 3; None: nothing stands beside.

    Raises:
        InputError: another number.
    """
    if table is None:
        return {}
    text = resources.files("mickey_hloc.evaluation").joinpath("paper_tables.csv").read_text(encoding="utf-8")
    figures: dict[tuple[str, str], dict[str, float]] = {}
    for line in csv.DictReader(text.splitlines()):
        if line["table"] == str(table):
            values = {key: float(value) for key, value in line.items() if key not in _WORDS and value}
            figures.setdefault((line["method"], line["depth"]), values)
            # a network that was trained in two ways is there twice
            figures[f"{line['method']} ({line['supervision']})", line["depth"]] = values
    if not figures:
        raise InputError(f"paper_table is {table}; the paper's tables of this kind are 1, 2 and 3.")
    return figures


_WORDS = ("table", "dataset", "supervision", "method", "depth")
