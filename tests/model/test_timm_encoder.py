"""Vision transformers of timm as frozen encoders: what they compute, how they are named, saved and found again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save, save_file
from support.loopback_hub import hub_on_loopback
from support.networks import tiny_model

from mickey_hloc import load_model
from mickey_hloc.errors import WeightsError
from mickey_hloc.model.encoder import DinoV2, DinoV2Options
from mickey_hloc.model.encoders.timm import TimmEncoder, TimmOptions, create_network
from mickey_hloc.model.options import MicKeyOptions
from mickey_hloc.training.initial_weights import load_encoder
from mickey_hloc.weights.checkpoints import save_model
from mickey_hloc.weights.pretrained import OnHub
from mickey_hloc.weights.state_file import load_state_file

NAME = "vit_small_patch14_dinov2.lvd142m"
OWN = {"name": NAME, "num_blocks": 1}


def random_network(options: TimmOptions) -> torch.nn.Module:
    torch.manual_seed(3)
    network = create_network(options)
    torch.nn.init.normal_(network.pos_embed, std=0.02)
    return network


def test_one_line_names_the_encoder() -> None:
    options = MicKeyOptions.from_dict({"encoder": f"timm:{NAME}", "encoder_options": {"num_blocks": 1}})
    assert (options.encoder, options.encoder_options) == ("timm", OWN)
    assert MicKeyOptions.from_dict(options.to_dict()) == options


def test_dinov2_of_timm_is_dinov2() -> None:
    """At the size of the training, where no position embedding is resized, which the two do differently."""
    network = random_network(TimmOptions(**OWN))
    encoder = TimmEncoder(TimmOptions(**OWN, normalise=False)).eval()
    encoder.network.load_state_dict(network.state_dict())
    sizes = DinoV2Options(channels=384, num_blocks=1, mlp_hidden=1536, grid_size=37)
    ours = DinoV2(sizes).eval()
    ours.load_state_dict(network.state_dict())
    images = torch.rand(1, 3, 518, 518)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), ours(images), rtol=1e-4, atol=1e-4)


def test_images_are_normalised_as_in_its_training() -> None:
    encoder = TimmEncoder(TimmOptions(**OWN)).eval()
    plain = TimmEncoder(TimmOptions(**OWN, normalise=False)).eval()
    plain.load_state_dict(encoder.state_dict())
    images = torch.rand(1, 3, 42, 70)
    mean, std = (torch.tensor(v)[:, None, None] for v in (encoder.network.pretrained_cfg[k] for k in ("mean", "std")))
    with torch.no_grad():
        assert encoder(images).shape == (1, 384, 3, 5)
        torch.testing.assert_close(encoder(images), plain((images - mean) / std))


@pytest.mark.parametrize("name", [NAME, "vit_small_patch16_dinov3.lvd1689m"])
def test_a_saved_model_finds_its_encoder_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads alone in the file; the encoder from the hub, as timm publishes it, or from a file."""
    own = {"name": name, "num_blocks": 1}
    whole = create_network(dataclasses.replace(TimmOptions(**own)))
    model = tiny_model(encoder="timm", encoder_options=own)
    model.encoder.network.load_state_dict(whole.state_dict())
    OnHub(model).save_pretrained(tmp_path / "saved")
    heads = tmp_path / "saved" / "model.safetensors"
    assert not any(key.startswith("encoder.") for key in load_state_file(heads))
    images = torch.rand(1, 3, 64, 80)
    expected = model(images).descriptors
    save_file(whole.state_dict(), tmp_path / "encoder.safetensors")
    loaded = load_model(heads, tmp_path / "encoder.safetensors", "cpu", "fp32")
    torch.testing.assert_close(loaded(images).descriptors, expected)

    full = timm.create_model(name, pretrained=False, num_classes=0)
    full.load_state_dict(whole.state_dict(), strict=False)
    with hub_on_loopback(tmp_path / "hub", monkeypatch) as hub:
        hub.files[f"timm/{name}"] = save(full.state_dict())
        torch.testing.assert_close(load_model(heads, None, "cpu", "fp32")(images).descriptors, expected)
        other = tiny_model(encoder="timm", encoder_options=own)
        load_encoder(other, None)
        torch.testing.assert_close(other.encoder.state_dict(), model.encoder.state_dict())
        hub.files.clear()
        missing = {"name": "vit_small_plus_patch16_dinov3.lvd1689m", "num_blocks": 1}
        absent = tiny_model(encoder="timm", encoder_options=missing)
        with pytest.raises(WeightsError, match="The encoder vit_small_plus_patch16_dinov3"):
            load_encoder(absent, None)


def test_weights_of_another_network_are_one_sentence(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_encoder(tiny_model(encoder="timm", encoder_options=OWN), str(tmp_path / "other.safetensors"))


def test_a_model_with_its_encoder_inside(tmp_path: Path) -> None:
    model = tiny_model(encoder="timm", encoder_options=OWN)
    path = save_model(model, tmp_path / "whole.safetensors", include_encoder=True)
    images = torch.rand(1, 3, 64, 80)
    torch.testing.assert_close(load_model(path, None, "cpu", "fp32")(images).depths, model(images).depths)
