"""Downloads that cannot be: no file, no server, no room, no permission."""

import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.loopback import Served, serving
from support.loopback_fetch import BODY, QUICK, fetch, leftovers

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.http_version import HttpsStaysHttps
from mickey_hloc.weights.download import DownloadOptions, download


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
        "from mickey_hloc.errors import WeightsError; from mickey_hloc.weights.download import download\n"
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
