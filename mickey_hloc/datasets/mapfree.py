"""Scenes of the Map-free relocalization dataset, or anything laid out like it.

``<split>/<scene>/{intrinsics.txt,poses.txt,poses_device.txt,overlaps.npz,seq0/,seq1/}``. Poses are cam_from_world in
metres. In val and test the reference ``seq0/frame_00000.jpg`` is the world, and the poses of test are withheld.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.datasets.tracks import Track
from mickey_hloc.errors import InputError
from mickey_hloc.io.intrinsics import Intrinsics, read_intrinsics
from mickey_hloc.io.npz import read_npz
from mickey_hloc.io.poses import read_absolute_poses

REFERENCE = "seq0/frame_00000.jpg"
FRAME = re.compile(r"seq(\d+)/frame_(\d{5})\.\w{3}")


@dataclass(frozen=True, eq=False)
class MapFreeScene:
    """One scene.

    Attributes:
        path: its folder; the folder's name is the scene's name.
        intrinsics: K, width and height by frame, e.g. ``seq1/frame_00005.jpg``.
        poses: cam_from_world by frame, None where withheld (test).
    """

    path: Path
    intrinsics: dict[str, Intrinsics]
    poses: dict[str, pycolmap.Rigid3d | None]

    @property
    def name(self) -> str:
        return self.path.name

    def frames(self, sequence: int = 1) -> list[str]:
        """The frames of a sequence by their number; numbers may be missing."""
        return sorted(frame for frame in self.poses if parse_frame(frame)[0] == sequence)

    def queries(self, track: Track = "single") -> list[str]:
        """The frames a submission is scored on: every 5th, or every 10th from the 10th on, counted without gaps."""
        start, step = {"single": (0, 5), "multi9": (9, 10), "all": (0, 1)}[track]
        return self.frames()[start::step]

    def window(self, query: str, count: int = 9) -> list[str]:
        """The query and the frames before it, at most ``count`` together, in time's order."""
        frames = self.frames()
        end = frames.index(query) + 1
        return frames[max(end - count, 0) : end]

    def device_poses(self) -> dict[str, pycolmap.Rigid3d | None]:
        """The phone's tracking, cam_from_world by frame; in val and test the world is the window's query.

        Raises:
            InputError: the scene has no ``poses_device.txt``, or it is broken.
        """
        path = self.path / "poses_device.txt"
        if not path.is_file():
            raise InputError(f"{path} does not exist; the multi-frame track needs the device's tracking poses.")
        return read_absolute_poses(path)


def parse_frame(frame: str) -> tuple[int, int]:
    """Sequence and number of ``seq1/frame_00005.jpg``.

    Raises:
        InputError: the name has another form.
    """
    match = FRAME.fullmatch(frame)
    if match is None:
        raise InputError(f"'{frame}' is not a frame of a Map-free scene; expected a name like seq1/frame_00005.jpg.")
    return int(match[1]), int(match[2])


def find_scenes(dataset: Path, split: str, names: Iterable[str] | None = None) -> list[Path]:
    """The scene folders of a split, sorted.

    Args:
        dataset: the folder with the splits in it.
        names: only these.

    Raises:
        InputError: no such folder, no scene in it, or a name that is no scene.
    """
    folder = Path(dataset) / split
    if not folder.is_dir():
        raise InputError(
            f"No folder {folder}; name the folder that has '{split}' in it (DATASET or --dataset, or a source's root), "
            "or another split."
        )
    scenes = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    if not scenes:
        raise InputError(f"{folder} has no scenes; unpack the dataset's {split}.zip there.")
    if names is None:
        return list(scenes.values())
    unknown = sorted(set(names) - set(scenes))
    if unknown:
        raise InputError(f"{folder} has no scene {', '.join(unknown)}; it has {', '.join(scenes)}.")
    return [scenes[name] for name in sorted(set(names))]


def read_scene(path: Path) -> MapFreeScene:
    """Read and check one scene's text files.

    Raises:
        InputError: a file is missing or broken, a frame's name has another form, or a frame has no intrinsics.
    """
    intrinsics = read_intrinsics(Path(path) / "intrinsics.txt")
    poses = read_absolute_poses(Path(path) / "poses.txt")
    for frame in poses:
        parse_frame(frame)
        if frame not in intrinsics:
            raise InputError(f"{path}/intrinsics.txt has no line for '{frame}', which {path}/poses.txt has.")
    return MapFreeScene(Path(path), intrinsics, poses)


def read_overlaps(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Which frames of a training scene see the same things.

    Args:
        path: ``overlaps.npz``.

    Returns:
        (M, 4) int64 sequence, frame, sequence, frame, and their overlaps (M,) float32 in [0, 1].

    Raises:
        InputError: no such file, or not these arrays.
    """
    if not path.exists():
        raise InputError(f"No overlap file {path}; only training scenes have one.")
    try:
        indices, overlaps = (read_npz(path, key, "file of overlaps") for key in ("idxs", "overlaps"))
    except InputError as error:
        raise InputError(f"{path} is not a file of overlaps ({error}); it has arrays 'idxs' and 'overlaps'.") from error
    if indices.ndim != 2 or indices.shape[1] != 4 or overlaps.shape != indices.shape[:1]:
        raise InputError(
            f"{path}: 'idxs' is {indices.shape} and 'overlaps' {overlaps.shape}; expected (M, 4) and (M,)."
        )
    return indices.astype(np.int64), overlaps.astype(np.float32)


def frame_path(sequence: int, number: int) -> str:
    """``seq1/frame_00005.jpg`` of (1, 5)."""
    return f"seq{sequence}/frame_{number:05d}.jpg"
