"""Files appear whole or not at all."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

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
