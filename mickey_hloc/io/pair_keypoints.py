"""Correspondences of pairs, each with keypoints of its own, as features and matches files in hloc's layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mickey_hloc.io.feature_store import FORMAT, write_image
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.hdf5 import open_for_reading, read_array
from mickey_hloc.io.matches import pair_key
from mickey_hloc.io.origin import ORIGIN_KEY
from mickey_hloc.io.pairs import Pair


def as_features_and_matches(
    correspondences: Path, pairs: Sequence[Pair], features: Path, matches: Path
) -> tuple[Path, Path]:
    """Write the pairs' correspondences as a features and a matches file in hloc's layout.

    An image's keypoints are those of all its pairs, equal ones once. Files that were made from the same pairs are left
    alone.

    Raises:
        InputError: ``correspondences`` cannot be read.
    """
    with open_for_reading(correspondences, "correspondences file") as file:
        stored = [_stored_order(file, pair) for pair in pairs]
        found = {pair: file[pair_key(*pair)] for pair in stored if pair is not None}
        origin = hashlib.sha256(f"{file.attrs[ORIGIN_KEY]} {sorted(found)}".encode()).hexdigest()
        if all(_origin_of(path) == origin for path in (features, matches)):
            return features, matches
        keypoints, indices = _unique_keypoints(found)
        sizes = {name: group["sizes"][side] for pair, group in found.items() for side, name in enumerate(pair)}
        with _new_file(features, origin) as out:
            for name in sorted(keypoints):
                write_image(out, name, {"keypoints": keypoints[name], "image_size": sizes[name]})
        with _new_file(matches, origin) as out:
            for pair, group in sorted(found.items()):
                scores = np.asarray(read_array(group, "scores", str(pair)), dtype=np.float32)
                counts = len(keypoints[pair[0]]), len(keypoints[pair[1]])
                _write_pair(out, pair, (indices[pair, 0], indices[pair, 1]), scores, counts)
    return features, matches


def _stored_order(file: h5py.File, pair: Pair) -> Pair | None:
    for candidate in (pair, (pair[1], pair[0])):
        if pair_key(*candidate) in file:
            return candidate
    return None


def _unique_keypoints(
    found: Mapping[Pair, h5py.Group],
) -> tuple[dict[str, np.ndarray], dict[tuple[Pair, int], np.ndarray]]:
    """All keypoints of each image (N, 2), and for each pair and side the indices (M,) of its matches among them."""
    parts: dict[str, list[tuple[Pair, int, np.ndarray]]] = {}
    for pair, group in found.items():
        for side, name in enumerate(pair):
            points = np.asarray(read_array(group, f"keypoints{side}", str(pair)), dtype=np.float32).reshape(-1, 2)
            parts.setdefault(name, []).append((pair, side, points))
    keypoints, indices = {}, {}
    for name, images_parts in parts.items():
        stacked = np.concatenate([points for _, _, points in images_parts])
        keypoints[name], inverse = np.unique(stacked, axis=0, return_inverse=True)
        start = 0
        for pair, side, points in images_parts:
            indices[pair, side] = inverse.reshape(-1)[start : start + len(points)]
            start += len(points)
    return keypoints, indices


def _write_pair(
    out: h5py.File, pair: Pair, indices: tuple[np.ndarray, np.ndarray], scores: np.ndarray, counts: tuple[int, int]
) -> None:
    """One pair in hloc's layout, from the side with fewer keypoints: a reference has those of all its queries."""
    first = 0 if counts[0] <= counts[1] else 1
    matches0, scores0 = np.full(counts[first], -1, dtype=np.int32), np.zeros(counts[first], dtype=np.float32)
    order = np.argsort(scores, kind="stable")  # of several matches of a keypoint the best stays
    source, target = indices[first][order], indices[1 - first][order]
    matches0[source], scores0[source] = target, scores[order]
    group = out.create_group(pair_key(pair[first], pair[1 - first]))
    group.create_dataset("matches0", data=matches0)
    group.create_dataset("matching_scores0", data=scores0)


def _origin_of(path: Path) -> str | None:
    if not path.is_file():
        return None
    with open_for_reading(path, "file") as file:
        told = file.attrs.get(ORIGIN_KEY)
        return json.loads(told).get("correspondences") if isinstance(told, str) else None


@contextmanager
def _new_file(path: Path, origin: str) -> Iterator[h5py.File]:
    with atomic_path(path) as temporary, h5py.File(str(temporary), "w", libver=FORMAT) as file:
        file.attrs[ORIGIN_KEY] = json.dumps({"correspondences": origin})
        yield file
