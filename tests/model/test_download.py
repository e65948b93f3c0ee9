"""The download code against a real server: broken lines, changed files, refusals, several processes at once."""

import contextlib
import json
import multiprocessing
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import Loopback, Served, serving

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.http_version import HttpsStaysHttps
from mickey_hloc.model.download import DownloadOptions, download, locked

BODY = np.random.default_rng(0).bytes(300_000)
QUICK = DownloadOptions(timeout_s=5.0, retries=3, wait_s=0.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


def fetch(server: Loopback, target: Path, options: DownloadOptions = QUICK, **keywords) -> Path:
    return download(f"{server.url}/file.bin", target, options=options, progress=False, **keywords)


def leftovers(target: Path) -> set[str]:
    return {p.name for p in target.parent.iterdir()} - {target.name, f"{target.name}.part.lock"}


def test_whole_file(server, tmp_path):
    server.files["/file.bin"] = Served(BODY)
    target = fetch(server, tmp_path / "new" / "folder" / "file.bin")
    assert target.read_bytes() == BODY
    assert leftovers(target) == set()
    assert fetch(server, target) == target  # it is here: no second request
    assert len(server.requests) == 1


def test_a_cut_connection_is_resumed_where_it_broke(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, cuts=[100_000, 50_000])
    target = fetch(server, tmp_path / "file.bin")
    assert target.read_bytes() == BODY
    assert [(r.first_byte, r.sent) for r in server.requests] == [
        (None, 100_000),
        (100_000, 50_000),
        (150_000, 150_000),
    ]


def test_more_cuts_than_retries_pass_while_bytes_arrive(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, cuts=[10_000] * 12)
    assert fetch(server, tmp_path / "file.bin").read_bytes() == BODY
    assert sum(r.sent for r in server.requests) == len(BODY)


def test_a_later_call_resumes_what_an_earlier_one_left(server, tmp_path):
    served = Served(BODY, etag=None, modified="Wed, 21 Oct 2015 07:28:00 GMT", cuts=[120_000, 0, 0, 0])
    server.files["/file.bin"] = served
    target = tmp_path / "file.bin"
    with pytest.raises(WeightsError, match=r"after 120000 of 300000 bytes \(0\.1 MB are kept"):
        fetch(server, target)
    assert not target.exists()
    assert len(server.requests) == 1 + QUICK.retries
    server.requests.clear()
    assert fetch(server, target).read_bytes() == BODY
    assert [(r.first_byte, r.sent) for r in server.requests] == [(120_000, 180_000)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 400), max_size=6),
    ranges=st.booleans(),
    etag=st.sampled_from([None, '"a"', 'W/"a"']),
    modified=st.sampled_from([None, "Wed, 21 Oct 2015 07:28:00 GMT"]),
    framing=st.sampled_from(["length", "chunked"]),
)
def test_any_server_gives_the_same_bytes(server, tmp_path, cuts, ranges, etag, modified, framing):
    body = BODY[:1000]
    served = Served(body, etag, modified, cuts=list(cuts), ranges=ranges, chunked=framing == "chunked")
    server.files["/file.bin"] = served
    target = tmp_path / "file.bin"
    target.unlink(missing_ok=True)
    assert fetch(server, target, DownloadOptions(5.0, 10, 0.0)).read_bytes() == body
    assert leftovers(target) == set()


def test_a_server_that_ignores_ranges_starts_over(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, cuts=[100_000], ranges=False)
    assert fetch(server, tmp_path / "file.bin").read_bytes() == BODY
    assert [(r.first_byte, r.sent) for r in server.requests] == [(None, 100_000), (100_000, 300_000)]


def test_without_a_validator_nothing_is_pieced_together(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, etag=None, cuts=[100_000])
    assert fetch(server, tmp_path / "file.bin").read_bytes() == BODY
    assert [r.first_byte for r in server.requests] == [None, None]


