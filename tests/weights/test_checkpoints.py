"""Checkpoints move both ways, and what is wrong with one is said by name."""

import json

import pytest
import torch
from safetensors.torch import save_file
from support.networks import tiny_model

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.weights.checkpoints import METADATA_KEY, load_model, save_model
from mickey_hloc.weights.published import save_published


def encoder_file(model, path):
    torch.save({**model.encoder.state_dict(), "mask_token": torch.zeros(1, model.encoder.channels)}, path)
    return path


@pytest.fixture
def published(tmp_path):
    model = tiny_model()
    return model, save_published(model, tmp_path / "model.ckpt"), encoder_file(model, tmp_path / "encoder.pth")


def same(a, b) -> bool:
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


def test_the_published_format_and_back(published) -> None:
    model, checkpoint, encoder = published
    loaded = load_model(checkpoint, encoder=encoder, device="cpu")
    assert same(model, loaded)
    assert loaded.options.encoder_options == {**vars(model.encoder.options)}
    assert loaded.options.depth == model.options.depth
    assert not loaded.training


def test_an_encoder_is_no_model() -> None:
    with pytest.raises(WeightsError, match=r"an encoder alone.*choose one of: mickey, mickey_sc, small"):
        load_model("dinov2_vits14")


def test_recorded_checkpoint_is_written_back_as_it_was(golden, tmp_path) -> None:
    model = load_model(golden / "mickey_tiny.ckpt", encoder=golden / "encoder.pth", device="cpu")
    again = torch.load(save_published(model, tmp_path / "again.ckpt"), weights_only=True)["state_dict"]
    original = torch.load(golden / "mickey_tiny.ckpt", weights_only=True)["state_dict"]
    assert set(again) == set(original)
    assert all(torch.equal(again[k], original[k]) for k in original)


def test_our_format_with_and_without_the_encoder(published, tmp_path) -> None:
    model, _, encoder = published
    whole = save_model(model, tmp_path / "whole.safetensors", include_encoder=True)
    heads = save_model(model, tmp_path / "heads.safetensors")
    assert heads.stat().st_size < whole.stat().st_size
    assert same(model, load_model(whole, device="cpu"))
    assert same(model, load_model(heads, encoder=encoder, device="cpu"))
    with pytest.raises(InputError, match="contains its encoder"):
        load_model(whole, encoder=encoder, device="cpu")


def test_options_survive_our_format(tmp_path) -> None:
    model = tiny_model(
        depth_activation="exp", depth_scale_m=2.5, score_temperature=10.0, training_focal_px=None, solver="joint"
    )
    loaded = load_model(save_model(model, tmp_path / "m.safetensors", include_encoder=True), device="cpu")
    assert loaded.options.to_dict() == {**model.options.to_dict(), "encoder_options": loaded.options.encoder_options}
    assert loaded.depth_head.scale_m == 2.5
    assert loaded.options.solver == "joint"
    with pytest.raises(InputError, match="published format has no place"):
        save_published(model, tmp_path / "m.ckpt")


def test_others_may_read_a_saved_model_as_any_other_new_file(tmp_path) -> None:
    (tmp_path / "plain").touch()
    saved = save_model(tiny_model(), tmp_path / "m.safetensors")
    assert saved.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_nothing_half_written_is_left(tmp_path, monkeypatch) -> None:
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("mickey_hloc.weights.checkpoints.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(tiny_model(), tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def _change(path, change):
    content = torch.load(path, weights_only=True)
    change(content["state_dict"])
    torch.save(content, path)


PREFIX = "compute_matches.extractor.depth_head."


def _remove(name):
    return lambda state: state.pop(PREFIX + name)


def _add(name):
    return lambda state: state.update({name: torch.zeros(1)})


def _spoil(name, value):
    return lambda state: state[PREFIX + name].view(-1)[-1:].fill_(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_remove("resblock1.bn1.weight"), "missing keys: depth_head.resblock1.bn1.weight"),
        (_remove("resblock1.conv1.weight"), "depth_head.resblock1.conv1.weight is missing"),
        (_add(PREFIX + "extra"), "unexpected keys: depth_head.extra"),
        (_add("something.else"), "unexpected keys: something.else"),
        (
            lambda s: s.update({PREFIX + "resblock2.bn1.weight": torch.zeros(3)}),
            "wrong shapes: depth_head.resblock2.bn1",
        ),
        (
            _spoil("resblock1.conv1.weight", torch.nan),
            "NaN or infinite in depth_head.resblock1.conv1.weight: its train",
        ),
        (_spoil("resblock2.bn1.running_var", torch.inf), "NaN or infinite in depth_head.resblock2.bn1.running_var"),
        (lambda s: (s.clear(), s.update({"conv.weight": torch.zeros(1)})), "is not a MicKey checkpoint"),
    ],
)
def test_weights_that_do_not_fit_are_named(published, change, message: str) -> None:
    _, checkpoint, encoder = published
    _change(checkpoint, change)
    with pytest.raises(WeightsError, match=message):
        load_model(checkpoint, encoder=encoder, device="cpu")


def test_an_encoder_of_another_width_is_refused(published, tmp_path) -> None:
    _, checkpoint, _ = published
    other = tiny_model(encoder_options={"channels": 128, "num_blocks": 1, "mlp_hidden": 128, "grid_size": 5})
    with pytest.raises(WeightsError, match="128 channels, but the heads were made for 64"):
        load_model(checkpoint, encoder=encoder_file(other, tmp_path / "wide.pth"), device="cpu")
    with pytest.raises(WeightsError, match="no published DINOv2 has 64 channels"):
        load_model(checkpoint, device="cpu")
    torch.save({"a": torch.zeros(1)}, tmp_path / "not_dino.pth")
    with pytest.raises(WeightsError, match="not weights of a DINOv2"):
        load_model(checkpoint, encoder=tmp_path / "not_dino.pth", device="cpu")


def test_files_that_are_no_checkpoints(tmp_path) -> None:
    (tmp_path / "text.ckpt").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "broken.safetensors", metadata={METADATA_KEY: "{"})
    save_file({"a": torch.zeros(1)}, tmp_path / "odd.safetensors", metadata={METADATA_KEY: json.dumps({"colour": 1})})
    for name, message in {
        "text.ckpt": "text.ckpt",
        "text.safetensors": "not a readable safetensors file",
        "foreign.safetensors": "has no 'mickey_hloc' metadata",
        "broken.safetensors": "metadata cannot be used",
        "odd.safetensors": "Unknown option 'colour'",
        "absent.safetensors": "absent.safetensors",
    }.items():
        with pytest.raises(WeightsError, match=message):
            load_model(tmp_path / name, device="cpu")
