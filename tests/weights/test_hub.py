"""Weights on the Hugging Face hub: fetched from a server on loopback, pinned, offline, saved and pushed."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.loopback import Served
from support.published import DINOV2, torch_bytes

from mickey_hloc import MicKey, load_model
from mickey_hloc.errors import WeightsError
from mickey_hloc.io.checksum import sha256
from mickey_hloc.weights import hub
from mickey_hloc.weights import named as weights
from mickey_hloc.weights.metadata import read_metadata
from mickey_hloc.weights.named import resolve

COMMIT = "a" * 40


class Hub(http.server.ThreadingHTTPServer):
    """Serves model.safetensors of me/model as the hub does, at main and at v1."""

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.paths = body, list[str]()
        self.daemon_threads = True


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, with_body: bool) -> None:
        self.server.paths.append(self.path)
        known = self.path in (f"/me/model/resolve/{revision}/{hub.FILE}" for revision in ("main", "v1", COMMIT))
        self.send_response(200 if known else 404)
        if not known:
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_header("ETag", '"0123456789abcdef"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if with_body:
            self.wfile.write(self.server.body)

    def do_HEAD(self) -> None:
        self._answer(False)

    def do_GET(self) -> None:
        self._answer(True)


@pytest.fixture(scope="module")
def model() -> MicKey:
    return load_model("small", device="cpu", precision="fp32")


@pytest.fixture
def server(model: MicKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    saved = model.save_pretrained(tmp_path / "saved")
    running = Hub(saved.read_bytes())
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{running.server_address[1]}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    yield running
    running.shutdown()
    running.server_close()


def same_weights(one: MicKey, other: MicKey) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["hf:me/model", "hf:me/model@v1", f"hf:me/model@{COMMIT}"])
def test_a_model_of_the_hub_wherever_weights_are_named(name: str, server: Hub, model: MicKey) -> None:
    loaded = load_model(name, device="cpu", precision="fp32")
    assert loaded.options == model.options
    assert same_weights(loaded, model)
    assert read_metadata(name).solver == model.options.solver
    assert any(path.startswith(f"/me/model/resolve/{name.partition('@')[2] or 'main'}/") for path in server.paths)


def test_what_was_fetched_is_there_without_a_network(
    server: Hub, model: MicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hub.hub_file("hf:me/model")
    server.shutdown()
    server.server_close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hub.hub_file("hf:me/model") == path
    with pytest.raises(WeightsError, match="me/other is not in the cache of the hub, and the hub cannot be reached"):
        hub.hub_file("hf:me/other")


def test_from_pretrained_takes_hub_names_folders_and_names(server: Hub, model: MicKey, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    model.save_pretrained(folder)
    assert "library_name: mickey-hloc" in (folder / "README.md").read_text()
    for name in ("me/model", "hf:me/model@v1", folder, folder / hub.FILE):
        assert same_weights(MicKey.from_pretrained(name, device="cpu", precision="fp32"), model)
    MicKey.from_pretrained("me/model", revision="v1", device="cpu")
    assert f"/me/model/resolve/v1/{hub.FILE}" in server.paths
    (folder / "README.md").write_text("mine")
    model.save_pretrained(folder)
    assert (folder / "README.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["hf:me", "hf:me/model@", "hf:../x/y", "hf:a/b/c", "hf:https://x/y"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="write hf:owner/name"):
        resolve(name)


def test_an_absent_model_is_one_sentence(server: Hub) -> None:
    with pytest.raises(WeightsError, match=r"The hub has no model.safetensors of me/absent") as caught:
        resolve("hf:me/absent")
    assert "\n" not in str(caught.value)


def test_what_is_no_model_is_refused(server: Hub) -> None:
    server.body = b"<html>log in</html>"
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_model("hf:me/model")


def test_push_uploads_the_weights_and_a_card(model: MicKey, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    calls: list[tuple[str, object]] = []

    class Api:
        def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
            calls.append(("token", token))

        def create_repo(self, repo_id: str, *, private: bool | None = None, exist_ok: bool = False) -> object:
            calls.append(("private", private))
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> str:
            calls.append((repo_id, sorted(path.name for path in Path(folder_path).iterdir())))
            return f"https://hub/{repo_id}/commit/1"

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert model.push_to_hub("me/mine", private=True, token="t") == "https://hub/me/mine/commit/1"
    assert calls == [("token", "t"), ("private", True), ("me/mine", ["README.md", hub.FILE])]


def test_listed_names_are_held_to_their_published_checksum(
    mirror, weights_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = DINOV2.strip("/")
    monkeypatch.setattr(weights, "PINNED", {name: "0" * 64})
    with pytest.raises(WeightsError, match=f"is not the published {name}: its sha256 is .*, not 0000"):
        resolve("dinov2_vits14", progress=False)
    assert not (weights_cache / name).exists()
    body = torch_bytes({"cls_token": torch.zeros(1)})
    mirror.files[DINOV2] = Served(body)
    (weights_cache / "copy").write_bytes(body)
    monkeypatch.setattr(weights, "PINNED", {name: sha256(weights_cache / "copy")})
    assert resolve("dinov2_vits14", progress=False).read_bytes() == body
