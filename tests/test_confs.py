"""The image size that weights were trained on decides to which size larger images are shrunk."""

from pathlib import Path

from mickey_hloc.confs import mickey_conf, mickey_conf_with
from support.networks import tiny_model

from mickey_hloc.weights.checkpoints import save_model


def saved(folder: Path, size: int | None) -> Path:
    return save_model(tiny_model(training_size_px=size), folder / f"s{size}.safetensors", include_encoder=True)


def size_of(conf: dict) -> int | None:
    return conf["preprocessing"].get("resize_max")


def test_a_conf_has_the_size_of_its_weights(tmp_path: Path) -> None:
    assert size_of(mickey_conf()) == 720
    assert size_of(mickey_conf(saved(tmp_path, 320))) == 320
    assert size_of(mickey_conf(saved(tmp_path, None))) is None
    assert size_of(mickey_conf(saved(tmp_path, 320), resize_max=200)) == 200


def test_a_conf_for_other_weights_takes_their_size_unless_it_is_for_another_one(tmp_path: Path) -> None:
    weights = saved(tmp_path, 320)
    assert size_of(mickey_conf_with(mickey_conf(), weights, None)) == 320
    assert size_of(mickey_conf_with(mickey_conf(resize_max=1024), weights, None)) == 1024
    assert mickey_conf_with(mickey_conf(), None, None) == mickey_conf()
