"""One file over HTTP, whole or not at all: MicKey's published archive, which no hub has."""

import contextlib
import errno
import http.client
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from mickey_hloc.errors import WeightsError

ATTEMPTS = 4
WAIT_S = 2.0  # before the second attempt; doubles each time
TIMEOUT_S = 30.0  # to connect, and the longest silence of the server
_CHUNK_BYTES = 1 << 20


class DownloadError(WeightsError):
    """The server has no such file or cannot be reached."""


def download(url: str, target: Path, check: Callable[[Path], None], progress: bool = True) -> Path:
    """Bring a file here, unless it is. Several processes may ask for the same file: one works, the others wait.

    Args:
        url: http or https.
        target: where the file goes.
        check: called with the finished file before it gets its name; raises WeightsError to refuse it.
        progress: show a bar on stderr.

    Returns:
        ``target``.

    Raises:
        DownloadError: the server has no such file or cannot be reached.
        WeightsError: the file is refused, the disk is full or may not be written.
    """
    if not url.startswith(("http://", "https://")):
        raise WeightsError(f"Cannot download {url}: the address must begin with https:// or http://.")
    part = target.with_name(target.name + ".part")
    with disk_errors(target), locked(target.with_name(target.name + ".part.lock")):
        if target.exists():
            return target
        try:
            _fetch(url, target, part, progress)
            check(part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    return target


def _fetch(url: str, target: Path, part: Path, progress: bool) -> None:
    for attempt in range(ATTEMPTS):
        time.sleep(WAIT_S * 2 ** (attempt - 1) if attempt else 0.0)
        last = attempt == ATTEMPTS - 1
        try:
            response = urllib.request.urlopen(url, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            if last or not (error.code in {408, 429} or error.code >= 500):
                raise _failure(url, target, f"the server answered {error.code} {error.reason}") from error
            continue
        except (OSError, http.client.HTTPException) as error:
            raise _failure(url, target, f"no connection ({error})") from error
        if url.startswith("https:") and not response.geturl().startswith("https:"):
            raise _failure(url, target, "it leads from https to an unsafe address")
        with response:
            reason = _copy(response, part, target.name, progress)
        if reason is None:
            return
        if last:
            raise _failure(url, target, reason)


def _copy(response: http.client.HTTPResponse, part: Path, name: str, progress: bool) -> str | None:
    """From the server into a file; what broke, if anything did on the way."""
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    if total is not None and total > shutil.disk_usage(part.parent).free:
        raise OSError(errno.ENOSPC, f"needs {total / 1e6:.0f} MB")
    with open(part, "wb") as file, tqdm(total=total, desc=name, disable=not progress, unit="B", unit_scale=True) as bar:
        while True:
            try:
                chunk = response.read1(_CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                return f"the connection broke ({error or type(error).__name__})"
            if not chunk:
                break
            bar.update(file.write(chunk))
    size = part.stat().st_size
    return None if total in (None, size) else f"the connection ended after {size} of {total} bytes"


def _failure(url: str, target: Path, reason: str) -> DownloadError:
    return DownloadError(
        f"Cannot download {url}: {reason}; check the connection, or get the file by other means and save it as {target}"
    )


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
