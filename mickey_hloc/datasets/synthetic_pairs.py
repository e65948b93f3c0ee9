"""Pairs of procedural rooms, as a source of training pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mickey_hloc.datasets.fitting import Size
from mickey_hloc.datasets.pair_sources import PairSource
from mickey_hloc.datasets.pairs import Draw, PairAugmentation
from mickey_hloc.datasets.synthetic import SyntheticRooms
from mickey_hloc.rooms.cameras import PairOptions


class RoomPairs(SyntheticRooms):
    """``SyntheticRooms`` whose items can be asked for as samplers do."""

    def __getitem__(self, item: int | Draw) -> dict[str, Any]:
        draw = item if isinstance(item, Draw) else Draw(item, None)
        return {**super().__getitem__(draw.pair), "draw": draw.seed or 0}


@dataclass(frozen=True)
class SyntheticSource(PairSource):
    """Procedural rooms, see ``SyntheticRooms``.

    Attributes:
        size: number of pairs. seed: which rooms. pairs_per_room: see there.
        views: options of how cameras are drawn.
    """

    size: int = 1_000_000
    seed: int = 0
    pairs_per_room: int = 1
    views: PairOptions = field(default_factory=PairOptions)

    def _open(self, size_wh: Size, augmentation: PairAugmentation | None) -> RoomPairs:
        photometric = augmentation.photometric if augmentation is not None else None
        return RoomPairs(self.size, self.seed, size_wh, self.views, photometric, self.pairs_per_room)