@pytest.mark.parametrize("obeys_if_range", [True, False])
@pytest.mark.parametrize("size", [300_000, 250_000, 60_000])
def test_a_file_that_changed_meanwhile_is_fetched_anew(server, tmp_path, size, obeys_if_range):
    server.files["/file.bin"] = Served(BODY, cuts=[100_000, 0, 0, 0])
    target = tmp_path / "file.bin"
    with pytest.raises(WeightsError):
        fetch(server, target)
    other = BODY[::-1][:size]
    changed = Served(other, etag='"v2"')
    if not obeys_if_range:  # such a server sends the rest of the new file: its ETag must be noticed
        changed.etag, changed.headers = None, {"ETag": '"v2"'}
        server.RequestHandlerClass = _deaf_to_if_range(server.RequestHandlerClass)
    server.files["/file.bin"] = changed
    assert fetch(server, target).read_bytes() == other


def _deaf_to_if_range(handler):
    class Deaf(handler):
        def do_GET(self):
            del self.headers["If-Range"]
            super().do_GET()

    return Deaf


def test_a_wrong_content_range_is_not_believed(server, tmp_path):
    class Wrong(server.RequestHandlerClass):
        def send_header(self, keyword, value):
            super().send_header(keyword, "bytes 0-299999/300000" if keyword == "Content-Range" else value)

    server.RequestHandlerClass = Wrong
    server.files["/file.bin"] = Served(BODY, cuts=[100_000])
    assert fetch(server, tmp_path / "file.bin").read_bytes() == BODY
    assert [r.first_byte for r in server.requests] == [None, 100_000, None]


def test_a_damaged_note_starts_over(server, tmp_path):
    target = tmp_path / "file.bin"
    for note in ("{", "[]", '{"url": 1}', "null"):
        target.with_name("file.bin.part").write_bytes(b"rubbish")
        target.with_name("file.bin.part.json").write_text(note)
        server.files["/file.bin"] = Served(BODY)
        assert fetch(server, target).read_bytes() == BODY
        target.unlink()


def test_a_part_of_another_address_is_not_continued(server, tmp_path):
    target = tmp_path / "file.bin"
    target.with_name("file.bin.part").write_bytes(b"rubbish")
    note = {"url": "http://elsewhere/file.bin", "etag": '"v1"', "modified": None, "total": 7}
    target.with_name("file.bin.part.json").write_text(json.dumps(note))
    server.files["/file.bin"] = Served(BODY)
    assert fetch(server, target).read_bytes() == BODY


def test_a_finished_part_only_gets_its_name(server, tmp_path):
    target = tmp_path / "file.bin"
    target.with_name("file.bin.part").write_bytes(BODY)
    note = {"url": f"{server.url}/file.bin", "etag": '"v1"', "modified": None, "total": len(BODY)}
    target.with_name("file.bin.part.json").write_text(json.dumps(note))
    assert fetch(server, target).read_bytes() == BODY
    assert server.requests == []


def test_404_names_the_address_and_the_file_to_place(server, tmp_path):
    target = tmp_path / "file.bin"
    with pytest.raises(WeightsError) as caught:
        fetch(server, target)
    message = str(caught.value)
    assert f"{server.url}/file.bin" in message
    assert "404" in message
    assert f"save it as {target}" in message
    assert len(server.requests) == 1  # asking again would not help
    assert leftovers(target) == set()


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, status=[503, 429, 500])
    assert fetch(server, tmp_path / "file.bin").read_bytes() == BODY
    server.files["/file.bin"] = Served(BODY, status=[503] * 9)
    with pytest.raises(WeightsError, match="503"):
        fetch(server, tmp_path / "other.bin")


def test_no_server(tmp_path):
    with serving() as stopped:
        url = f"{stopped.url}/file.bin"
    with pytest.raises(WeightsError, match="no connection") as caught:
        download(url, tmp_path / "file.bin", options=QUICK, progress=False)
    assert url in str(caught.value)
    assert str(tmp_path / "file.bin") in str(caught.value)


