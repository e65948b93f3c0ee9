"""The image size that weights were trained on decides to which size larger images are shrunk."""

from pathlib import Path

from support.networks import save_tiny_model

from mickey_hloc.features.mickey import MickeyExtractor


def test_a_part_for_other_weights_takes_their_size_unless_it_is_told_another_one(tmp_path: Path) -> None:
    weights = str(save_tiny_model(tmp_path, 320))
    assert MickeyExtractor(weights=weights).preprocessing.resize_max == 320
    assert MickeyExtractor(weights=weights, preprocessing={"resize_max": 1024}).preprocessing.resize_max == 1024
    assert MickeyExtractor(weights="small").preprocessing.resize_max == 640
