"""Pairs of Map-free scenes: training frames that overlap, or the reference with its queries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mickey_hloc.datasets import mapfree
from mickey_hloc.datasets.pair_sources import TableSource
from mickey_hloc.datasets.pairs import PairTable, join_tables
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.pose_arrays import pose_matrix


@dataclass(frozen=True)
class MapFreeSource(TableSource):
    """Scenes in Map-free layout.

    Attributes:
        root: folder that has the split in it.
        split: "train" pairs frames by ``overlaps.npz``; other splits pair the reference with every query.
        scenes: only these; empty = all.
        min_overlap, max_overlap: of training pairs, in [0, 1].
        query_step: of the other splits, 1 = every query, 5 = every fifth, as the benchmark has it.
        judge: see ``TableSource``.
    """

    root: str
    split: str = "train"
    scenes: tuple[str, ...] = ()
    min_overlap: float = 0.0
    max_overlap: float = 1.0
    query_step: int = 1

    def table(self) -> PairTable:
        """All pairs within the limits."""
        folder = Path(self.root) / self.split
        scenes = [
            mapfree.read_scene(path) for path in mapfree.find_scenes(Path(self.root), self.split, self.scenes or None)
        ]
        tables = []
        for scene in scenes:
            known = {name: pose for name, pose in scene.poses.items() if pose is not None}
            index = {name: i for i, name in enumerate(known)}
            pairs, overlaps = (
                self._train_pairs(scene, index) if self.split == "train" else self._query_pairs(scene, index)
            )
            if len(pairs):
                tables.append(
                    PairTable(
                        root=folder,
                        names=[f"{scene.name}/{name}" for name in known],
                        intrinsics=[scene.intrinsics[name] for name in known],
                        cam_from_world=np.stack([pose_matrix(pose) for pose in known.values()]),
                        pairs=pairs,
                        overlaps=overlaps,
                        scenes=np.zeros(len(pairs), dtype=np.int64),
                    )
                )
        if not tables:
            raise InputError(
                f"{folder} has no pairs with an overlap between {self.min_overlap} and {self.max_overlap}."
            )
        return join_tables(tables)

    def _train_pairs(self, scene: mapfree.MapFreeScene, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        frames, overlaps = mapfree.read_overlaps(scene.path / "overlaps.npz")
        keep = (overlaps >= self.min_overlap) & (overlaps <= self.max_overlap)
        keep &= (frames[:, :2] != frames[:, 2:]).any(axis=1)
        frames, overlaps = frames[keep], overlaps[keep]
        number = {mapfree.parse_frame(name): i for name, i in index.items()}
        rows = np.array(
            [[number.get((a, b), -1), number.get((c, d), -1)] for a, b, c, d in frames.tolist()], dtype=np.int64
        ).reshape(-1, 2)
        posed = (rows >= 0).all(axis=1)
        return rows[posed], overlaps[posed]

    def _query_pairs(self, scene: mapfree.MapFreeScene, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        queries = [name for name in scene.frames() if name in index][:: self.query_step]
        if mapfree.REFERENCE not in index:
            raise InputError(f"{scene.path}/poses.txt has no pose of the reference {mapfree.REFERENCE}.")
        rows = np.array([[index[mapfree.REFERENCE], index[name]] for name in queries], dtype=np.int64).reshape(-1, 2)
        return rows, np.full(len(rows), np.nan, dtype=np.float32)
