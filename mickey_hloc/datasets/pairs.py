"""Pairs of posed images for training and validation, from any source: a table of them, and the data set of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from mickey_hloc.datasets.fitting import Size, fit_image, fit_intrinsics
from mickey_hloc.depth.base import DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.geometry import relative_motion
from mickey_hloc.io.images import ExifTurn, read_image
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.rooms.augment import AugmentOptions, augment

MANY = 1 << 30  # versions of an image, where their number is not limited


@dataclass(frozen=True, eq=False)
class PairTable:
    """Images with poses, and which of them are pairs.

    Attributes:
        root: folder that the names are relative to.
        names: N images.
        intrinsics: N, of the images as they are on disk.
        cam_from_world: (N, 3, 4), metres. Images of one scene share a world.
        pairs: (M, 2) int64, indices of images.
        overlaps: (M,) float32 in [0, 1], NaN where unknown.
        scenes: (M,) int64, which scene a pair is of, counted from 0.
    """

    root: Path
    names: list[str]
    intrinsics: list[Intrinsics]
    cam_from_world: np.ndarray
    pairs: np.ndarray
    overlaps: np.ndarray
    scenes: np.ndarray

    def __post_init__(self) -> None:
        if len(self.pairs) == 0:
            raise InputError(f"{self.root} gives no pairs of images; widen the limits on overlap.")

    def __len__(self) -> int:
        return len(self.pairs)

    def relative_pose(self, pair: int) -> np.ndarray:
        """(3, 4) cam1_from_cam0 of a pair, metres."""
        return relative_motion(*self.cam_from_world[self.pairs[pair]])

    def name_pair(self, pair: int) -> tuple[str, str]:
        """The names of its two images."""
        i, j = self.pairs[pair]
        return self.names[i], self.names[j]


def join_tables(tables: Sequence[PairTable]) -> PairTable:
    """Tables of the same root as one; their scenes stay apart."""
    first_image = np.cumsum([0] + [len(t.names) for t in tables])
    first_scene = np.cumsum([0] + [int(t.scenes.max()) + 1 for t in tables])
    return PairTable(
        root=tables[0].root,
        names=[name for t in tables for name in t.names],
        intrinsics=[camera for t in tables for camera in t.intrinsics],
        cam_from_world=np.concatenate([t.cam_from_world for t in tables]),
        pairs=np.concatenate([t.pairs + n for t, n in zip(tables, first_image[:-1], strict=True)]),
        overlaps=np.concatenate([t.overlaps for t in tables]),
        scenes=np.concatenate([t.scenes + n for t, n in zip(tables, first_scene[:-1], strict=True)]),
    )


class Draw(NamedTuple):
    """One item as a sampler asks for it.

    Attributes:
        pair: index into the table.
        seed: of its augmentation; None = the images as they are.
    """

    pair: int
    seed: int | None


@dataclass(frozen=True)
class PairAugmentation:
    """What is varied in training.

    Attributes:
        mirror: half of the pairs are mirrored left to right, both images and the pose.
        photometric: what a camera adds; None = nothing.
        variants: number of photometric versions of an image (0 = any number), so that their features can be cached;
            version 0 is the image as it is. 1 = every image in one version that is not as it is.
    """

    mirror: bool = False
    photometric: AugmentOptions | None = None
    variants: int = 0

    @property
    def versions(self) -> range:
        """The photometric versions of an image."""
        if self.photometric is None:
            return range(1)
        return range(1, 2) if self.variants == 1 else range(self.variants or MANY)


class PairDataset(Dataset[dict[str, Any]]):
    """Items of a table as tensors.

    An item holds ``image0``, ``image1`` (3, H, W) float32 in [0, 1]; ``K0``, ``K1`` (3, 3) float32; the true pose ``R``
    (3, 3), ``t`` (3,) float32 of cam1_from_cam0 in metres; ``overlap`` (2,) float32, NaN where unknown; ``index``; and,
    with a depth source, ``depth0``, ``depth1`` (H, W) float32 metres for judging, NaN where unknown. ``draw`` is the
    number that the sampler gave the item.

    Args:
        table: the pairs.
        size_wh: (width, height) of all images; each is resized to cover it and cut.
        augmentation: None = the images as they are.
        judge: a depth source with dense maps.
        exif_turn: what happens to photos that their EXIF orientation turns, see ``read_image``.
    """

    def __init__(
        self,
        table: PairTable,
        size_wh: Size,
        augmentation: PairAugmentation | None = None,
        judge: DepthSource | None = None,
        exif_turn: ExifTurn = "refuse",
    ) -> None:
        self.table, self.size_wh, self.judge, self.exif_turn = table, size_wh, judge, exif_turn
        self.augmentation = augmentation or PairAugmentation()

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, item: int | Draw) -> dict[str, Any]:
        draw = item if isinstance(item, Draw) else Draw(int(item), None)
        if not 0 <= draw.pair < len(self.table):
            raise IndexError(f"pair {draw.pair} of {len(self.table)}")
        mirrored, versions = self._draw_augmentation(draw)
        out: dict[str, Any] = {}
        for side, image in enumerate(self.table.pairs[draw.pair]):
            for key, value in self.view(int(image), mirrored, versions[side]).items():
                out[f"{key}{side}"] = value
        T = self.table.relative_pose(draw.pair)
        F = np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0])
        out["R"], out["t"] = _tensor(F @ T[:, :3] @ F), _tensor(F @ T[:, 3])
        out["overlap"] = torch.full((2,), float(self.table.overlaps[draw.pair]))
        out["index"], out["draw"] = draw.pair, draw.seed or 0
        return out

    def _draw_augmentation(self, draw: Draw) -> tuple[bool, list[int]]:
        """Whether the pair is mirrored, and the photometric version of each image."""
        if draw.seed is None:
            return False, [0, 0]
        o, rng = self.augmentation, np.random.default_rng([draw.seed, draw.pair])
        mirrored = o.mirror and bool(rng.integers(2))
        versions = o.versions
        return mirrored, [int(v) for v in rng.integers(versions.start, versions.stop, size=2)]

    def view(self, image: int, mirrored: bool, version: int) -> dict[str, torch.Tensor]:
        """What an item has of one image: ``image``, ``K`` and, with a judge, ``depth``."""
        out = {"image": self.image(image, mirrored, version), "K": self.K(image, mirrored)}
        if self.judge is not None:
            out["depth"] = self._judge_depth(image)
        return out

    def image(self, image: int, mirrored: bool, version: int) -> torch.Tensor:
        """(3, H, W) float32 in [0, 1]."""
        camera = self.table.intrinsics[image]
        path = self.table.root / self.table.names[image]
        pixels = read_image(path, self.exif_turn)
        camera.check_size(pixels.shape[1], pixels.shape[0], path, "this data set")
        pixels = np.ascontiguousarray(fit_image(pixels, self.size_wh))
        if self.augmentation.photometric is not None and version > 0:
            pixels = augment(pixels, (image, version), self.augmentation.photometric)
        if mirrored:
            pixels = pixels[:, ::-1]
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255.0

    def K(self, image: int, mirrored: bool = False) -> torch.Tensor:
        """(3, 3) float32. Mirrored left to right, a camera looks at a mirrored world (x -> -x)."""
        K = fit_intrinsics(self.table.intrinsics[image], self.size_wh)
        if mirrored:
            K[0, 2] = self.size_wh[0] - 1 - K[0, 2]
        return _tensor(K)

    def _judge_depth(self, image: int) -> torch.Tensor:
        """(H, W) metres. Nearest neighbours: interpolating across an edge would invent depths."""
        assert self.judge is not None
        depth = self.judge.depth_map(self.table.names[image])
        if depth is None:
            raise InputError("The judge of depth must be a dense source, e.g. png:sensor.")
        camera, K = self.table.intrinsics[image], fit_intrinsics(self.table.intrinsics[image], self.size_wh)
        u = (torch.arange(self.size_wh[0]) - K[0, 2]) / K[0, 0] * camera.K[0, 0] + camera.K[0, 2]
        v = (torch.arange(self.size_wh[1]) - K[1, 2]) / K[1, 1] * camera.K[1, 1] + camera.K[1, 2]
        columns = u.round().long().clamp(0, camera.width - 1)
        rows = v.round().long().clamp(0, camera.height - 1)
        return depth[rows][:, columns].float()


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
