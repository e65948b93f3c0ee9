"""Map-free submissions: a zip of ``pose_<scene>.txt``, lines ``frame_path qw qx qy qz tx ty tz confidence``.

Poses are cam_from_world of the query, the world being the reference camera, in metres. The benchmark reads such files
leniently: it skips a line it cannot use and goes by the frame's number only. ``read_submission`` does the same.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.npz import ZIP_DAMAGE
from mickey_hloc.io.poses import format_numbers, rigid3d_from_wxyz, wxyz_from_rigid3d

MAX_MEMBER_BYTES = 64 << 20  # a scene has some 600 lines of 100 bytes
MAX_TOTAL_BYTES = 256 << 20  # the test split has 130 scenes
MAX_MEMBERS = 10_000


@dataclass(frozen=True, eq=False)
class Estimate:
    """A pose with its confidence (>= 0, higher is better)."""

    cam_from_world: pycolmap.Rigid3d
    confidence: float


class LineError(ValueError):
    """Why the benchmark skips a line; ``kind`` names the problem in one word."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def member_name(scene: str) -> str:
    """``pose_s00460.txt`` of ``s00460``."""
    return f"pose_{scene}.txt"


def member_scene(name: str) -> str | None:
    """``s00460`` of ``pose_s00460.txt``; None if the name has another form or a folder."""
    is_member = name.startswith("pose_") and name.endswith(".txt") and "/" not in name and "\\" not in name
    return name[len("pose_") : -len(".txt")] if is_member else None


def is_macos_file(name: str) -> bool:
    """Whether macOS has put this file into the archive: ``.DS_Store``, ``__MACOSX/...``, ``._pose_s00460.txt``."""
    *folders, file = name.split("/")
    return "__MACOSX" in folders or file == ".DS_Store" or file.startswith("._")


def parse_line(line: str) -> tuple[str, int, list[float]] | None:
    """A line as the benchmark reads it.

    Returns:
        The frame's path, its number and the eight numbers; None for a comment.

    Raises:
        LineError: the benchmark skips the line.
    """
    fields = line.strip().split(" ")
    if len(fields) != 9:
        raise LineError("fields", f"expected 9 fields with one space between them, got {len(fields)}")
    name = fields[0]
    if "#" in name:
        return None
    try:
        number = int(name[-9:-4])
    except ValueError:
        raise LineError("frame_name", f"'{name}' does not end like frame_00000.jpg") from None
    try:
        values = [float(field) for field in fields[1:]]
    except ValueError as error:
        raise LineError("number", str(error)) from None
    if not all(map(math.isfinite, values)):
        raise LineError("number", "a number is nan or infinite")
    if math.hypot(*values[:4]) <= 1e-8:
        raise LineError("quaternion", "the quaternion is zero")
    return name, number, values


def read_members(path: Path) -> dict[str, list[str]]:
    """The lines of every file of a zip, by name. Nothing is unpacked to the disk.

    Files that are no pose files by their name, which the benchmark ignores, have no lines; those that macOS adds to
    every archive are left out.

    Raises:
        InputError: no such file, no zip, damaged, encrypted, far too large, or not UTF-8.
    """
    members: dict[str, list[str]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [e for e in archive.infolist() if not e.is_dir() and not is_macos_file(e.filename)]
            if len(entries) > MAX_MEMBERS:
                raise InputError(f"{path} has {len(entries)} files, which is no submission.")
            room = MAX_TOTAL_BYTES
            for entry in entries:
                if member_scene(entry.filename) is None:
                    members[entry.filename] = []
                    continue
                content = _unpacked(archive, entry, path, min(room, MAX_MEMBER_BYTES))
                room -= len(content)
                # the benchmark's line ends: \n, \r\n and \r, nothing else
                members[entry.filename] = io.StringIO(_text(content, entry, path), newline=None).readlines()
    except FileNotFoundError:
        raise InputError(f"No submission {path}.") from None
    except InputError:
        raise
    except ZIP_DAMAGE as error:
        raise InputError(f"{path} is not a readable zip file ({error}); make it anew.") from error
    return members


def _text(content: bytes, entry: zipfile.ZipInfo, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {_name(entry)} is not UTF-8 text ({error}); the benchmark refuses it.") from error


def _name(entry: zipfile.ZipInfo) -> str:
    """The name of a file in the zip, in one line."""
    return repr(entry.filename)[1:-1]


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, limit: int) -> bytes:
    """A file of the zip, read piece by piece: what it unpacks to is not known before, whatever the zip says.

    Raises:
        InputError: it unpacks to more than ``limit`` bytes.
    """
    pieces, size = [], 0
    with archive.open(entry) as file:
        while piece := file.read(1 << 20):
            size += len(piece)
            if size > limit:
                raise InputError(f"{path}: {_name(entry)} unpacks to more than {limit} bytes: no pose file.")
            pieces.append(piece)
    return b"".join(pieces)


def read_submission(path: Path) -> dict[str, dict[int, Estimate]]:
    """The estimates as the benchmark takes them: by scene and frame number, the last line of a frame counts.

    Raises:
        InputError: see ``read_members``.
    """
    submission: dict[str, dict[int, Estimate]] = {}
    for name, lines in read_members(path).items():
        scene = member_scene(name)
        if scene is None:
            continue
        estimates = submission.setdefault(scene, {})
        for line in lines:
            try:
                parsed = parse_line(line)
            except LineError:  # validate_submission tells the user
                continue
            if parsed is not None:
                _, number, values = parsed
                estimates[number] = Estimate(rigid3d_from_wxyz(values[:7]), values[7])
    return submission


def write_submission(path: Path, scenes: Mapping[str, Mapping[str, Estimate]]) -> Path:
    """Write a submission; the same estimates give the same bytes.

    Args:
        scenes: by scene and frame path (``seq1/frame_00005.jpg``). Frames without a pose are simply not in it.

    Raises:
        InputError: a number is not finite or a confidence is negative, which the benchmark refuses.
    """
    with atomic_path(Path(path)) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for scene, estimates in sorted(scenes.items()):
            lines = [_format_line(scene, frame, estimate) for frame, estimate in sorted(estimates.items())]
            entry = zipfile.ZipInfo(member_name(scene), date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, "".join(lines))
    return Path(path)


def _format_line(scene: str, frame: str, estimate: Estimate) -> str:
    values = wxyz_from_rigid3d(estimate.cam_from_world)
    if not all(map(math.isfinite, [*values, estimate.confidence])) or estimate.confidence < 0:
        raise InputError(
            f"The estimate of {scene}/{frame} is not finite or has a negative confidence; leave a failed frame out."
        )
    # confidences may be tiny and are only ranked
    return f"{frame} {' '.join(f'{value:.9f}' for value in values)} {format_numbers([estimate.confidence])}\n"
