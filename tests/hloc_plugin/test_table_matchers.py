"""Every matcher of the paper's tables: its name resolves, its adapter works, and missing weights are one sentence."""

import socket
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml

from mickey_hloc.errors import MickeyHlocError
from mickey_hloc.features import get_extractor
from mickey_hloc.matching import Matcher
from mickey_hloc.pair_models import PairModel, get_pair_model
from mickey_hloc.two_view.method import Method

GRIDS = Path(__file__).parents[2] / "configs" / "ablation"
METHODS = {
    label: entry
    for grid in ("table1.yaml", "table2.yaml", "table3.yaml")
    for label, entry in yaml.safe_load((GRIDS / grid).read_text())["methods"].items()
    if "matcher" in entry and entry["matcher"] != "nn-ratio"
}
VISMATCH = sorted(
    {entry["matcher"].removeprefix("vismatch-") for entry in METHODS.values() if "vis" in entry["matcher"]}
)

# The tables are written for upstream hloc.
OTHER_NAMES = {"imcui.hloc": {"disk+lightglue": "disk-lightglue"}}


def name_in(host: ModuleType, matcher: str) -> str:
    return OTHER_NAMES.get(host.__name__, {}).get(matcher, matcher)


def matching_in(host: ModuleType, label: str) -> Matcher | PairModel:
    return Method(matcher=name_in(host, METHODS[label]["matcher"]), hloc=host.__name__).find_matching()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights in any cache, and no way to them."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def test_the_tables_have_the_papers_matchers() -> None:
    assert {"SiLK", "DISK", "DeDoDe", "SuperPoint-SuperGlue", "DISK-LightGlue", "LoFTR", "ASpanFormer", "RoMa"} <= set(
        METHODS
    )


@pytest.mark.parametrize("label", METHODS)
def test_names_resolve(host: ModuleType, label: str) -> None:
    entry = METHODS[label]
    matching = matching_in(host, label)
    assert matching.tag()
    if "feature" in entry:
        assert isinstance(matching, Matcher)
        assert get_extractor(entry["feature"], host.__name__).conf["model"]["name"] == entry["feature"]
    elif entry["matcher"].startswith("vismatch-"):
        assert f"vismatch-{matching.options.matcher}" == entry["matcher"]
    else:
        assert isinstance(matching, PairModel)
        assert matching.identity()["host"] == host.__name__


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("label", [label for label in METHODS if METHODS[label]["matcher"] != "nn-mutual"])
def test_what_is_missing_is_one_sentence(host: ModuleType, label: str) -> None:
    """Weights by their address, or the package that the network needs."""
    matching = matching_in(host, label)
    with pytest.raises(MickeyHlocError) as caught:
        _ = matching.matcher if METHODS[label]["matcher"].startswith("vismatch-") else matching.model
    message = str(caught.value)
    assert "\n" not in message
    assert "https://" in message or "pip install" in message, message


@pytest.mark.parametrize("name", VISMATCH)
def test_the_adapter_on_a_network_of_the_real_interface(
    host: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matcher that derives from vismatch's own base class and finds what the images say."""
    vismatch = pytest.importorskip("vismatch", reason="vismatch is not installed")
    assert name in vismatch.available_models

    class Bright(vismatch.BaseMatcher):
        """The brightest pixel of each image, as (x, y)."""

        def _forward(self, img0: torch.Tensor, img1: torch.Tensor) -> tuple[object, ...]:
            places = [np.unravel_index(int(i.sum(0).argmax()), i.shape[-2:])[::-1] for i in (img0, img1)]
            found = [np.array([p], dtype=np.float32) for p in places]
            return found[0], found[1], found[0], found[1], None, None, np.array([0.75], dtype=np.float32)

    monkeypatch.setattr(vismatch, "get_matcher", lambda chosen, device, **_: Bright(device) if chosen == name else None)
    matcher = get_pair_model(f"vismatch-{name}", host.__name__)
    image0, image1 = torch.zeros(2, 3, 56, 72)
    image0[:, 11, 23], image1[:, 40, 5] = 1.0, 1.0
    found = matcher.match(image0, image1)
    assert found.keypoints0.tolist() == [[23.0, 11.0]]
    assert found.keypoints1.tolist() == [[5.0, 40.0]]
    assert found.scores.tolist() == [0.75]


def test_loftr_with_random_weights(host: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole network and hloc's adapter; only the download is replaced."""
    loftr = pytest.importorskip("kornia.feature.loftr.loftr")
    torch.manual_seed(0)
    state = {"state_dict": loftr.LoFTR(pretrained=None).state_dict()}
    monkeypatch.setattr(loftr, "load_state_dict_from_url", lambda *_, **__: state)
    matcher = get_pair_model("loftr", host.__name__)
    image0, image1 = torch.rand(2, 1, 96, 128)
    found = matcher.match(image0, image1)
    assert found.keypoints0.shape == found.keypoints1.shape == (len(found.scores), 2)
    for keypoints in (found.keypoints0, found.keypoints1):
        assert bool(((keypoints >= -8) & (keypoints <= torch.tensor([136.0, 104.0]))).all())
