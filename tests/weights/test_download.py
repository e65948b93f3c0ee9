"""The download code against a real server: broken lines, changed files, refusals, several processes at once."""

import contextlib
import json
import multiprocessing
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.loopback import Served
from support.loopback_fetch import BODY, QUICK, fetch, leftovers

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.download import DownloadOptions, download, locked


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


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
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


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])  # a weak one does not promise equal bytes
def test_without_a_validator_nothing_is_pieced_together(server, tmp_path, etag):
    server.files["/file.bin"] = Served(BODY, etag=etag, cuts=[100_000])
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
