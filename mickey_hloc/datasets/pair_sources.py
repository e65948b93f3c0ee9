"""Where training and validation pairs come from: a name and options in the configuration give a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.utils.data import Dataset

from mickey_hloc.datasets.fitting import Size
from mickey_hloc.datasets.folder_pairs import FolderSource
from mickey_hloc.datasets.mapfree_pairs import MapFreeSource
from mickey_hloc.datasets.pairs import PairAugmentation, PairDataset
from mickey_hloc.datasets.scannet_pairs import ScanNetSource
from mickey_hloc.datasets.synthetic_pairs import RoomPairs, SyntheticSource
from mickey_hloc.depth import get_depth_source
from mickey_hloc.registry import make_options, unknown_name

PairSource = MapFreeSource | ScanNetSource | FolderSource | SyntheticSource

SOURCES: dict[str, type[PairSource]] = {
    "mapfree": MapFreeSource,
    "scannet": ScanNetSource,
    "folder": FolderSource,
    "synthetic": SyntheticSource,
}


def make_source(values: Mapping[str, Any], where: str) -> PairSource:
    """A source from its configuration, whose ``kind`` names it.

    Raises:
        InputError: no or an unknown kind, or an unknown option.
    """
    values = dict(values)
    kind = values.pop("kind", None)
    if kind not in SOURCES:
        raise unknown_name(f"kind of {where}", str(kind), SOURCES)
    return make_options(SOURCES[kind], values, where=where)


def open_source(
    source: PairSource, size_wh: Size, augmentation: PairAugmentation | None = None
) -> Dataset[dict[str, Any]]:
    """The data set of a source, with items as ``PairDataset`` gives them.

    Args:
        size_wh: (width, height) of all images.
        augmentation: for training; None = the images as they are.
    """
    if isinstance(source, SyntheticSource):
        photometric = augmentation.photometric if augmentation is not None else None
        return RoomPairs(source.size, source.seed, size_wh, source.views, photometric, source.pairs_per_room)
    table = source.table()
    judge = get_depth_source(source.judge, image_dir=table.root) if source.judge else None
    return PairDataset(table, size_wh, augmentation, judge)
