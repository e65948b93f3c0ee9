"""Files appear whole or not at all."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from mickey_hloc.errors import InputError

NO_ROOM = (errno.EFBIG, errno.ENOSPC, errno.EDQUOT)  # of an OSError: the disk is full, or what one may write of it


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends well and is removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that takes its place when the block ends well and is removed when it does not.

    Where a run was killed between taking the old folder away and putting the new one there, the old one comes back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    _bring_back(path, _of_ended_runs(path, "old"))
    temporary.mkdir()
    before = temporary.with_suffix(".old")
    try:
        yield temporary
        if path.exists():
            path.rename(before)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _bring_back(path, [before])


def _bring_back(path: Path, put_aside: Iterable[Path]) -> None:
    """What was put aside: the folder again where nothing took its place, else to be removed."""
    for aside in put_aside:
        if path.exists():
            shutil.rmtree(aside, ignore_errors=True)
        elif aside.exists():
            aside.rename(path)


def check_writable(path: Path, is_file: bool) -> None:
    """Refuse a place where an output cannot be made; nothing is made there.

    Args:
        is_file: whether the output is a file, or a folder with files in it.

    Raises:
        InputError: it is there as something else, or its folder cannot be made or written to.
    """
    try:
        if is_file and path.is_dir():
            raise InputError(f"{path} is a folder; name a file.")
        if not is_file and path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; name a folder.")
        folder = path.parent if is_file else path
        while not folder.exists():
            folder = folder.parent
    except (OSError, ValueError) as error:  # a name that is too long, or has a NUL in it
        raise InputError(f"{path} cannot be written ({error}).") from error
    if not folder.is_dir():
        raise InputError(f"{path} cannot be written: {folder} is a file.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: no permission to write to {folder}.")


def temporary_path(path: Path) -> Path:
    """The name under which this process writes a file until it is whole; those of killed processes are removed."""
    for leftover in _of_ended_runs(path, "tmp"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _of_ended_runs(path: Path, end: str) -> list[Path]:
    """``.<name>.<process>.<end>`` beside a path, of processes that are no more."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.{end}")
    try:
        siblings = list(os.scandir(path.parent))
    except OSError:  # a folder that cannot be listed may still be written to
        return []
    found = [(pattern.fullmatch(sibling.name), Path(sibling.path)) for sibling in siblings]
    return [sibling for match, sibling in found if match and not _runs(int(match[1]))]


def _runs(process: int) -> bool:
    """Whether a process of that number exists."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it exists and is another user's
        return True
    return True