def test_a_silent_server_times_out(server, tmp_path):
    class Silent(server.RequestHandlerClass):
        def do_GET(self):
            server.requests.append(None)
            released.wait(20)

    released = threading.Event()
    server.RequestHandlerClass = Silent
    with pytest.raises(WeightsError, match="timed out"):
        fetch(server, tmp_path / "file.bin", DownloadOptions(timeout_s=0.05, retries=1, wait_s=0.0))
    released.set()
    assert len(server.requests) == 2


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname", "weights.zip"])
def test_only_http(url, tmp_path):
    with pytest.raises(WeightsError, match="must begin with https://"):
        download(url, tmp_path / "file.bin")
    assert list(tmp_path.iterdir()) == []


def test_https_is_not_left():
    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(urllib.error.HTTPError, match="unsafe"):
        HttpsStaysHttps().redirect_request(request, None, 302, "Found", {}, "http://example.org/a")
    same = HttpsStaysHttps().redirect_request(request, None, 302, "Found", {}, "https://example.org/b")
    assert same.full_url == "https://example.org/b"


@pytest.mark.parametrize("length", [True, False])
def test_a_file_above_the_limit_is_refused(server, tmp_path, length):
    server.files["/file.bin"] = Served(BODY, length=length)
    with pytest.raises(WeightsError, match="limit of 1000 bytes"):
        fetch(server, tmp_path / "file.bin", DownloadOptions(5.0, 3, 0.0, max_bytes=1000))
    assert len(server.requests) == 1


def test_packed_content_is_refused(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, headers={"Content-Encoding": "gzip"})
    with pytest.raises(WeightsError, match="packed as gzip"):
        fetch(server, tmp_path / "file.bin")


def test_a_refused_file_leaves_nothing(server, tmp_path):
    def refuse(part: Path) -> None:
        assert part.read_bytes() == BODY
        raise WeightsError("not what was asked")

    server.files["/file.bin"] = Served(BODY)
    with pytest.raises(WeightsError, match="not what was asked"):
        fetch(server, tmp_path / "file.bin", check=refuse)
    assert not (tmp_path / "file.bin").exists()
    assert leftovers(tmp_path / "file.bin") == set()


def test_a_full_disk_is_said_before_the_download(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    server.files["/file.bin"] = Served(BODY)
    with pytest.raises(WeightsError, match=r"free some space.*MICKEY_HLOC_CACHE"):
        fetch(server, tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(WeightsError, match=r"Cannot write .*MICKEY_HLOC_CACHE"):
        fetch(server, tmp_path / "taken" / "file.bin")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_FSIZE as Linux has it")
def test_a_write_that_fails_half_way_is_resumed_later(server, tmp_path):
    server.files["/file.bin"] = Served(BODY)
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from mickey_hloc.errors import WeightsError; from mickey_hloc.model.download import download\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: download(sys.argv[1], Path(sys.argv[2]), progress=False)\n"
        "except WeightsError as error: print(error)\n"
    )
    target = tmp_path / "file.bin"
    arguments = [sys.executable, "-c", program, f"{server.url}/file.bin", str(target)]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.startswith(f"Cannot write {target} (")
    assert not target.exists()
    assert fetch(server, target).read_bytes() == BODY
    assert server.requests[-1].first_byte == 100_000


def _worker(url: str, target: str, barrier) -> None:
    barrier.wait()
    download(url, Path(target), options=QUICK, progress=False)


def test_two_processes_share_one_download(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, cuts=[100_000, 50_000])
    target = tmp_path / "file.bin"
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [context.Process(target=_worker, args=(f"{server.url}/file.bin", str(target), barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert target.read_bytes() == BODY
    assert sum(request.sent for request in server.requests) == len(BODY)
    assert leftovers(target) == set()


def test_threads_wait_for_each_other(tmp_path, capsys):
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.wait(10)
        with locked(tmp_path / "x.lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with locked(tmp_path / "x.lock"):
        entered.set()
        with contextlib.suppress(RuntimeError):
            thread.join(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert "waiting for another process that is working on x" in capsys.readouterr().err


def test_the_bar_counts_bytes(server, tmp_path, capsys):
    server.files["/file.bin"] = Served(BODY)
    download(f"{server.url}/file.bin", tmp_path / "file.bin")
    shown = capsys.readouterr().err
    assert "file.bin" in shown
    assert "300k/300k" in shown
