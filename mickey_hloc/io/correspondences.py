"""Correspondence files of the Map-free benchmark: one npz a scene with a NaN-padded block of x0 y0 x1 y1 per query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mickey_hloc.errors import InputError
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.npz import read_npz
from mickey_hloc.io.poses import read_absolute_poses

REFERENCE = "seq0/frame_00000.jpg"


def write_correspondences(path: Path, blocks: Sequence[np.ndarray]) -> Path:
    """Write ``correspondences`` (P, M, 4) float32, M the largest number of matches, padded with NaN.

    Args:
        blocks: for each pair (m, 4) pixels x0 y0 x1 y1, centre of the top-left pixel = (0, 0); m may be 0.

    Raises:
        ValueError: a block of another shape, or none at all.
    """
    if not blocks or any(block.ndim != 2 or block.shape[1] != 4 for block in blocks):
        raise ValueError("correspondences are one or more arrays of shape (m, 4)")
    padded = np.full((len(blocks), max(1, *(len(block) for block in blocks)), 4), np.nan, dtype=np.float32)
    for row, block in zip(padded, blocks, strict=True):
        row[: len(block)] = block
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:  # a name would get .npz appended
        np.savez_compressed(file, correspondences=padded)
    return Path(path)


def read_correspondences(path: Path) -> list[np.ndarray]:
    """For each pair (m, 4) float32 pixels x0 y0 x1 y1, without the padding.

    Raises:
        InputError: no such file, or not such an array.
    """
    try:
        padded = read_npz(Path(path), "correspondences", "correspondence file")
    except InputError as error:
        if not Path(path).exists():
            raise
        raise InputError(f"{path} is not a correspondence file, an npz with 'correspondences': {error}") from error
    if padded.ndim != 3 or padded.shape[2] != 4 or padded.dtype.kind != "f":
        raise InputError(f"{path}: 'correspondences' is {padded.dtype} of shape {padded.shape}, wanted P x M x 4.")
    return [block[np.isfinite(block).all(axis=1)].astype(np.float32) for block in padded]


def matched_keypoints(features: FeatureFile, matches: MatchFile, name0: str, name1: str) -> np.ndarray:
    """(m, 4) float32 pixels x0 y0 x1 y1 of a pair's matches.

    Raises:
        InputError: an image or the pair is not in its file, or the matches are of other features.
    """
    pairs, _ = matches.read(name0, name1)
    sides = [features.read(name).keypoints for name in (name0, name1)]
    for side, keypoints in enumerate(sides):
        if len(pairs) and not 0 <= pairs[:, side].max() < len(keypoints):
            raise InputError(
                f"{matches.path} and {features.path} do not belong together: the matches of '{name0}' '{name1}' point "
                f"outside the {len(keypoints)} keypoints of an image; match these features again."
            )
    return np.concatenate([sides[0][pairs[:, 0]], sides[1][pairs[:, 1]]], axis=1).astype(np.float32)


def scene_queries(scene: Path) -> list[str]:
    """A Map-free scene's queries in the order of its correspondence file: those of ``poses.txt`` but the reference.

    The benchmark reads the block at the query's place among all queries, also where only every fifth is evaluated.

    Raises:
        InputError: no ``poses.txt``, or no query in it.
    """
    path = scene / "poses.txt"
    queries = [name for name in read_absolute_poses(path) if not name.startswith("seq0/")]
    if not queries:
        raise InputError(f"{path} has no query: no frame outside seq0.")
    return queries


def export_scene(
    scene: Path, prefix: str, features: FeatureFile, matches: MatchFile, method: str, out_dir: Path | None = None
) -> tuple[Path, int]:
    """Write ``correspondences_<method>.npz`` of one Map-free scene; a query without matches in the file gets none.

    Args:
        prefix: what stands before ``seq0/...`` in the names of the features file, "" or ending with a slash.
        out_dir: where to write; default: the scene's folder.

    Returns:
        The file, and how many queries had matches.
    """
    blocks = []
    for query in scene_queries(scene):
        pair = (prefix + REFERENCE, prefix + query)
        blocks.append(matched_keypoints(features, matches, *pair) if pair in matches else np.zeros((0, 4), np.float32))
    path = write_correspondences((out_dir or scene) / f"correspondences_{method}.npz", blocks)
    return path, sum(len(block) > 0 for block in blocks)
