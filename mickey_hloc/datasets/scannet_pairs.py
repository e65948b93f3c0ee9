"""Pairs of a list with poses, in the format of ScanNet-1500."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mickey_hloc.datasets import scannet
from mickey_hloc.datasets.pair_sources import TableSource
from mickey_hloc.datasets.pairs import PairTable
from mickey_hloc.geometry.pose_arrays import pose_matrix


@dataclass(frozen=True)
class ScanNetSource(TableSource):
    """A list of pairs with poses in SuperGlue's format.

    Attributes:
        list: the file. root: folder of the images.
        judge: see ``TableSource``.
    """

    list: str
    root: str

    def table(self) -> PairTable:
        """All lines. Each pair is its own world; the scene is the folder of its first image's scene."""
        found = scannet.read_posed_pairs(Path(self.list))
        names, cameras, poses, scenes = [], [], [], []
        for pair in found:
            for name, K in ((pair.name0, pair.K0), (pair.name1, pair.K1)):
                size = scannet.image_size(Path(self.root) / name)
                cameras.append(scannet.intrinsics_on_disk(K, size, pair.where))
                names.append(name)
            poses += [np.eye(3, 4), pose_matrix(pair.cam1_from_cam0)]
            scenes.append(next((part for part in Path(pair.name0).parts if part.startswith("scene")), ""))
        return PairTable(
            root=Path(self.root),
            names=names,
            intrinsics=cameras,
            cam_from_world=np.stack(poses),
            pairs=np.arange(len(names), dtype=np.int64).reshape(-1, 2),
            overlaps=np.full(len(found), np.nan, dtype=np.float32),
            scenes=np.unique(scenes, return_inverse=True)[1].astype(np.int64),
        )
