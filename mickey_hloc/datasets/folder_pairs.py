"""Pairs of any folder of images with metric poses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mickey_hloc.datasets.covisibility import frustum_overlaps
from mickey_hloc.datasets.pair_sources import TableSource
from mickey_hloc.datasets.pairs import PairTable
from mickey_hloc.datasets.posed_folder import PosedImages, read_posed_images
from mickey_hloc.geometry import camera_centres


@dataclass(frozen=True)
class FolderSource(TableSource):
    """Any folder of images with metric poses; pairs are found by what the views share.

    Attributes:
        root: see ``read_posed_images``. layout: "colmap", "tum", "7scenes" or "mapfree".
        model: of COLMAP. intrinsics: file of a TUM sequence.
        min_overlap, max_overlap: of pairs. The overlap is the share of common 3-D points of a COLMAP model with points,
            and otherwise that of the viewing frustums between ``near_m`` and ``far_m``.
        near_m, far_m: depths of the scene, metres.
        max_distance_m: between the cameras of a pair.
        judge: see ``TableSource``.
    """

    root: str
    layout: str = "colmap"
    model: str | None = None
    intrinsics: str | None = None
    min_overlap: float = 0.3
    max_overlap: float = 0.95
    near_m: float = 0.6
    far_m: float = 3.2
    max_distance_m: float = 10.0

    def table(self) -> PairTable:
        """All pairs within the limits."""
        posed = read_posed_images(
            Path(self.root),
            self.layout,
            Path(self.model) if self.model else None,
            Path(self.intrinsics) if self.intrinsics else None,
        )
        T = posed.cam_from_world
        centres = camera_centres(T[:, :, :3], T[:, :, 3])
        pairs, overlaps = [], []
        for i, row in enumerate(self._overlaps(posed)):
            near = np.linalg.norm(centres[i + 1 :] - centres[i], axis=1) <= self.max_distance_m
            chosen = np.flatnonzero((row >= self.min_overlap) & (row <= self.max_overlap) & near)
            pairs += [(i, i + 1 + int(k)) for k in chosen]
            overlaps += row[chosen].tolist()
        return PairTable(
            root=posed.root,
            names=posed.names,
            intrinsics=posed.intrinsics,
            cam_from_world=T,
            pairs=np.array(pairs, dtype=np.int64).reshape(-1, 2),
            overlaps=np.array(overlaps, dtype=np.float32),
            scenes=np.zeros(len(pairs), dtype=np.int64),
        )

    def _overlaps(self, posed: PosedImages) -> Iterator[np.ndarray]:
        """Of each image with all after it, row by row."""
        if posed.shared_points is None:
            yield from frustum_overlaps(posed.intrinsics, posed.cam_from_world, self.near_m, self.far_m)
            return
        for i in range(len(posed.names)):
            yield np.array([posed.shared_points.get((i, j), 0.0) for j in range(i + 1, len(posed.names))])
