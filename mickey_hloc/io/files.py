"""Files appear whole or not at all."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
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
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.tmp")
    with contextlib.suppress(OSError):  # a folder that cannot be listed may still be written to
        for sibling in list(os.scandir(path.parent)):
            found = pattern.fullmatch(sibling.name)
            if found and not _runs(int(found[1])):
                Path(sibling.path).unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _runs(process: int) -> bool:
    """Whether a process of that number exists."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it exists and is another user's
        return True
    return True
