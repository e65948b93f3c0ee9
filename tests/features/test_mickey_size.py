"""The image size that weights were trained on decides to which size larger images are shrunk."""

from pathlib import Path

from support.networks import tiny_model

from mickey_hloc.features.mickey import MickeyExtractor
from mickey_hloc.hloc_plugin.confs import mickey_conf
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


def test_a_part_for_other_weights_takes_their_size_unless_it_is_told_another_one(tmp_path: Path) -> None:
    weights = str(saved(tmp_path, 320))
    assert MickeyExtractor(weights=weights).preprocessing.resize_max == 320
    assert MickeyExtractor(weights=weights, preprocessing={"resize_max": 1024}).preprocessing.resize_max == 1024
    assert MickeyExtractor(weights="small").preprocessing.resize_max == 640
