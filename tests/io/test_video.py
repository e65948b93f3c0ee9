"""Frames of a video: sharp ones that show something new."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.io.video import SamplingOptions, is_video, sample_frames


def write_video(path: Path, shifts: list[int], blurred: frozenset[int] = frozenset()) -> Path:
    """A window that moves over a picture by so many pixels a frame."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 255, (60, 200, 3), dtype=np.uint8), (1600, 480), interpolation=cv2.INTER_CUBIC)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (320, 240))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    place = 0
    for number, shift in enumerate(shifts):
        place += shift
        frame = picture[100:340, place : place + 320]
        writer.write(cv2.GaussianBlur(frame, (0, 0), 4) if number in blurred else frame)
    writer.release()
    return path


def test_frames_are_taken_where_the_picture_has_moved(tmp_path: Path) -> None:
    video = write_video(tmp_path / "walk.avi", [0] * 20 + [4] * 80 + [0] * 20)
    names = sample_frames(video, tmp_path / "frames")
    assert is_video(video)
    assert names[0] == "000000.jpg"
    numbers = [int(name.removesuffix(".jpg")) for name in names]
    steps = np.diff(numbers[1:])
    assert 10 <= len(names) <= 25
    assert (steps >= 4).all()  # of 16 px, 5 % of the width
    assert max(numbers) <= 101
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == names


def test_blurred_frames_are_passed_over(tmp_path: Path) -> None:
    blurred = frozenset(range(1, 80, 2))
    names = sample_frames(write_video(tmp_path / "walk.avi", [0] + [4] * 79, blurred), tmp_path / "frames")
    numbers = [int(name.removesuffix(".jpg")) for name in names]
    assert sum(number in blurred for number in numbers) <= 1


def test_no_more_frames_than_asked_for_and_another_run_starts_anew(tmp_path: Path) -> None:
    video = write_video(tmp_path / "walk.avi", [4] * 80)
    sample_frames(video, tmp_path / "frames")
    assert len(sample_frames(video, tmp_path / "frames", SamplingOptions(max_frames=3))) == 3
    assert len(list((tmp_path / "frames").iterdir())) == 3


def test_what_is_no_video_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="cannot be read as a video"):
        sample_frames(tmp_path / "broken.mp4", tmp_path / "frames")
    with pytest.raises(InputError, match="fewer than 2 different views"):
        sample_frames(write_video(tmp_path / "still.avi", [0] * 10), tmp_path / "frames")
    assert not (tmp_path / "frames").exists()
    assert not is_video(tmp_path / "absent.mp4")
    with pytest.raises(InputError):
        SamplingOptions(motion=0)
