"""A video as images: frames that are sharp and show something new, as many as are needed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mickey_hloc.errors import InputError

WIDTH = 320  # of the small frames that are compared, px
SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")


@dataclass(frozen=True)
class SamplingOptions:
    """Which frames are taken.

    Attributes:
        motion: share of the frame's width that the picture has to move (median over its corners) from one frame that
            is taken to the next.
        slack: the sharpest frame is taken among those that moved up to this many times as far.
        max_frames: no more.
    """

    motion: float = 0.05
    slack: float = 1.6
    max_frames: int = 500

    def __post_init__(self) -> None:
        if not (0 < self.motion < 1 and self.slack >= 1 and self.max_frames >= 2):
            raise InputError("A video's motion must be in (0, 1), the slack at least 1, and max_frames at least 2.")


def is_video(path: Path) -> bool:
    """Whether the path is a file with the ending of a video."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def sample_frames(video: Path, folder: Path, options: SamplingOptions | None = None) -> list[str]:
    """Write frames of a video as ``000123.jpg``, the number of the frame; an existing folder is made anew.

    Returns:
        The names of the frames.

    Raises:
        InputError: no video that OpenCV can read, or fewer than 2 frames show something new.
    """
    chosen = options or SamplingOptions()
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        names = []
        for number, frame in _choose(video, chosen):
            names.append(f"{number:06d}.jpg")
            (temporary / names[-1]).write_bytes(
                cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            )
            if len(names) == chosen.max_frames:
                break
        if len(names) < 2:
            raise InputError(f"{video} shows fewer than 2 different views; film a walk around what is to be modelled.")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return names


def _choose(video: Path, options: SamplingOptions) -> Iterator[tuple[int, np.ndarray]]:
    """Numbers and pictures of the frames to take."""
    motion: _Motion | None = None
    best: _Candidate | None = None
    for number, frame in _frames(video):
        small = _small(frame)
        if motion is None:
            motion = _Motion(small)
            yield number, frame
            continue
        moved = motion.follow(small)
        if best is not None and moved > options.slack * options.motion:
            yield best.number, best.frame
            motion, best = best.motion, None
            moved = motion.follow(small)
        if best is not None:
            best.motion.follow(small)
        if moved >= options.motion:
            sharpness = float(cv2.Laplacian(small, cv2.CV_64F).var())
            if best is None or sharpness > best.sharpness:
                best = _Candidate(sharpness, number, frame, _Motion(small))
    if best is not None:
        yield best.number, best.frame


def _frames(video: Path) -> Iterator[tuple[int, np.ndarray]]:
    capture = cv2.VideoCapture(str(video))
    try:
        if not capture.isOpened():
            raise InputError(f"{video} cannot be read as a video by OpenCV; convert it to H.264 in an mp4 file.")
        number = 0
        while True:
            there, frame = capture.read()
            if not there:
                break
            yield number, frame
            number += 1
    finally:
        capture.release()


def _small(frame: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    height = max(1, round(WIDTH * grey.shape[0] / grey.shape[1]))
    return np.asarray(cv2.resize(grey, (WIDTH, height), interpolation=cv2.INTER_AREA))


class _Motion:
    """How far the picture has moved since a frame, followed from frame to frame."""

    def __init__(self, small: np.ndarray) -> None:
        corners = cv2.goodFeaturesToTrack(small, 200, 0.01, 7)
        self.start = np.zeros((0, 1, 2), np.float32) if corners is None else np.asarray(corners, np.float32)
        self.place, self.before, self.count = self.start.copy(), small, len(self.start)

    def follow(self, small: np.ndarray) -> float:
        """Median motion of the corners, as a share of the width; 1 where they are lost: that is another view."""
        if self.count < 8:  # a picture without structure
            return 0.0
        if len(self.place):
            moved, found, _ = cv2.calcOpticalFlowPyrLK(
                self.before, small, self.place, np.empty(0), winSize=(21, 21), maxLevel=3
            )
            kept = np.asarray(found).ravel() == 1
            self.start, self.place, self.before = self.start[kept], np.asarray(moved, np.float32)[kept], small
        if len(self.place) < 0.3 * self.count:
            return 1.0
        return float(np.median(np.linalg.norm((self.place - self.start)[:, 0], axis=1))) / WIDTH


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A frame that may be taken, and the motion since it."""

    sharpness: float
    number: int
    frame: np.ndarray
    motion: _Motion
