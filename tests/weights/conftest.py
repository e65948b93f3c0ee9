"""An empty cache, a mirror that has MicKey's archive in miniature, and a hub."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.loopback import Served, serving
from support.loopback_hub import Hub, hub_on_loopback
from support.published import ZIP, published_zip

from mickey_hloc.weights import named as weights


@pytest.fixture
def weights_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MICKEY_HLOC_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(weights, "_announced", set())
    return folder


@pytest.fixture
def mirror(weights_cache: Path, monkeypatch: pytest.MonkeyPatch):
    with serving() as running:
        monkeypatch.setenv("MICKEY_HLOC_MIRROR", running.url + "/")
        running.files[ZIP] = Served(published_zip())
        yield running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_on_loopback(tmp_path / "hub", monkeypatch) as running:
        yield running
