"""Pairs of views of procedural rooms as an endless data set of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mickey_hloc.errors import InputError
from mickey_hloc.rooms.augment import AugmentOptions, augment
from mickey_hloc.rooms.cameras import PairOptions
from mickey_hloc.rooms.layout import RoomError, make_room
from mickey_hloc.rooms.pairs import RenderedPair, sample_pair
from mickey_hloc.rooms.scene import Room


class SyntheticRooms(Dataset[dict[str, Any]]):
    """Pairs of views of procedural rooms, made when asked for.

    Item i depends on ``seed`` and i alone, whichever worker makes it; other seeds give other rooms, so that training
    and validation never share one. ``size`` may be astronomically large: with a sequential sampler the source is
    endless in effect, and a run resumes by starting at the next index.

    An item holds ``image0``, ``image1`` (3, H, W) float32 in [0, 1]; ``K0``, ``K1`` (3, 3) float32; the true pose
    ``R`` (3, 3), ``t`` (3,) float32 of cam1_from_cam0 in metres; ``depth0``, ``depth1`` (H, W) float32 metres, for
    judging; ``overlap`` (2,) float32, the share of each view that the other sees; ``index``.
    """

    def __init__(
        self,
        size: int,
        seed: int = 0,
        size_wh: tuple[int, int] = (320, 240),
        options: PairOptions | None = None,
        augmentation: AugmentOptions | None = None,
        pairs_per_room: int = 1,
    ) -> None:
        """Describe the data set.

        Args:
            size: number of pairs.
            seed: which rooms.
            size_wh: (width, height) of the images.
            options: how cameras are drawn.
            augmentation: photometric augmentation, drawn for each image; None = clean images.
            pairs_per_room: this many items in a row share a room, which saves furnishing and lighting it each time.

        Raises:
            ValueError: a size below 1 or a negative seed.
        """
        if size < 1 or seed < 0 or pairs_per_room < 1 or min(size_wh) < 1:
            raise ValueError("size, pairs_per_room and the image size must be at least 1 and the seed at least 0")
        self.size, self.seed, self.size_wh = size, seed, size_wh
        self.options, self.augmentation = options or PairOptions(), augmentation
        self.pairs_per_room = pairs_per_room
        self._kept: tuple[int, Room] | None = None

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"index {index} of {self.size} pairs")
        pair = self.pair(index)
        item: dict[str, Any] = {"index": index, "overlap": torch.tensor([pair.overlap0, pair.overlap1])}
        for side, view in enumerate((pair.view0, pair.view1)):
            image = view.image
            if self.augmentation is not None:
                image = augment(image, (self.seed, index, side), self.augmentation)
            item[f"image{side}"] = torch.from_numpy(image).permute(2, 0, 1).float() / 255.0
            item[f"K{side}"] = torch.from_numpy(view.K).float()
            item[f"depth{side}"] = torch.from_numpy(view.depth)
        item["R"] = _tensor(pair.cam1_from_cam0.rotation.matrix())
        item["t"] = _tensor(pair.cam1_from_cam0.translation)
        return item

    def pair(self, index: int) -> RenderedPair:
        """The pair of an item, without augmentation.

        Raises:
            InputError: no pair meets the options.
        """
        seed = self._draw(index, 0)
        if self.pairs_per_room > 1:
            try:
                return sample_pair(seed, self.size_wh, self.options, self._room(index // self.pairs_per_room))
            except RoomError:
                pass  # this room is too small or too full for the options: the item gets a room of its own
        try:
            return sample_pair(seed, self.size_wh, self.options)
        except RoomError as error:
            raise InputError(str(error)) from error

    def _draw(self, index: int, purpose: int) -> int:
        return int(np.random.default_rng([self.seed, index, purpose]).integers(1 << 62))

    def _room(self, number: int) -> Room:
        if self._kept is None or self._kept[0] != number:
            self._kept = (number, make_room(self._draw(number, 1)))
        return self._kept[1]


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
