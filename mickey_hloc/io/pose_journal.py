"""Writing poses files so that a ``kill -9`` at any moment loses at most the batch under way.

Finished pairs are appended to ``<poses>.txt.journal``, a batch at a time, each followed by an fsync. A kill in the
middle of a write leaves a last line without its end, which the next run cuts off. At the end the poses file is written
in the order of the pairs file and renamed into place: its bytes do not depend on interruptions. Then the journal is
removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.locks import file_lock
from mickey_hloc.io.origin import ORIGIN_KEY, check_origin, origin_values
from mickey_hloc.io.poses import HEADER, Pair, format_pair, is_comment, read_poses
from mickey_hloc.io.text import read_text

_ORIGIN_PREFIX = f"# {ORIGIN_KEY} "
_INPUT_PREFIX = "# mickey_hloc_input "


def poses_origin(path: Path) -> dict[str, Any]:
    """What a poses file says of its making; empty where it says nothing that can be read.

    Raises:
        InputError: no such file.
    """
    for line in read_text(path, "poses file").splitlines():
        if line.startswith(_ORIGIN_PREFIX):
            return origin_values({ORIGIN_KEY: line.removeprefix(_ORIGIN_PREFIX)})
    return {}


class PoseJournal:
    """A poses file that is being written; use it in a ``with`` block.

    Args:
        path: the poses file.
        origin: one line that says what the poses are made from; a file or journal made otherwise is refused.
        overwrite: throw away what is there.

    Attributes:
        reasons: the pairs that are safely stored, in their order: why each has no pose, or "" where it has one. A pair
            keeps its line and nothing else, so that memory hardly grows with their number.
        finished: the pairs that the poses file has from an earlier, finished run.
        inputs: the checksum of the input of each pair in the journal: it tells whether the input has changed since.
        finished_input: ``combined`` of the pairs of the finished file that had their input.

    Raises:
        InputError: the file was made otherwise or cannot be read, or another process is writing it.
    """

    def __init__(self, path: Path, origin: str, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.origin = origin
        self.overwrite = overwrite
        self.reasons: dict[Pair, str] = {}
        self._lines: dict[Pair, str] = {}  # kept as read: a number that is parsed and written again may change
        self.inputs: dict[Pair, str] = {}
        self.finished_input: str | None = None
        self._journal_path = self.path.with_name(self.path.name + ".journal")
        # A file of its own: closing any handle of a locked file drops the lock.
        self._lock_path = self.path.with_name(f".{self.path.name}.lock")
        self.finished: set[Pair] = set()
        self._stack = ExitStack()

    def __enter__(self) -> PoseJournal:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(file_lock(self._lock_path, str(self.path)))
            stack.callback(self._lock_path.unlink)
            if self.overwrite:
                self.path.unlink(missing_ok=True)
                self._journal_path.unlink(missing_ok=True)
            if self.path.exists():
                self._load(self.path)
                self.finished = set(self.reasons)
            self._cut_off_half_line()
            if self._journal_path.exists():
                self._load(self._journal_path)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def add(self, poses: Mapping[Pair, RelativePose], inputs: Mapping[Pair, str]) -> None:
        """Store a batch for good, with the checksums of what its pairs were made from."""
        lines = [] if self._journal_path.exists() else [HEADER, _ORIGIN_PREFIX + self.origin]
        self._lines.update({pair: format_pair(*pair, pose) for pair, pose in poses.items()})
        for pair in poses:
            lines += [_input_line(pair, inputs[pair]), self._lines[pair]]
        with self._journal_path.open("ab") as file:
            _write_through(file, lines)
        self.reasons.update(_reasons(poses))
        self.inputs.update(inputs)

    def absorb(self, other: PoseJournal) -> None:
        """Store the results of a journal of other pairs."""
        lines = [] if self._journal_path.exists() else [HEADER, _ORIGIN_PREFIX + self.origin]
        for pair, line in other._lines.items():
            lines += [_input_line(pair, other.inputs[pair]), line]
        with self._journal_path.open("ab") as file:
            _write_through(file, lines)
        self._lines.update(other._lines)
        self.reasons.update(other.reasons)
        self.inputs.update(other.inputs)

    def finish(self, pairs: Sequence[Pair], unstored: Mapping[Pair, RelativePose] | None = None) -> None:
        """Write the poses file: these pairs in this order, those in ``unstored`` as they are there."""
        lines = [HEADER, _ORIGIN_PREFIX + self.origin]
        new = {pair: format_pair(*pair, pose) for pair, pose in (unstored or {}).items()}
        lines.append(_INPUT_PREFIX + combined(self.inputs[pair] for pair in pairs if pair not in new))
        lines += [new[pair] if pair in new else self._lines[pair] for pair in pairs]
        temporary = self.path.with_name(f".{self.path.name}.tmp")  # one name: a killed run leaves no second one
        with temporary.open("wb") as file:
            _write_through(file, lines)
        os.replace(temporary, self.path)
        self._journal_path.unlink(missing_ok=True)

    def _cut_off_half_line(self) -> None:
        if not self._journal_path.exists():
            return
        content = self._journal_path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if _ORIGIN_PREFIX.encode() not in whole:  # killed while the header was written
            self._journal_path.unlink()
        elif len(whole) < len(content):
            os.truncate(self._journal_path, len(whole))

    def _load(self, path: Path) -> None:
        poses = read_poses(path)
        lines = [line for line in read_text(path, "poses file").split("\n") if line.strip()]
        comments = [line for line in lines if is_comment(line)]
        origins = [line.removeprefix(_ORIGIN_PREFIX) for line in comments if line.startswith(_ORIGIN_PREFIX)]
        check_origin(origins[0] if origins else None, self.origin, path)
        for line in comments:
            if line.startswith(_INPUT_PREFIX):
                self._load_input(line.removeprefix(_INPUT_PREFIX).split())
        self.reasons.update(_reasons(poses))
        self._lines.update(zip(poses, [line for line in lines if not is_comment(line)], strict=True))

    def _load_input(self, fields: list[str]) -> None:
        """A checksum, of a pair or of a whole file; a damaged one is none, and what it is of counts as changed."""
        if len(fields) == 3:
            self.inputs[fields[0], fields[1]] = fields[2]
        else:
            self.finished_input = " ".join(fields)


def _reasons(poses: Mapping[Pair, RelativePose]) -> dict[Pair, str]:
    return {pair: "" if pose.success else pose.reason or "no reason given" for pair, pose in poses.items()}


def _write_through(file: IO[bytes], lines: Sequence[str]) -> None:
    """Write lines and wait until they are on the disk."""
    file.write(("\n".join(lines) + "\n").encode())
    file.flush()
    os.fsync(file.fileno())


def _input_line(pair: Pair, checksum: str) -> str:
    return f"{_INPUT_PREFIX}{pair[0]} {pair[1]} {checksum}"


def combined(checksums: Iterable[str]) -> str:
    """One checksum of those of several pairs, in their order."""
    return hashlib.sha256(" ".join(checksums).encode()).hexdigest()
