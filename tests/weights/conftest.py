"""An empty cache, and a mirror that has small weights under the published names."""

from pathlib import Path

import pytest
import torch
from support.loopback import Served, serving
from support.published import DINOV2, ZIP, published_zip, torch_bytes

from mickey_hloc.weights import named as weights


@pytest.fixture
def weights_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MICKEY_HLOC_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(weights, "_announced", set())
    monkeypatch.setattr(weights, "PINNED", {})  # the small files are not the published ones
    return folder


@pytest.fixture
def mirror(weights_cache: Path, monkeypatch: pytest.MonkeyPatch):
    with serving() as running:
        monkeypatch.setenv("MICKEY_HLOC_MIRROR", running.url + "/")
        running.files[ZIP] = Served(published_zip())
        running.files[DINOV2] = Served(torch_bytes({"cls_token": torch.ones(1, 1, 384)}))
        yield running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running
