"""One writer at a time."""

import contextlib
import errno
import logging
from collections.abc import Iterator
from pathlib import Path

from mickey_hloc.errors import InputError

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
        InputError: another process holds it.
    """
    with path.open("a") as file:
        if fcntl is not None:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise InputError(f"Another process is writing {what}; wait for it or stop it.") from error
                logger.warning("%s cannot be locked (%s): do not start a second run that writes it.", what, error)
        yield
