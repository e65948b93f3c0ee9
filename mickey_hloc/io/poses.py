"""Poses as text, in the formats of the field; conventions change here and nowhere else.

- ``poses-<conf>.txt``: ``name0 name1 qw qx qy qz tx ty tz score confidence`` of cam1_from_cam0, metres; a failed
  pair is the comment ``# failed name0 name1: reason`` and never a pose. A refused estimate stands behind the reason:
  ``[estimate qw qx qy qz tx ty tz score confidence]``; ``with_estimates`` takes these as poses. ``[estimate none]``
  ends a reason that has these words itself.
- One pose an image, as hloc's results and Map-free's ``poses.txt``: ``name qw qx qy qz tx ty tz`` of cam_from_world.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.text import is_utf8, parse_numbers, read_rows, read_text, shown

Pair = tuple[str, str]
FAILED = "# failed "
ESTIMATE = " [estimate "  # in the comment of a failed pair: the refused pose, as in a line
NO_ESTIMATE = f"{ESTIMATE}none]"
_FAILURE = re.compile(r"#\s*failed\s+(\S+)\s+(\S+):(?:\s+(.*))?")
_REFUSED = re.compile(r"(.*)\[estimate ([^\[\]]*)\]")  # the last brackets of the line
HEADER = "# name0 name1 qw qx qy qz tx ty tz score confidence (cam1_from_cam0, metres)"
UNIT = 1e-14  # a quaternion whose norm is off by less is normalised
MAX_NORM_ERROR = 1e-2  # of a quaternion: beyond rounding, something else was meant


def rigid3d_from_wxyz(values: Iterable[float]) -> pycolmap.Rigid3d:
    """A pose from seven numbers qw qx qy qz tx ty tz; the quaternion is normalised (pycolmap stores x, y, z, w).

    One that is normalised already stays as it is, so that writing and reading again changes no digit.
    """
    qw, qx, qy, qz, *t = values
    q = np.array([qx, qy, qz, qw], dtype=np.float64)
    norm = np.linalg.norm(q)
    return pycolmap.Rigid3d(pycolmap.Rotation3d(q if abs(norm - 1) < UNIT else q / norm), np.array(t, dtype=np.float64))


def rigid3d_from_matrix(T: np.ndarray, where: str) -> pycolmap.Rigid3d:
    """A pose from a (4, 4) matrix; its rotation part is made orthonormal.

    Args:
        where: file and line, for the message.

    Raises:
        InputError: it is no rigid motion beyond rounding.
    """
    R = T[:3, :3]
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-2) or np.linalg.det(R) < 0 or not np.allclose(T[3], [0, 0, 0, 1]):
        raise InputError(f"{where}: the 16 numbers are no rigid motion (rotation, translation, 0 0 0 1).")
    U, _, Vt = np.linalg.svd(R)
    return pycolmap.Rigid3d(pycolmap.Rotation3d(U @ Vt), np.array(T[:3, 3]))


def wxyz_from_rigid3d(pose: pycolmap.Rigid3d) -> np.ndarray:
    """Seven numbers qw qx qy qz tx ty tz with qw >= 0."""
    x, y, z, w = np.asarray(pose.rotation.quat) * (-1.0 if pose.rotation.quat[3] < 0 else 1.0)
    return np.array([w, x, y, z, *pose.translation])


def format_numbers(values: Iterable[float]) -> str:
    """Numbers that are read back bit for bit; minus zero is written as zero."""
    return " ".join(repr(float(value) + 0.0) for value in values)


def format_pair(name0: str, name1: str, pose: RelativePose) -> str:
    """One line of a poses file, without its end.

    Raises:
        InputError: a name has white space, or a successful pose has a number that is not finite.
    """
    _check_names(name0, name1)
    if not pose.success:
        reason = one_line(pose.reason) or "no reason given"
        refused = [*wxyz_from_rigid3d(pose.estimate), pose.score, pose.confidence]
        none = NO_ESTIMATE if ESTIMATE.strip() in reason else ""
        estimate = f"{ESTIMATE}{format_numbers(refused)}]" if np.isfinite(refused).all() else none
        return f"{FAILED}{name0} {name1}: {reason}{estimate}"
    values = np.array([*wxyz_from_rigid3d(pose.cam1_from_cam0), pose.score, pose.confidence])
    if not np.isfinite(values).all():
        raise InputError(
            f"The pose of the pair '{name0}' '{name1}' has numbers that are not finite; mark it as failed."
        )
    return f"{name0} {name1} {format_numbers(values)}"


def write_poses(path: Path, poses: Mapping[Pair, RelativePose]) -> Path:
    """Write a poses file, whole or not at all, in the mapping's order.

    Raises:
        InputError: see ``format_pair``.
    """
    lines = [HEADER, *(format_pair(name0, name1, pose) for (name0, name1), pose in poses.items())]
    with atomic_path(Path(path)) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Path(path)


def read_poses(path: Path) -> dict[Pair, RelativePose]:
    """All pairs of a poses file in its order, the failed ones as failures with their reason.

    Raises:
        InputError: no such file, or a line that is no pose: wrong count, no number, no unit quaternion, a pair twice.
    """
    poses: dict[Pair, RelativePose] = {}
    for number, line in enumerate(read_text(path, "poses file").split("\n"), start=1):
        where = f"{path}, line {number}"
        if is_failure(line):
            pair, pose = _parse_failure(line.strip(), where)
        elif not line.strip() or is_comment(line):
            continue
        else:
            pair, pose = _parse_pair(line.split(), where)
        if pair in poses:
            raise InputError(f"{where}: the pair '{pair[0]}' '{pair[1]}' is there twice; remove one of the lines.")
        poses[pair] = pose
    return poses


def read_all_poses(files: Mapping[str, Path]) -> dict[Pair, RelativePose]:
    """The pairs of several poses files, e.g. one a scene. Raises: see ``read_poses``."""
    return {pair: pose for file in files.values() for pair, pose in read_poses(file).items()}


def is_comment(line: str) -> bool:
    """Whether a line of a poses file says nothing of a pair: a failed one's begins like a comment and is none."""
    return line.lstrip().startswith("#") and not is_failure(line)


