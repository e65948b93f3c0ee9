"""Which version of a file a server is sending: the headers that keep the parts of a download together."""

import dataclasses
import http.client
import re
import urllib.error
import urllib.request
from typing import IO, Any


@dataclasses.dataclass(frozen=True)
class HttpVersion:
    """Which version of a file the server has, as far as it says.

    Attributes:
        etag: the server's name for the version; only if it promises equal bytes.
        modified: when the file last changed, in the server's words.
        total: size of the whole file in bytes.
    """

    url: str
    etag: str | None
    modified: str | None
    total: int | None

    @property
    def validator(self) -> str | None:
        """What a request for the rest can be bound to."""
        return self.etag or self.modified

    def contradicts(self, other: "HttpVersion") -> bool:
        """A value that only one of the two has proves nothing: a 206 answer may leave out what a 200 answer says."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return any(a is not None and b is not None and a != b for a, b in pairs)

    @classmethod
    def of(cls, url: str, response: http.client.HTTPResponse) -> "HttpVersion":
        """Read the headers of an answer, whole (200) or partial (206)."""
        etag = response.headers.get("ETag")
        if etag is not None and etag.startswith("W/"):  # a weak one does not promise equal bytes
            etag = None
        total = None
        if response.status == 206:
            ranges = content_range(response)
            total = ranges[1] if ranges else None
        elif (response.headers.get("Content-Length") or "").isdecimal():
            total = int(response.headers["Content-Length"])
        return cls(url, etag, response.headers.get("Last-Modified"), total)


def content_range(response: http.client.HTTPResponse) -> tuple[int, int | None] | None:
    """(first byte, size of the whole file or None) of a partial answer."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", (response.headers.get("Content-Range") or "").strip())
    if match is None:
        return None
    return int(match[1]), None if match[2] == "*" else int(match[2])


class HttpsStaysHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to an address whose answer anyone on the way could replace."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise urllib.error.HTTPError(newurl, code, "and leads from https to an unsafe address", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
