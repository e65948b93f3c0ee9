"""Reading matches files in hloc's layout, with or without hloc installed.

A pair's group is named ``name0/name1`` with the slashes inside the names turned into dashes (older files: joined by an
underscore). It may be stored in either order; ``matches0`` has for each keypoint of the first image the index of its
partner, or -1.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.predicted_pose import KEYS, PredictedPose
from mickey_hloc.io.hdf5 import contains, find_group, open_for_reading, read_array, read_attributes, whole_numbers


class MatchFile:
    """A matches file open for reading; use it in a ``with`` block.

    Raises:
        InputError: no such file, or not readable as HDF5.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file = open_for_reading(self.path, "matches file")

    def __enter__(self) -> MatchFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    @property
    def attributes(self) -> dict[str, object]:
        """Texts and numbers that the file says of itself, e.g. how it was made."""
        return dict(read_attributes(self._file))

    def read(self, name0: str, name1: str) -> tuple[np.ndarray, np.ndarray | None]:
        """The matches of a pair.

        Returns:
            (M, 2) int64 keypoint indices of image 0 and image 1, and their scores (M,) float32 where stored.

        Raises:
            InputError: the pair is in the file in neither order, or its group is damaged.
        """
        group, is_reversed = self._find(name0, name1)
        where = f"pair '{name0}' '{name1}' in {self.path}"
        partner = whole_numbers(read_array(group, "matches0", where), f"'matches0' of {where}").ravel()
        stored = None
        if contains(group, "matching_scores0"):
            stored = np.asarray(read_array(group, "matching_scores0", where), dtype=np.float32).ravel()
            if stored.shape != partner.shape:
                raise InputError(
                    f"'matching_scores0' of {where} has {len(stored)} entries for {len(partner)} keypoints."
                )
        matches, scores = matches_of_partners(partner, stored)
        if scores is not None and not (np.isfinite(scores) & (scores >= 0)).all():
            raise InputError(f"'matching_scores0' of {where} has negative scores or NaN; match the pair again.")
        return (matches[:, ::-1].copy() if is_reversed else matches), scores

    def features_checksums(self, name0: str, name1: str) -> tuple[int, int] | None:
        """Checksums of the features that a pair was matched by; None where the file does not say, as hloc's."""
        group, is_reversed = self._find(name0, name1)
        if not contains(group, "features_crc"):
            return None
        where = f"pair '{name0}' '{name1}' in {self.path}"
        stored = whole_numbers(read_array(group, "features_crc", where), f"'features_crc' of {where}").ravel()
        if len(stored) != 2:
            raise InputError(f"'features_crc' of {where} has {len(stored)} numbers, expected one for each image.")
        first, second = stored.tolist()
        return (second, first) if is_reversed else (first, second)

    def predicted_pose(self, name0: str, name1: str) -> PredictedPose | None:
        """The pose cam1_from_cam0 that a network predicted of a pair; None where the file has none.

        Raises:
            InputError: the pair is in the file in neither order, or what it has is no pose.
        """
        group, is_reversed = self._find(name0, name1)
        if not contains(group, KEYS[0]):
            return None
        where = f"pair '{name0}' '{name1}' in {self.path}"
        try:
            found = PredictedPose.from_arrays({key: np.asarray(read_array(group, key, where)) for key in KEYS})
        except ValueError as error:
            raise InputError(f"The predicted pose of {where} cannot be used: {error}.") from error
        return found.inverse() if is_reversed and found is not None else found

    def __contains__(self, pair: tuple[str, str]) -> bool:
        return self._lookup(*pair) is not None

    def _find(self, name0: str, name1: str) -> tuple[h5py.Group, bool]:
        found = self._lookup(name0, name1)
        if found is None:
            raise InputError(f"{self.path} has no matches of the pair '{name0}' '{name1}'.")
        return found

    def _lookup(self, name0: str, name1: str) -> tuple[h5py.Group, bool] | None:
        for separator in ("/", "_"):
            for first, second, is_reversed in ((name0, name1, False), (name1, name0, True)):
                group = find_group(self._file, pair_key(first, second, separator))
                if group is not None and contains(group, "matches0"):
                    return group, is_reversed
        return None


def matches_of_partners(partners: np.ndarray, scores: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Each keypoint's partner or -1 (N0,), and scores (N0,) -> matches (M, 2) int64 and their scores (M,) float32."""
    partners = np.asarray(partners, dtype=np.int64)
    matched = np.flatnonzero(partners >= 0)
    kept = None if scores is None else np.asarray(scores, dtype=np.float32)[matched]
    return np.stack([matched, partners[matched]], axis=-1), kept


def pair_key(name0: str, name1: str, separator: str = "/") -> str:
    """The group's name of a pair in hloc's matches files."""
    return separator.join(name.replace("/", "-") for name in (name0, name1))


def check_distinct(pairs: Iterable[tuple[str, str]]) -> None:
    """Refuse images whose names become one in a matches file, which turns "/" into "-": they would get each other's.

    Raises:
        InputError: two such names; the message has both.
    """
    stored: dict[str, str] = {}
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        other = stored.setdefault(name.replace("/", "-"), name)
        if other != name:
            raise InputError(f"hloc's matches files cannot tell '{other}' from '{name}'; rename one.")
