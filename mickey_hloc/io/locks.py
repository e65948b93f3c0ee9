"""One writer at a time."""

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from mickey_hloc.errors import BusyError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def file_lock(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` while the block runs. The system drops it when the process ends, however.

    A record lock (lockf) and not flock: a child process that outlives a killed parent does not keep it.

    Args:
        path: the lock file; created where absent, left in place.
        what: what is locked, for the message.

    Raises:
        BusyError: another process holds it.
    """
    with path.open("a") as file:
        if fcntl is not None:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise BusyError(f"Another process is writing {what}; wait for it or stop it.") from error
                logger.warning("%s cannot be locked (%s): do not start a second run that writes it.", what, error)
            if not _is_there(path, file.fileno()):  # its holder removed it in between; another may hold a new one
                raise BusyError(f"Another process has just ended writing {what}; run the same again.")
        yield


def _is_there(path: Path, opened: int) -> bool:
    """Whether the file that was opened still has its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(opened))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def sole_writer(lock: Path, what: str) -> Iterator[None]:
    """``file_lock`` on a file that is removed when the block ends; folders are made, and removed if empty.

    Raises:
        InputError: another process holds it.
    """
    made = [folder for folder in (lock.parent, *lock.parent.parents) if not folder.exists()]
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file_lock(lock, what):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    finally:
        with contextlib.suppress(OSError):  # not empty
            for folder in made:
                folder.rmdir()
