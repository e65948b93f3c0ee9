"""Confs are generated from the parts; the size that weights were trained on is that to which larger images shrink."""

from pathlib import Path

import pytest
from support.networks import save_tiny_model

from mickey_hloc import extract_features, match_features, match_images
from mickey_hloc.features import get_extractor
from mickey_hloc.hloc_plugin.confs import dense_confs, feature_confs, matcher_confs, mickey_conf


def size_of(conf: dict) -> int | None:
    return conf["preprocessing"].get("resize_max")


def test_a_conf_has_the_size_of_its_weights(tmp_path: Path) -> None:
    assert size_of(mickey_conf()) == 720
    assert size_of(mickey_conf(save_tiny_model(tmp_path, 320))) == 320
    assert size_of(mickey_conf(save_tiny_model(tmp_path, None))) is None
    assert size_of(mickey_conf(save_tiny_model(tmp_path, 320), resize_max=200)) == 200


@pytest.mark.parametrize(("name", "size"), [("mickey", 320), ("mickey-1024", 1024)])
def test_a_conf_for_other_weights_takes_their_size_unless_it_is_for_another_one(
    name: str, size: int, tmp_path: Path
) -> None:
    weights = str(save_tiny_model(tmp_path, 320))
    assert get_extractor(name, weights=weights).preprocessing.resize_max == size
    conf = extract_features.get_conf(name, weights=weights)
    assert size_of(conf) == size
    assert extract_features.ExtractConf(**conf).extractor().preprocessing.resize_max == size


def test_a_conf_describes_the_part_it_was_made_from() -> None:
    """The same identity and the same names of files, in our confs and in hloc's."""
    for name, conf in extract_features.confs.items():
        part = get_extractor(name)
        again = extract_features.ExtractConf(**conf).extractor()
        assert (again.tag(), again.preprocessing) == (part.tag(), part.preprocessing)
        assert conf["output"] == f"feats-{part.tag()}"
    for name, conf in feature_confs().items():
        assert conf["output"] == extract_features.confs[name]["output"]
        assert size_of(conf) == size_of(extract_features.confs[name])
    for name, conf in matcher_confs().items():
        assert conf["output"] == match_features.confs[name]["output"]
    for name, conf in dense_confs().items():  # rounded for tracks, so another file than that of our step
        assert conf["output"] == f"{match_images.confs[name]['output']}-q{conf['max_error']}"


def test_every_model_of_ours_has_its_confs() -> None:
    assert {"mickey", "mickey-1024", "mickey-small", "mickey_sc"} <= set(feature_confs())
    assert {"mickey", "mickey-small", "mickey_sc"} == set(matcher_confs())
    assert {"vismatch-roma", "vismatch-sift-nn"} <= set(dense_confs())
