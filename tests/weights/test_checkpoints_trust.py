"""What a checkpoint's options may not do: import code, or describe a model that cannot be."""

import json

import pytest
import torch
from safetensors.torch import save_file
from support.networks import tiny_model

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.checkpoints import METADATA_KEY, load_model, save_model


def own_file(path, **options):
    """A file of ours with those options, and no tensors to speak of."""
    values = {**tiny_model().options.to_dict(), **options}
    save_file({"encoder.a": torch.zeros(1)}, path, metadata={METADATA_KEY: json.dumps(values)})
    return path


def test_a_file_does_not_have_code_imported(tmp_path, monkeypatch) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match=r"'trap:Encoder' as its encoder.*import its module") as caught:
        load_model(own_file(tmp_path / "m.safetensors", encoder="trap:Encoder"), device="cpu")
    assert "m.safetensors" in str(caught.value)


def test_an_encoder_that_the_user_has_imported_is_used(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_encoders.py").write_text(
        "from mickey_hloc.model.encoders.convolutional import Convolutional\nclass Mine(Convolutional):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import my_encoders

    sizes = {"widths": [8, 8], "blocks": [0, 0], "context_widths": [], "context_blocks": []}
    model = tiny_model(encoder="my_encoders:Mine", encoder_options=sizes)
    loaded = load_model(save_model(model, tmp_path / "m.safetensors"), device="cpu")
    assert type(loaded.encoder) is my_encoders.Mine
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "dino"}, "did you mean 'dinov2'"),
        ({"encoder": "json:JSONDecoder"}, "must be a class derived from"),
        ({"encoder_options": {"colour": 1}}, "Unknown option 'colour' of encoder DinoV2"),
        ({"encoder_options": {"channels": -64}}, "channels must be a multiple of 64"),
        ({"encoder_options": {"channels": 64 * 10**12, "num_blocks": 1}}, "cannot be built"),
    ],
)
def test_options_that_no_model_can_have(tmp_path, options: dict, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        load_model(own_file(tmp_path / "m.safetensors", **options), device="cpu")
    assert str(tmp_path / "m.safetensors") in str(caught.value)


def test_heads_without_their_first_weight(tmp_path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={METADATA_KEY: "{}"})
    with pytest.raises(WeightsError, match=r"m\.safetensors is not a complete MicKey"):
        load_model(path, device="cpu")
