"""ScanNet-1500, or any list of posed pairs in SuperGlue's format: the pairs as a task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mickey_hloc.benchmark.task import PoseTask, pairs_tag
from mickey_hloc.datasets.scannet import PosedPair, image_size, intrinsics_on_disk
from mickey_hloc.errors import InputError
from mickey_hloc.io.intrinsics import Intrinsics

PART = "pairs"


def choose_scenes(pairs: Sequence[PosedPair], scenes: Iterable[str] | None) -> list[PosedPair]:
    """The pairs with a folder of one of these names in the path of their first image; all where None.

    Raises:
        InputError: there are none.
    """
    if scenes is None:
        return list(pairs)
    wanted = set(scenes)
    chosen = [pair for pair in pairs if wanted & set(PurePosixPath(pair.name0).parts)]
    if not chosen:
        raise InputError(f"No pair is of {', '.join(sorted(wanted))}; names are like '{pairs[0].name0}'.")
    return chosen


def scannet_task(
    pairs: Sequence[PosedPair], images: Path, outputs: Path, listed_size: tuple[int, int] | None = None, **options: Any
) -> PoseTask:
    """The pairs with the intrinsics of the images as they are on the disk.

    Args:
        pairs: the list.
        images: the folder that its names are relative to.
        listed_size: (width, height) that its intrinsics are for; default: found out, see ``intrinsics_on_disk``.
        options: further fields of PoseTask.

    Raises:
        InputError: an image is missing, or the list has two cameras for one image.
    """
    cameras: dict[str, Intrinsics] = {}
    for pair in pairs:
        for name, K in ((pair.name0, pair.K0), (pair.name1, pair.K1)):
            camera = intrinsics_on_disk(K, image_size(Path(images) / name), pair.where, listed_size)
            known = cameras.setdefault(name, camera)
            if not np.allclose(known.K, camera.K):
                raise InputError(f"{pair.where}: image '{name}' has other intrinsics in an earlier line.")
    names = [(pair.name0, pair.name1) for pair in pairs]
    return PoseTask(Path(images), cameras, {PART: names}, Path(outputs), kind=pairs_tag(names), **options)
