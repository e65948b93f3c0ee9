"""Correspondences of pairs, each with keypoints of its own, as features and matches files in hloc's layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.feature_store import write_image
from mickey_hloc.io.files import temporary_path
from mickey_hloc.io.hdf5 import open_for_reading, read_array, read_attributes
from mickey_hloc.io.hdf5_writing import new_hdf5_file
from mickey_hloc.io.matches import pair_key
from mickey_hloc.io.origin import ORIGIN_KEY, origin_values
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
        found = {pair: _read_pair(file, pair) for pair in stored if pair is not None}
        origin = _content(str(read_attributes(file).get(ORIGIN_KEY)), found)
        if all(_origin_of(path) == origin for path in (features, matches)):
            return features, matches
        images, indices = _unique_keypoints(found)
        sizes = {name: group["sizes"][side] for pair, group in found.items() for side, name in enumerate(pair)}
        with _new_file(features, origin) as out:
            for name in sorted(images):
                write_image(out, name, {**images[name], "image_size": sizes[name]})
        with _new_file(matches, origin) as out:
            for pair, group in sorted(found.items()):
                predicted = PredictedPose.from_arrays(group)
                counts = len(images[pair[0]]["keypoints"]), len(images[pair[1]]["keypoints"])
                scores = np.asarray(group["scores"], dtype=np.float32)
                _write_pair(out, pair, (indices[pair, 0], indices[pair, 1]), scores, counts, predicted)
    return features, matches


def _content(told: str, found: Mapping[Pair, Mapping[str, np.ndarray]]) -> str:
    """A checksum of what the correspondences file says of itself and of its pairs' arrays."""
    digest = hashlib.sha256(told.encode())
    for pair, arrays in sorted(found.items()):
        digest.update(str(pair).encode())
        for key in sorted(arrays):
            digest.update(key.encode() + np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()


def _read_pair(file: h5py.File, pair: Pair) -> dict[str, np.ndarray]:
    group, where = file[pair_key(*pair)], f"pair '{pair[0]}' '{pair[1]}' in {file.filename}"
    return {key: np.asarray(read_array(group, key, where)) for key in group}


def _stored_order(file: h5py.File, pair: Pair) -> Pair | None:
    for candidate in (pair, (pair[1], pair[0])):
        if pair_key(*candidate) in file:
            return candidate
    return None


def _unique_keypoints(
    found: Mapping[Pair, Mapping[str, np.ndarray]],
) -> tuple[dict[str, dict[str, np.ndarray]], dict[tuple[Pair, int], np.ndarray]]:
    """All keypoints of each image, equal ones once, and for each pair and side the indices (M,) of its matches."""
    parts: dict[str, list[tuple[Pair, int, dict[str, np.ndarray]]]] = {}
    for pair, group in found.items():
        for side, name in enumerate(pair):
            points = np.asarray(group[f"keypoints{side}"], dtype=np.float32).reshape(-1, 2)
            arrays: dict[str, np.ndarray] = {"keypoints": points}
            if f"depths{side}" in group:
                arrays["depths"] = np.asarray(group[f"depths{side}"], dtype=np.float32).reshape(len(points))
            parts.setdefault(name, []).append((pair, side, arrays))
    images, indices = {}, {}
    for name, of_image in parts.items():
        stacked = {key: np.concatenate([arrays[key] for _, _, arrays in of_image]) for key in of_image[0][2]}
        found_keypoints = np.unique(stacked["keypoints"], axis=0, return_index=True, return_inverse=True)
        keypoints, first, inverse = found_keypoints
        arrays_of: dict[str, np.ndarray] = {"keypoints": keypoints}
        images[name] = arrays_of
        if "depths" in stacked:
            arrays_of["depths"] = np.asarray(stacked["depths"][first])
        start = 0
        for pair, side, arrays in of_image:
            count = len(arrays["keypoints"])
            indices[pair, side] = inverse.reshape(-1)[start : start + count]
            start += count
    return images, indices


def features_and_matches_of(
    arrays: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The same for one pair in memory: the arrays of both images, and its matches (K, 2) with scores (K,)."""
    pair = ("0", "1")
    images, indices = _unique_keypoints({pair: arrays})
    for side, name in enumerate(pair):
        images[name]["image_size"] = arrays["sizes"][side]
    counts = len(images["0"]["keypoints"]), len(images["1"]["keypoints"])
    matches = one_partner_each((indices[pair, 0], indices[pair, 1]), np.asarray(arrays["scores"]), counts)
    return images["0"], images["1"], matches


def one_partner_each(
    indices: tuple[np.ndarray, np.ndarray], scores: np.ndarray, counts: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Matches of pairs of indices (M,), (M,) with each keypoint of the side with fewer keypoints once: the best stays.

    Args:
        scores: (M,). counts: keypoints of both images.

    Returns:
        (K, 2) int64 and scores (K,) float32.
    """
    first = 0 if counts[0] <= counts[1] else 1
    partners, kept = partners_of(indices, scores, counts, first)
    matched = np.flatnonzero(partners >= 0)
    pairs = np.stack([matched, partners[matched].astype(np.int64)], axis=-1)
    return (pairs[:, ::-1].copy() if first else pairs), kept[matched]


def partners_of(
    indices: tuple[np.ndarray, np.ndarray], scores: np.ndarray, counts: tuple[int, int], first: int
) -> tuple[np.ndarray, np.ndarray]:
    """The partner of each keypoint of side ``first``, or -1, and its score; of several matches the best stays."""
    partners, kept = np.full(counts[first], -1, dtype=np.int32), np.zeros(counts[first], dtype=np.float32)
    order = np.argsort(scores, kind="stable")
    source, target = indices[first][order], indices[1 - first][order]
    partners[source], kept[source] = target, scores[order]
    return partners, kept


def _write_pair(
    out: h5py.File,
    pair: Pair,
    indices: tuple[np.ndarray, np.ndarray],
    scores: np.ndarray,
    counts: tuple[int, int],
    predicted: PredictedPose | None,
) -> None:
    """One pair in hloc's layout, from the side with fewer keypoints: a reference has those of all its queries."""
    first = 0 if counts[0] <= counts[1] else 1
    matches0, scores0 = partners_of(indices, scores, counts, first)
    group = out.create_group(pair_key(pair[first], pair[1 - first]))
    group.create_dataset("matches0", data=matches0)
    group.create_dataset("matching_scores0", data=scores0)
    if predicted is not None:
        for key, value in (predicted if first == 0 else predicted.inverse()).arrays().items():
            group.create_dataset(key, data=value)


def _origin_of(path: Path) -> str | None:
    if not path.is_file():
        return None
    with open_for_reading(path, "file") as file:
        return origin_values(read_attributes(file)).get("correspondences")


@contextmanager
def _new_file(path: Path, origin: str) -> Iterator[h5py.File]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_hdf5_file(path, temporary_path(path)) as (file, _):
        file.attrs[ORIGIN_KEY] = json.dumps({"correspondences": origin})
        yield file
