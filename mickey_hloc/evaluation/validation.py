"""What is wrong with a Map-free submission, said before anybody uploads it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mickey_hloc.datasets.mapfree import REFERENCE, find_scenes, read_scene
from mickey_hloc.datasets.tracks import Track
from mickey_hloc.evaluation.submission import LineError, member_name, member_scene, parse_line, read_members

MAX_NORM_ERROR = 1e-3  # of a quaternion written with six decimals it is below 1e-5


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        kind: one of the keys of ``KINDS``.
        file: the file inside the zip.
        line: its line, from 1; 0 where no single line is meant.
        message: what is wrong and what the benchmark makes of it.
    """

    kind: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.message}"


KINDS = {
    "missing_scene": "a scene has no file",
    "unknown_scene": "a file belongs to no scene",
    "missing_frame": "a scored frame has no pose",
    "unknown_frame": "a line belongs to no query frame",
    "duplicate_frame": "a frame has several lines",
    "fields": "a line has the wrong number of fields",
    "frame_name": "a frame's name cannot be read",
    "number": "a value is no finite number",
    "tensor": "a value is a tensor printed as text",
    "quaternion": "a quaternion is zero or has not length 1",
    "confidence": "a confidence is negative",
}


@dataclass(frozen=True)
class Frames:
    """Which frames a scene has and which of them are scored."""

    known: Collection[str]
    scored: Collection[str]


def expected_frames(
    dataset: Path, split: str, track: Track, scenes: Collection[str] | None = None
) -> dict[str, Frames]:
    """The frames of a split, by scene.

    Raises:
        InputError: the dataset cannot be read.
    """
    found = (read_scene(path) for path in find_scenes(dataset, split, scenes))
    return {scene.name: Frames(frozenset(scene.frames()), tuple(scene.queries(track))) for scene in found}


def validate_submission(path: Path, frames: Mapping[str, Frames] | None = None) -> list[Problem]:
    """All problems of a submission, in the order of its files and lines; none means that it is correct.

    Args:
        path: the zip.
        frames: what is expected, by scene; None = only the lines themselves are checked.

    Raises:
        InputError: the zip cannot be read at all.
    """
    members = read_members(path)
    problems: list[Problem] = []
    for name, lines in members.items():
        scene = member_scene(name)
        if scene is None or (frames is not None and scene not in frames):
            what = (
                "is not pose_<scene>.txt at the top of the zip" if scene is None else "belongs to no scene of the split"
            )
            problems.append(Problem("unknown_scene", name, 0, f"{what}; the benchmark ignores it"))
        else:
            problems.extend(_check_scene(name, lines, None if frames is None else frames[scene]))
    for scene in frames or {}:
        if member_name(scene) not in members:
            message = "is missing; all frames of the scene count as failures, not only the scored ones"
            problems.append(Problem("missing_scene", member_name(scene), 0, message))
    return problems


def _check_scene(name: str, lines: list[str], frames: Frames | None) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            kind, message = "", ""
            parsed = parse_line(line)
            if parsed is not None:
                kind, message = _check_values(parsed[0], parsed[2], seen, frames)
                seen.setdefault(parsed[0], number)
        except LineError as error:
            kind, message = error.kind, f"{error}; the benchmark skips the line"
            if "tensor" in line:
                kind, message = "tensor", "a tensor was printed instead of its value (use .item()); the line is skipped"
        if kind and not line.lstrip().startswith("#"):
            yield Problem(kind, name, number, message)
    for frame in frames.scored if frames else ():
        if frame not in seen:
            yield Problem("missing_frame", name, 0, f"no usable line for {frame}, which counts as a failure")


def _check_values(frame: str, values: list[float], seen: Mapping[str, int], frames: Frames | None) -> tuple[str, str]:
    """Kind and message of the first problem of a line that the benchmark accepts; empty if there is none."""
    norm = math.hypot(*values[:4])
    if frames is not None and frame not in frames.known:
        if frame == REFERENCE:
            return "unknown_frame", f"'{frame}': the reference needs no pose; the line stands for query frame_00000"
        return "unknown_frame", f"'{frame}': the scene has no such query"
    if frame in seen:
        return "duplicate_frame", f"'{frame}' is there already in line {seen[frame]}; the benchmark takes the last line"
    if abs(norm - 1.0) > MAX_NORM_ERROR:
        return "quaternion", f"qw qx qy qz has length {norm:.6g} instead of 1"
    if values[7] < 0:
        return "confidence", f"the confidence {values[7]:g} is negative; the benchmark stops at it"
    return "", ""
