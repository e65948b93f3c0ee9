"""A scene of 7-Scenes: queries of the test sequences against similar images of the training sequences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mickey_hloc.benchmark.task import PoseTask, pairs_tag
from mickey_hloc.datasets.sevenscenes import INTRINSICS, find_images
from mickey_hloc.errors import InputError
from mickey_hloc.hloc_plugin import register
from mickey_hloc.hloc_plugin.steps import make_pairs
from mickey_hloc.io.images import read_image, read_image_size
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.io.pairs import Pair, read_pairs

THUMBNAILS = "thumbnails"
THUMBNAIL_SIZE = (32, 24)


def sevenscenes_task(
    scene: Path,
    outputs: Path,
    retrieval: str = THUMBNAILS,
    num_references: int = 10,
    every: int = 1,
    hloc: str = "hloc",
    **options: Any,
) -> PoseTask:
    """Pairs of a reference and a query, the most similar references first.

    Args:
        scene: its folder.
        outputs: the folder of everything that is made.
        retrieval: a pairs file "query reference" as hloc publishes them, the conf of a global descriptor in hloc, or
            "thumbnails", which needs neither hloc nor weights, see ``pairs_from_thumbnails``.
        num_references: of each query.
        every: take every N-th query, for a quick look.
        hloc: the hloc that computes global descriptors.
        options: further fields of PoseTask.

    Raises:
        InputError: the folder is no scene, or the pairs file has other images.
    """
    queries, references = find_images(scene, "test")[:: max(every, 1)], find_images(scene, "train")
    retrieved = _retrieve(scene, outputs, retrieval, num_references, queries, references, hloc)
    pairs = _most_similar(retrieved, queries, references, num_references, retrieval)
    cameras = {name: _camera(scene, name) for name in dict.fromkeys(name for pair in pairs for name in pair)}
    return PoseTask(scene, cameras, {scene.name: pairs}, outputs, kind=pairs_tag(pairs), **options)


def _retrieve(
    scene: Path, outputs: Path, how: str, count: int, queries: Sequence[str], references: Sequence[str], hloc: str
) -> list[Pair]:
    if Path(how).is_file():
        return read_pairs(Path(how))
    if how == THUMBNAILS:
        return pairs_from_thumbnails(scene, queries, references, count)
    return read_pairs(make_pairs(register(hloc), how, scene, outputs, queries, references, num_matched=count))


def _most_similar(
    retrieved: Sequence[Pair], queries: Sequence[str], references: Sequence[str], count: int, source: str
) -> list[Pair]:
    """(reference, query), the first ``count`` of each query."""
    by_query: dict[str, list[str]] = {query: [] for query in queries}
    known = set(references)
    for query, reference in retrieved:
        if query in by_query and reference in known:
            by_query[query].append(reference)
    pairs = [(reference, query) for query, found in by_query.items() for reference in found[:count]]
    if not pairs:
        raise InputError(f"{source} pairs no test image with a training image; its lines are 'query reference'.")
    return pairs


def pairs_from_thumbnails(scene: Path, queries: Sequence[str], references: Sequence[str], count: int) -> list[Pair]:
    """The references whose 32 x 24 grey thumbnails correlate most with the query's.

    A plain baseline that finds neighbours in the same room; a learned global descriptor finds better ones.

    Raises:
        InputError: an image cannot be read.
    """
    descriptors = {name: _thumbnail(scene / name) for name in (*queries, *references)}
    similarity = np.stack([descriptors[name] for name in queries]) @ np.stack([descriptors[n] for n in references]).T
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return [(query, references[i]) for query, best in zip(queries, order, strict=True) for i in best]


def _thumbnail(path: Path) -> np.ndarray:
    grey = cv2.cvtColor(read_image(path, "ignore"), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small = small - small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def _camera(scene: Path, name: str) -> Intrinsics:
    """7-Scenes' camera; no calibration is published for other sizes.

    Raises:
        InputError: the image has another size.
    """
    size = read_image_size(scene / name)
    if size != (INTRINSICS.width, INTRINSICS.height):
        raise InputError(
            f"{scene / name} is {size[0]}x{size[1]}; images of 7-Scenes are {INTRINSICS.width}x{INTRINSICS.height}."
        )
    return INTRINSICS
