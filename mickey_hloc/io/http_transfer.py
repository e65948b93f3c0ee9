"""The connection side of a download: ranges, versions, new attempts.

What is here of a file lies in ``<file>.part``, and which version of it the server said that is in ``<file>.part.json``.
"""

import dataclasses
import errno
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mickey_hloc import __version__
from mickey_hloc.errors import WeightsError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.http_version import HttpsStaysHttps, HttpVersion, content_range

_CHUNK_BYTES = 1 << 20
_LONGEST_WAIT_S = 30.0


@dataclasses.dataclass(frozen=True)
class DownloadOptions:
    """How long to try.

    Attributes:
        timeout_s: seconds to connect, and the longest silence of the server.
        retries: how many attempts in a row may bring nothing new.
        wait_s: seconds before the first new attempt; doubles each time, up to 30.
        max_bytes: a larger file is refused.
    """

    timeout_s: float = 30.0
    retries: int = 5
    wait_s: float = 1.0
    max_bytes: int = 8 << 30


class _Interrupted(Exception):
    """An attempt ended early; ``hopeless`` when another one would end the same way."""

    def __init__(self, reason: str, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


class Transfer:
    """From the server into ``<target>.part``, over as many connections as it takes.

    Args:
        url: http or https.
        target: the file that the part is to become.
        options: timeouts and limits.
    """

    def __init__(self, url: str, target: Path, options: DownloadOptions) -> None:
        self.url, self.target, self.options = url, target, options
        self.part = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")
        self._received = 0  # bytes, by this call
        self._opener = urllib.request.build_opener(HttpsStaysHttps)

    def discard(self) -> None:
        """Forget what is here."""
        self.part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def run(self, progress: bool) -> None:
        """Fill the part file, from where an earlier call got to.

        Raises:
            WeightsError: the server cannot be reached or does not have the file; what arrived is kept.
            OSError: the part file cannot be written.
        """
        failures, furthest = 0, self._size()
        while not self._complete():
            try:
                self._attempt(progress)
                return
            except _Interrupted as error:
                # Counted only while nothing new arrives, so a bad line that moves on is never given up.
                failures = 1 if self._size() > furthest else failures + 1
                furthest = max(furthest, self._size())
                if error.hopeless or failures > self.options.retries:
                    raise self._failure(str(error)) from error
            time.sleep(min(self.options.wait_s * 2 ** (failures - 1), _LONGEST_WAIT_S))

    def _failure(self, reason: str) -> WeightsError:
        size = self._resumable(self._known())
        kept = f" ({size / 1e6:.1f} MB are kept for the next try)" if size else ""
        return WeightsError(
            f"Cannot download {self.url}: {reason}{kept}; check the connection, or get the file by other means "
            f"and save it as {self.target}"
        )

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _known(self) -> HttpVersion | None:
        """The version that the part file belongs to."""
        try:
            known = HttpVersion(**json.loads(self._note.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):  # nothing here yet, or damaged: start over
            return None
        return known if known.url == self.url else None

    def _resumable(self, known: HttpVersion | None) -> int:
        """How many bytes need not be sent again. Without a validator nobody can tell whether the rest fits to them."""
        return self._size() if known is not None and known.validator else 0

    def _complete(self) -> bool:
        known = self._known()
        return known is not None and known.total is not None and known.total == self._size()

    def _attempt(self, progress: bool) -> None:
        known = self._known()
        offset = self._resumable(known)
        with self._open(known, offset) as response:
            version = HttpVersion.of(self.url, response)
            if response.status == 206 and offset and known is not None:
                ranges = content_range(response)
                if ranges is None or ranges[0] != offset or version.contradicts(known):
                    self.discard()
                    raise _Interrupted("the file changed on the server during the download")
                version = dataclasses.replace(known, total=version.total or known.total)
            elif response.status == 200:  # also when the server ignores ranges, or has another version now
                offset = 0
            else:
                raise _Interrupted(f"the server answered {response.status} {response.reason}", hopeless=True)
            self._require_usable(response, version, offset)
            # What was here already does not count into the speed.
            look: dict[str, Any] = {"unit": "B", "unit_scale": True, "initial": offset}
            with tqdm(total=version.total, desc=self.target.name, disable=not progress, **look) as bar:
                self._copy(response, version, offset, bar)
        if version.total is not None and self._size() != version.total:
            raise _Interrupted(f"the connection ended after {self._size()} of {version.total} bytes")

    def _open(self, known: HttpVersion | None, offset: int) -> http.client.HTTPResponse:
        request = urllib.request.Request(self.url, headers={"User-Agent": f"mickey-hloc/{__version__}"})
        request.add_header("Accept-Encoding", "identity")
        if offset and known is not None:
            request.add_header("Range", f"bytes={offset}-")
            request.add_header("If-Range", known.validator or "")
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=self.options.timeout_s)
            return response
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416:  # our beginning is longer than the server's file
                    self.discard()
                again = error.code in {408, 416, 429} or error.code >= 500
                raise _Interrupted(f"the server answered {error.code} {error.reason}", hopeless=not again) from error
        except urllib.error.URLError as error:  # no connection: worth another try only if there was one before
            raise _Interrupted(f"no connection ({error.reason})", hopeless=self._received == 0) from error
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(f"the connection broke ({error or type(error).__name__})") from error

    def _require_usable(self, response: http.client.HTTPResponse, version: HttpVersion, offset: int) -> None:
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise _Interrupted(f"the server sends it packed as {encoding}, which was not asked for", hopeless=True)
        if version.total is not None:
            self._require_below_limit(version.total)
            free = shutil.disk_usage(self.part.parent).free
            if version.total - offset > free:
                text = f"needs {(version.total - offset) / 1e6:.0f} MB, {free / 1e6:.0f} MB are free"
                raise OSError(errno.ENOSPC, text)

    def _require_below_limit(self, size: int) -> None:
        if size > self.options.max_bytes:
            raise _Interrupted(f"it is larger than the limit of {self.options.max_bytes} bytes", hopeless=True)

    def _copy(self, response: http.client.HTTPResponse, version: HttpVersion, offset: int, bar: tqdm) -> None:
        with open(self.part, "ab") as file:
            if offset == 0:  # emptied before the note changes: a note never vouches for another version's bytes
                file.truncate(0)
                with atomic_path(self._note) as temporary:
                    temporary.write_text(json.dumps(dataclasses.asdict(version)), encoding="utf-8")
            size = offset
            while chunk := self._read(response):
                file.write(chunk)
                size += len(chunk)
                self._received += len(chunk)
                self._require_below_limit(size)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _read(response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read1(_CHUNK_BYTES)  # read() would lose what arrived before a break
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(f"the connection broke ({error or type(error).__name__})") from error
