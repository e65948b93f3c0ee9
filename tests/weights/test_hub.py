"""Weights on the Hugging Face hub: fetched from a server on loopback, pinned, offline, saved and pushed."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save, save_file
from support.loopback_hub import COMMIT, Hub
from support.networks import tiny_model
from support.published import DINOV2, torch_bytes

from mickey_hloc import MicKey, load_model
from mickey_hloc.errors import WeightsError
from mickey_hloc.io.checksum import sha256
from mickey_hloc.model.encoder import ENCODERS, fold_dinov2_registers, read_dinov2_options
from mickey_hloc.weights.checkpoints import save_model
from mickey_hloc.weights.hub import FILE, hub_file
from mickey_hloc.weights.metadata import read_metadata
from mickey_hloc.weights.named import cached_file, resolve
from mickey_hloc.weights.state_file import load_state_file
from mickey_hloc.weights.table import WEIGHTS


@pytest.fixture(scope="module")
def model() -> MicKey:
    return load_model("small", device="cpu", precision="fp32")


@pytest.fixture
def filled(hub: Hub, model: MicKey, tmp_path: Path) -> Hub:
    model.save_pretrained(tmp_path / "saved")
    hub.files["me/model"] = (tmp_path / "saved" / FILE).read_bytes()
    return hub


def same_weights(one: MicKey, other: MicKey) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def unplug(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.shutdown()
    hub.server_close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("name", ["hf:me/model", "hf:me/model@v1", f"hf:me/model@{COMMIT}"])
def test_a_model_of_the_hub_wherever_weights_are_named(name: str, filled: Hub, model: MicKey) -> None:
    loaded = load_model(name, device="cpu", precision="fp32")
    assert loaded.options == model.options
    assert same_weights(loaded, model)
    assert read_metadata(name).solver == model.options.solver
    assert any(path.startswith(f"/me/model/resolve/{name.partition('@')[2] or 'main'}/") for path in filled.paths)


def test_what_was_fetched_is_there_without_a_network(filled: Hub, model, monkeypatch: pytest.MonkeyPatch) -> None:
    path = hub_file("hf:me/model")
    unplug(filled, monkeypatch)
    assert hub_file("hf:me/model") == path
    assert same_weights(MicKey.from_pretrained("me/model", device="cpu", precision="fp32"), model)
    with pytest.raises(WeightsError, match="me/other is not in the cache of the hub, and the hub cannot be reached"):
        hub_file("hf:me/other")


def test_from_pretrained_takes_hub_names_folders_and_names(filled: Hub, model: MicKey, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    model.save_pretrained(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", FILE]  # its metadata are the config
    assert "library_name: mickey-hloc" in (folder / "README.md").read_text()
    for name in ("me/model", "hf:me/model@v1", folder, folder / FILE):
        assert same_weights(MicKey.from_pretrained(name, device="cpu", precision="fp32"), model)
    MicKey.from_pretrained("me/model", revision="v1", token="mine", cache_dir=tmp_path / "else", device="cpu")
    assert f"/me/model/resolve/v1/{FILE}" in filled.paths
    assert list((tmp_path / "else").rglob(FILE))
    with pytest.raises(WeightsError, match="is not in the cache of the hub"):
        MicKey.from_pretrained("me/model", cache_dir=tmp_path / "empty", local_files_only=True)
    (folder / "README.md").write_text("mine")
    model.save_pretrained(folder)
    assert (folder / "README.md").read_text() == "mine"


def test_a_model_on_dinov2_is_saved_without_it(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path / "saved")
    assert not any(key.startswith("encoder.") for key in load_state_file(tmp_path / "saved" / FILE))


@pytest.mark.parametrize("name", ["hf:me", "hf:me/model@", "hf:../x/y", "hf:a/b/c", "hf:https://x/y"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="write hf:owner/name"):
        resolve(name)


def test_an_absent_model_is_one_sentence(hub: Hub) -> None:
    with pytest.raises(WeightsError, match=r"The hub has no model.safetensors of me/absent") as caught:
        resolve("hf:me/absent")
    assert "\n" not in str(caught.value)


def test_what_is_no_model_is_refused(hub: Hub) -> None:
    hub.files["me/model"] = b"<html>log in</html>"
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_model("hf:me/model")


def test_push_uploads_the_weights_and_a_card(hub: Hub, model: MicKey, tmp_path: Path) -> None:
    address = model.push_to_hub("me/mine", private=True, token="hf_t")
    assert address == f"{hub.url}/me/mine/commit/{COMMIT}"
    [made] = hub.created
    assert made["name"] == "mine"
    assert made.get("private") or made.get("visibility") == "private"  # as older and newer versions ask
    assert hub.tokens == {"Bearer hf_t"}
    assert sorted(hub.pushed) == ["README.md", FILE]
    (tmp_path / FILE).write_bytes(hub.pushed[FILE])
    assert same_weights(load_model(tmp_path / FILE, device="cpu", precision="fp32"), model)


def test_a_push_that_fails_is_one_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    unplug(hub, monkeypatch)
    with pytest.raises(WeightsError, match="me/mine cannot be pushed to the hub"):
        tiny_model().push_to_hub("me/mine", token="hf_t")


def serve_dinov2(hub: Hub, monkeypatch: pytest.MonkeyPatch, state: dict[str, torch.Tensor], honest: bool = True) -> str:
    """dinov2_vits14 in miniature, at the commit that the table names; its name in the hub."""
    entry = WEIGHTS["dinov2_vits14"]
    repo, _, commit = (entry.url or "").removeprefix("hf:").partition("@")
    hub.files[repo] = save(state)
    hub.revisions = {commit}
    if honest:
        expected = hashlib.sha256(hub.files[repo]).hexdigest()
        monkeypatch.setitem(WEIGHTS, "dinov2_vits14", dataclasses.replace(entry, sha256=expected))
    return repo


def test_dinov2_comes_from_the_hub(hub: Hub, weights_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_dinov2(hub, monkeypatch, {"cls_token": torch.ones(1, 1, 384)})
    assert not cached_file("dinov2_vits14").is_file()
    path = resolve("dinov2_vits14")
    assert cached_file("dinov2_vits14") == path
    assert load_state_file(path)["cls_token"].shape == (1, 1, 384)
    unplug(hub, monkeypatch)
    assert resolve("dinov2_vits14") == path


def test_dinov2_is_held_to_its_published_checksum(hub: Hub, weights_cache, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_dinov2(hub, monkeypatch, {"cls_token": torch.zeros(1)}, honest=False)
    with pytest.raises(WeightsError, match=r"is not the published hf:timm/vit_small.*its sha256 is .*, not 04d27f34"):
        resolve("dinov2_vits14")


def test_dinov2_placed_by_hand_comes_first(hub: Hub, weights_cache: Path) -> None:
    weights_cache.mkdir()
    (weights_cache / DINOV2[1:]).write_bytes(torch_bytes({"cls_token": torch.ones(1)}))
    assert resolve("dinov2_vits14") == weights_cache / DINOV2[1:] == cached_file("dinov2_vits14")
    assert hub.paths == []


def test_every_listed_file_of_the_hub_is_pinned() -> None:
    entries = [entry for entry in WEIGHTS.values() if entry.on_hub]
    assert len(entries) == 3
    for entry in entries:
        assert len(bytes.fromhex(entry.sha256 or "")) == 32
        assert len(bytes.fromhex((entry.url or "").partition("@")[2])) == 20


def test_heads_find_their_dinov2_on_the_hub(
    hub: Hub, weights_cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Heads for 384 channels, and the encoder in the layout in which timm publishes it."""
    published = timm.create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0, depth=2, img_size=70)
    torch.nn.init.normal_(published.pos_embed, std=0.02)
    state = published.state_dict()
    serve_dinov2(hub, monkeypatch, state)
    sizes = dataclasses.asdict(read_dinov2_options(state))
    heads = save_model(tiny_model(encoder_options=sizes), tmp_path / "heads.safetensors")
    loaded = load_model(heads, device="cpu", precision="fp32")
    assert loaded.options.encoder_options == sizes
    images = torch.rand(1, 3, 70, 70)
    expected = published.eval().forward_features(images)[:, 1:].transpose(1, 2).unflatten(2, (5, 5))
    torch.testing.assert_close(loaded.encode(images), expected, rtol=1e-4, atol=1e-4)


def test_an_encoder_of_ones_own_may_be_safetensors(tmp_path: Path) -> None:
    model = tiny_model()
    encoder = {key.removeprefix("encoder."): v for key, v in model.state_dict().items() if key.startswith("encoder.")}
    save_file(encoder, tmp_path / "encoder.safetensors")
    heads = save_model(model, tmp_path / "heads.safetensors")
    assert same_weights(load_model(heads, tmp_path / "encoder.safetensors", "cpu", "fp32"), model)
    folded = fold_dinov2_registers(load_state_file(tmp_path / "encoder.safetensors"))
    assert ENCODERS.get("dinov2").from_options(dataclasses.asdict(read_dinov2_options(folded))).channels == 64
    assert sha256(tmp_path / "encoder.safetensors") == sha256(resolve(tmp_path / "encoder.safetensors"))
