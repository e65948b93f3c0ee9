"""hloc's match_features with our matcher: the model's own dual softmax, from what is stored."""

from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
import torch
from support.hlocs import TinyConfs, write_texture

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.hloc_plugin import import_step
from mickey_hloc.hloc_plugin.confs import mickey_matcher_conf
from mickey_hloc.model.matching import mutual_nearest_neighbours
from mickey_hloc.weights.checkpoints import load_matcher

NAMES = ("a/landscape.jpg", "b/portrait.jpg")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matching")
    write_texture(folder / "images" / NAMES[0], 300, 210, seed=0)
    write_texture(folder / "images" / NAMES[1], 170, 260, seed=0)
    (folder / "pairs.txt").write_text(" ".join(NAMES))
    return folder


@pytest.fixture(scope="module")
def features(host: ModuleType, tiny: TinyConfs, folder: Path) -> Path:
    return import_step(host, "extract_features").main(tiny.feature, folder / "images", folder / host.__name__)


def match(host: ModuleType, conf: dict, folder: Path, features: Path) -> Path:
    path = features.with_name(f"{conf['output']}.h5")
    import_step(host, "match_features").main(conf, folder / "pairs.txt", features, matches=path)
    return path


def read_descriptors(features: Path) -> list[torch.Tensor]:
    with h5py.File(features) as file:
        return [torch.from_numpy(file[name]["descriptors"][()]).float() for name in NAMES]


def test_reproduces_the_models_matches(host: ModuleType, tiny: TinyConfs, folder: Path, features: Path) -> None:
    get_matches = import_step(host, "utils.io").get_matches
    path = match(host, tiny.matcher, folder, features)
    matches, scores = get_matches(path, *NAMES)

    a, b = read_descriptors(features)
    probability = load_matcher(tiny.matcher["model"]["weights"])(a[None], b[None])[0]
    expected, values = mutual_nearest_neighbours(probability)
    assert len(matches) > 20
    # Rounding may decide between two equally good partners, hence not all.
    same = set(map(tuple, matches.tolist())) & set(map(tuple, expected.tolist()))
    assert len(same) >= 0.99 * max(len(matches), len(expected))
    np.testing.assert_allclose(scores, probability[tuple(matches.T)], rtol=1e-3, atol=1e-7)  # float16
    assert values.max() == pytest.approx(scores.max(), rel=1e-3)

    reverse, _ = get_matches(path, *NAMES[::-1])
    np.testing.assert_array_equal(reverse, matches[:, ::-1])


def test_threshold_removes_the_improbable(host: ModuleType, tiny: TinyConfs, folder: Path, features: Path) -> None:
    get_matches = import_step(host, "utils.io").get_matches
    matches, scores = get_matches(match(host, tiny.matcher, folder, features), *NAMES)
    threshold = float(np.median(scores))
    conf = mickey_matcher_conf(tiny.matcher["model"]["weights"], threshold)
    assert conf["output"] != tiny.matcher["output"]  # other numbers, other file
    fewer, kept = get_matches(match(host, conf, folder, features), *NAMES)
    assert 0 < len(fewer) < len(matches)
    assert kept.min() >= threshold * 0.999


def test_the_dustbin_comes_from_the_weights(
    host: ModuleType, tiny: TinyConfs, folder: Path, features: Path, tmp_path: Path
) -> None:
    checkpoint = torch.load(tiny.matcher["model"]["weights"], weights_only=True)
    key = next(key for key in checkpoint["state_dict"] if key.endswith("dustbin_score"))
    checkpoint["state_dict"][key] += 5
    torch.save(checkpoint, tmp_path / "other.ckpt")
    get_matches = import_step(host, "utils.io").get_matches
    _, scores = get_matches(match(host, tiny.matcher, folder, features), *NAMES)
    conf = mickey_matcher_conf(tmp_path / "other.ckpt")
    _, other = get_matches(match(host, conf, folder, features), *NAMES)
    assert other.max() < scores.max()


def test_matcher_is_found_under_both_names(host: ModuleType) -> None:
    base = import_step(host, "utils.base_model")
    found = base.dynamic_load(import_step(host, "matchers"), "mickey_dual_softmax")
    assert issubclass(found, base.BaseModel)
    assert found.__module__ == f"{host.__name__}.matchers.mickey_dual_softmax"
    if host.__name__ == "hloc":  # imcui.hloc has its own matchers/mickey.py, which stays what it is
        assert issubclass(base.dynamic_load(import_step(host, "matchers"), "mickey"), base.BaseModel)


def test_wrong_conf_says_so_before_the_work(host: ModuleType, tiny: TinyConfs, folder: Path, features: Path) -> None:
    missing = mickey_matcher_conf(folder / "no.ckpt")
    with pytest.raises(WeightsError, match=r"no\.ckpt"):
        match(host, missing, folder, features)
    misspelt = {"output": "m", "model": {**tiny.matcher["model"], "treshold": 0.5}}
    with pytest.raises(InputError, match=r"'treshold'.*match_threshold"):
        match(host, misspelt, folder, features)
    extraction = {**tiny.feature, "output": "f", "model": {**tiny.feature["model"], "max_keypoints": 100}}
    with pytest.raises(InputError, match=r"'max_keypoints'.*precision"):
        import_step(host, "extract_features").main(extraction, folder / "images", folder / "wrong")
