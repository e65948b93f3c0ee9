"""A file server on 127.0.0.1 for the download tests: ranges, and the ways in which real servers misbehave."""

import contextlib
import dataclasses
import http.server
import re
import threading
from collections.abc import Iterator


@dataclasses.dataclass
class Served:
    """One file and how the server treats it.

    Attributes:
        cuts: for each request in turn, after how many body bytes the connection is cut; None: not.
        ranges: whether Range is understood.
        status: sent instead of the file, for each request in turn.
    """

    body: bytes
    etag: str | None = '"v1"'
    modified: str | None = None
    cuts: list[int | None] = dataclasses.field(default_factory=list)
    status: list[int] = dataclasses.field(default_factory=list)
    ranges: bool = True
    length: bool = True
    chunked: bool = False
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Request:
    path: str
    first_byte: int | None
    sent: int = 0


class Loopback(http.server.ThreadingHTTPServer):
    """``files`` by path, ``requests`` as they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, Served] = {}
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Loopback

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        served = self.server.files.get(self.path)
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        request = Request(self.path, int(match[1]) if match else None)
        self.server.requests.append(request)
        if served is None:
            self.send_error(404)
            return
        if served.status:
            self.send_error(served.status.pop(0))
            return
        validator = served.etag or served.modified
        first = 0
        if request.first_byte is not None and served.ranges and self.headers.get("If-Range") in {None, validator}:
            first = request.first_byte
            if first >= len(served.body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(served.body) - 1}/{len(served.body)}")
        else:
            self.send_response(200)
        self._body(served, request, served.body[first:])

    def _body(self, served: Served, request: Request, body: bytes) -> None:
        for name, value in {"ETag": served.etag, "Last-Modified": served.modified, **served.headers}.items():
            if value is not None:
                self.send_header(name, value)
        if served.chunked:
            self.protocol_version = "HTTP/1.1"
            self.send_header("Transfer-Encoding", "chunked")
        elif served.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = served.cuts.pop(0) if served.cuts else None
        body = body[:cut]
        request.sent = len(body)
        with contextlib.suppress(ConnectionError):
            if served.chunked:
                self.wfile.write(
                    f"{len(body):x}\r\n".encode() + body + b"\r\n" + (b"" if cut is not None else b"0\r\n\r\n")
                )
            else:
                self.wfile.write(body)
            self.wfile.flush()
        self.close_connection = True


@contextlib.contextmanager
def serving() -> Iterator[Loopback]:
    server = Loopback()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
