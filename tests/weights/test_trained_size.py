"""The image size that weights were trained on decides to which size larger images are shrunk."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from test_network import tiny_model

from mickey_hloc.confs import mickey_conf, mickey_conf_with
from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.checkpoints import save_model
from mickey_hloc.weights.metadata import trained_size_px


def saved(folder: Path, size: int | None) -> Path:
    return save_model(tiny_model(training_size_px=size), folder / f"s{size}.safetensors", include_encoder=True)


def size_of(conf: dict) -> int | None:
    return conf["preprocessing"].get("resize_max")


def test_published_weights_are_known_without_a_download() -> None:
    assert trained_size_px("mickey") == trained_size_px("mickey_sc") == 720
    assert size_of(mickey_conf()) == 720


def test_ours_say_it_themselves(tmp_path: Path) -> None:
    assert trained_size_px(saved(tmp_path, 320)) == 320
    assert size_of(mickey_conf(saved(tmp_path, 320))) == 320
    assert size_of(mickey_conf(saved(tmp_path, None))) is None
    save_file({"a": torch.zeros(1)}, tmp_path / "old.safetensors", metadata={"mickey_hloc": "{}"})
    assert trained_size_px(tmp_path / "old.safetensors") == 720
    assert size_of(mickey_conf(saved(tmp_path, 320), resize_max=200)) == 200


def test_a_conf_for_other_weights_takes_their_size_unless_it_is_for_another_one(tmp_path: Path) -> None:
    weights = saved(tmp_path, 320)
    assert size_of(mickey_conf_with(mickey_conf(), weights, None)) == 320
    assert size_of(mickey_conf_with(mickey_conf(resize_max=1024), weights, None)) == 1024
    assert mickey_conf_with(mickey_conf(), None, None) == mickey_conf()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(WeightsError, match="not a checkpoint of this package"):
        trained_size_px(tmp_path / "text.safetensors")
