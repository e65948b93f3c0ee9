"""One file over HTTP: resumed after a broken connection, held to one version of the file, renamed when whole."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.http_transfer import DownloadOptions, Transfer

__all__ = ["DownloadOptions", "disk_errors", "download", "locked"]


def download(
    url: str,
    target: Path,
    *,
    check: Callable[[Path], None] | None = None,
    options: DownloadOptions = DownloadOptions(),  # noqa: B008 (frozen)
    progress: bool = True,
) -> Path:
    """Bring a file here, unless it is. Several processes may ask for the same file: one works, the others wait.

    Args:
        url: http or https.
        target: where the file goes; it appears there whole or not at all.
        check: called with the finished file before it gets its name; raises WeightsError to refuse it.
        options: timeouts and limits.
        progress: show a bar on stderr.

    Returns:
        ``target``.

    Raises:
        WeightsError: the server has no such file or cannot be reached, the disk is full or may not be written.
    """
    if not url.startswith(("http://", "https://")):
        raise WeightsError(f"Cannot download {url}: the address must begin with https:// or http://.")
    transfer = Transfer(url, target, options)
    with disk_errors(target), locked(target.with_name(target.name + ".part.lock")):
        if not target.exists():
            transfer.run(progress)
            if check is not None:
                try:
                    check(transfer.part)
                except WeightsError:
                    transfer.discard()
                    raise
            os.replace(transfer.part, target)
            transfer.discard()
    return target


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; the folder is made. Other processes (and threads) wait, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that is working on {path.name.removesuffix('.lock')}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turn a failure to write into one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "free some space there" if error.errno == errno.ENOSPC else "make that folder writable"
        raise WeightsError(
            f"Cannot write {target} ({reason}): {advice} or set MICKEY_HLOC_CACHE to another folder."
        ) from error
