"""The one download of our own against a real server: broken lines, refusals, several processes at once."""

import contextlib
import multiprocessing
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from support.loopback import Loopback, Served, serving

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights import download as module
from mickey_hloc.weights.download import download, locked

BODY = np.random.default_rng(0).bytes(300_000)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 0.0)


def fetch(server: Loopback, target: Path, check=lambda part: None) -> Path:
    return download(f"{server.url}/file.bin", target, check, progress=False)


def left(target: Path) -> set[str]:
    return {p.name for p in target.parent.iterdir()} - {f"{target.name}.part.lock"}


def test_whole_file(server, tmp_path):
    server.files["/file.bin"] = Served(BODY)
    target = fetch(server, tmp_path / "new" / "folder" / "file.bin")
    assert target.read_bytes() == BODY
    assert left(target) == {"file.bin"}
    assert fetch(server, target) == target  # it is here: no second request
    assert len(server.requests) == 1


def test_a_cut_connection_is_tried_again_and_nothing_of_it_is_kept(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, cuts=[100_000, 50_000])
    target = fetch(server, tmp_path / "file.bin")
    assert target.read_bytes() == BODY
    assert [r.sent for r in server.requests] == [100_000, 50_000, 300_000]
    server.files["/file.bin"] = Served(BODY, cuts=[100_000] * 9)
    with pytest.raises(WeightsError, match=r"ended after 100000 of 300000 bytes.*save it as .*other\.bin"):
        fetch(server, tmp_path / "other.bin")
    assert len(server.requests) == 3 + module.ATTEMPTS
    assert left(target) == {"file.bin", "other.bin.part.lock"}


def test_a_broken_chunk_is_noticed(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, cuts=[100_000], chunked=True)
    assert fetch(server, tmp_path / "file.bin").read_bytes() == BODY


def test_404_names_the_address_and_the_file_to_place(server, tmp_path):
    target = tmp_path / "file.bin"
    with pytest.raises(WeightsError, match="404") as caught:
        fetch(server, target)
    assert f"{server.url}/file.bin" in str(caught.value)
    assert f"save it as {target}" in str(caught.value)
    assert len(server.requests) == 1  # asking again would not help
    assert left(target) == set()


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.files["/file.bin"] = Served(BODY, status=[503, 429, 500])
    assert fetch(server, tmp_path / "file.bin").read_bytes() == BODY
    server.files["/file.bin"] = Served(BODY, status=[503] * 9)
    with pytest.raises(WeightsError, match="503"):
        fetch(server, tmp_path / "other.bin")


def test_no_server(tmp_path):
    with serving() as stopped:
        pass
    with pytest.raises(WeightsError, match="no connection"):
        fetch(stopped, tmp_path / "file.bin")


def test_a_silent_server_times_out(server, tmp_path, monkeypatch):
    class Silent(server.RequestHandlerClass):
        def do_GET(self):
            released.wait(20)

    released = threading.Event()
    server.RequestHandlerClass = Silent
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    with pytest.raises(WeightsError, match="timed out"):
        fetch(server, tmp_path / "file.bin")
    released.set()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname", "weights.zip"])
def test_only_http(url, tmp_path):
    with pytest.raises(WeightsError, match="must begin with https://"):
        download(url, tmp_path / "file.bin", lambda part: None)
    assert list(tmp_path.iterdir()) == []


def test_https_is_not_left(server, tmp_path, monkeypatch):
    server.files["/file.bin"] = Served(BODY)
    unsafe, opened = f"{server.url}/file.bin", urllib.request.urlopen  # as if https://example.org had led here
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: opened(unsafe, timeout=timeout))
    with pytest.raises(WeightsError, match="from https to an unsafe address"):
        download("https://example.org/a", tmp_path / "file.bin", lambda part: None, progress=False)


def test_a_refused_file_leaves_nothing(server, tmp_path):
    def refuse(part: Path) -> None:
        assert part.read_bytes() == BODY
        raise WeightsError("not what was asked")

    server.files["/file.bin"] = Served(BODY)
    with pytest.raises(WeightsError, match="not what was asked"):
        fetch(server, tmp_path / "file.bin", refuse)
    assert left(tmp_path / "file.bin") == set()


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
def test_a_write_that_fails_half_way_leaves_nothing(server, tmp_path):
    server.files["/file.bin"] = Served(BODY)
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from mickey_hloc.errors import WeightsError; from mickey_hloc.weights.download import download\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: download(sys.argv[1], Path(sys.argv[2]), lambda part: None, progress=False)\n"
        "except WeightsError as error: print(error)\n"
    )
    target = tmp_path / "file.bin"
    arguments = [sys.executable, "-c", program, f"{server.url}/file.bin", str(target)]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.startswith(f"Cannot write {target} (")
    assert left(target) == set()


def _worker(url: str, target: str, barrier) -> None:
    barrier.wait()
    download(url, Path(target), lambda part: None, progress=False)


def test_two_processes_share_one_download(server, tmp_path):
    server.files["/file.bin"] = Served(BODY)
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
    assert len(server.requests) == 1
    assert left(target) == {"file.bin"}


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
    download(f"{server.url}/file.bin", tmp_path / "file.bin", lambda part: None)
    shown = capsys.readouterr().err
    assert "file.bin" in shown
    assert "300k/300k" in shown