def with_estimates(poses: Mapping[Pair, RelativePose]) -> dict[Pair, RelativePose]:
    """The same pairs with refused estimates as poses, for benchmarks that rank all estimates by their confidence."""
    return {
        pair: replace(pose, success=True, cam1_from_cam0=pose.estimate, reason="")
        if not pose.success and pose.has_estimate
        else pose
        for pair, pose in poses.items()
    }


def is_failure(line: str) -> bool:
    """Whether a line is the comment of a failed pair, also where somebody has indented it."""
    return line.lstrip().startswith(FAILED)


def one_line(text: str) -> str:
    """A text as it can stand in a line of a file: single spaces, no control characters, what is no UTF-8 spelt out."""
    return shown(" ".join(text.replace("\0", " ").split()))


def _parse_failure(line: str, where: str) -> tuple[Pair, RelativePose]:
    found = _FAILURE.fullmatch(line)
    if found is None:
        raise InputError(f"{where}: expected '{FAILED}name0 name1: reason'.")
    name0, name1, reason = found[1], found[2], (found[3] or "").strip()
    failure = RelativePose.failure(reason)
    refused = _REFUSED.fullmatch(reason)
    if refused is None:
        return (name0, name1), failure
    failure = replace(failure, reason=refused[1].strip())
    if refused[2] != "none":
        pose = _parse_pair([name0, name1, *refused[2].split()], where)[1]
        failure = replace(failure, estimate=pose.cam1_from_cam0, score=pose.score, confidence=pose.confidence)
    return (name0, name1), failure


def _parse_pair(fields: list[str], where: str) -> tuple[Pair, RelativePose]:
    if len(fields) != 11:
        raise InputError(
            f"{where}: expected 'name0 name1 qw qx qy qz tx ty tz score confidence' (11 fields), got {len(fields)}."
        )
    *values, score, confidence = parse_numbers(fields[2:], where)
    _check_quaternion(values[:4], where)
    pose = rigid3d_from_wxyz(values)
    return (fields[0], fields[1]), RelativePose(True, pose, score=score, confidence=confidence)


def read_absolute_poses(path: Path) -> dict[str, pycolmap.Rigid3d | None]:
    """One cam_from_world an image, as hloc's results and Map-free's ``poses.txt`` have it, in the file's order.

    Returns:
        By image name; None where all seven numbers are 0, which is Map-free's way to withhold a pose.

    Raises:
        InputError: no such file, or a line that is no pose: wrong count, no number, no unit quaternion, a name twice.
    """
    poses: dict[str, pycolmap.Rigid3d | None] = {}
    for number, fields in read_rows(path, "poses file"):
        where = f"{path}, line {number}"
        if len(fields) != 8:
            raise InputError(f"{where}: expected 'name qw qx qy qz tx ty tz' (8 fields), got {len(fields)}.")
        if fields[0] in poses:
            raise InputError(f"{where}: '{fields[0]}' is there twice; remove one of the lines.")
        values = parse_numbers(fields[1:], where)
        if any(values):
            _check_quaternion(values[:4], where)
            poses[fields[0]] = rigid3d_from_wxyz(values)
        else:
            poses[fields[0]] = None
    return poses


def write_absolute_poses(path: Path, poses: Mapping[str, pycolmap.Rigid3d]) -> Path:
    """Write cam_from_world by image name as hloc's results: ``name qw qx qy qz tx ty tz``.

    Raises:
        InputError: a name has white space, or a number is not finite.
    """
    lines = []
    for name, pose in poses.items():
        _check_names(name)
        values = wxyz_from_rigid3d(pose)
        if not np.isfinite(values).all():
            raise InputError(f"The pose of '{name}' has numbers that are not finite; leave the image out.")
        lines.append(f"{name} {format_numbers(values)}\n")
    with atomic_path(Path(path)) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    return Path(path)


def _check_names(*names: str) -> None:
    for name in names:
        if name.split() != [name] or name.startswith(("#", "\ufeff")) or "\0" in name or not is_utf8(name):
            raise InputError(
                f"Image name '{shown(name)}' is empty, has white space, starts with # or is no UTF-8; rename the image."
            )


def _check_quaternion(quaternion: Iterable[float], where: str) -> None:
    norm = float(np.linalg.norm(list(quaternion)))
    if abs(norm - 1.0) > MAX_NORM_ERROR:
        raise InputError(f"{where}: the quaternion qw qx qy qz has norm {norm:.6g} instead of 1.")
