"""Focal lengths other than the training's: the factor of the depths, what a user is told, and the corrections."""

import warnings

import pytest
import torch
from torch import Tensor

from mickey_hloc.model.focal import WARN_RATIO, focal_note, focal_ratio, metric_keypoints
from mickey_hloc.model.mickey import MetricKeypoints
from mickey_hloc.model.options import MicKeyOptions

K = torch.tensor([[1000.0, 0, 400], [0, 1000, 300], [0, 0, 1]])


def test_the_factor_is_the_focal_length_at_the_networks_resolution_over_the_trainings() -> None:
    assert focal_ratio(1000.0, 500.0) == 2.0
    assert focal_ratio(1000.0, 500.0, network_scale=0.5) == 1.0
    assert focal_ratio(300.0, 600.0, 0.5) == 0.25
    assert focal_ratio(1000.0, None) is focal_ratio(1000.0, None, 0.5) is None


def test_depths_of_a_pinhole_become_true() -> None:
    """An object of 1 m at 4 m; the network takes it for one seen at 500 px."""
    f, f_train, size_m, z = 800.0, 500.0, 1.0, 4.0
    covered_px = f * size_m / z
    seen = f_train * size_m / covered_px
    ratio = focal_ratio(f, f_train)
    assert ratio is not None
    assert seen * ratio == pytest.approx(z)


@pytest.mark.parametrize("ratio", [None, 1.0, WARN_RATIO, 1 / WARN_RATIO, 0.9])
def test_nothing_is_said_near_the_training(ratio: float | None) -> None:
    assert focal_note(ratio, 500.0) is None
    assert focal_note(ratio, None) is None


@pytest.mark.parametrize(("ratio", "focal", "times"), [(2.0, "1000 px", "0.50 times"), (0.5, "250 px", "2.00 times")])
def test_a_note_says_how_wrong_the_depths_are(ratio: float, focal: str, times: str) -> None:
    note = focal_note(ratio, 500.0)
    assert note is not None
    for part in (focal, "learned depth at 500 px", times, "choose a focal correction"):
        assert part in note
    assert focal_note(WARN_RATIO * 1.001, 500.0) is not None
    assert focal_note(0.999 / WARN_RATIO, 500.0) is not None


class OneKeypoint(torch.nn.Module):
    """Stands for a network: one keypoint in the middle, 2 m away; remembers what size it saw."""

    device = torch.device("cpu")

    def __init__(self, training_focal_px: float | None = 500.0) -> None:
        super().__init__()
        self.options = MicKeyOptions(training_focal_px=training_focal_px)

    def forward(self, images: Tensor) -> MetricKeypoints:
        self.seen = tuple(images.shape[-2:])
        centre = torch.tensor([[[(self.seen[1] - 1) / 2, (self.seen[0] - 1) / 2]]])
        return MetricKeypoints(centre, torch.full((1, 1), 2.0), torch.ones(1, 1), torch.ones(1, 4, 1), (1, 1))


@pytest.mark.parametrize(
    ("correction", "resize_max", "depth", "seen"),
    [
        ("depth", None, 4.0, (600, 800)),
        ("depth", 400, 2.0, (300, 400)),
        ("resize", None, 2.0, (300, 400)),
        ("resize", 100, 2.0, (300, 400)),
        ("none", 400, 2.0, (300, 400)),
    ],
)
def test_corrections_say_nothing(correction: str, resize_max: int | None, depth: float, seen: tuple[int, int]) -> None:
    model = OneKeypoint()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metric_keypoints(model, torch.rand(1, 3, 600, 800), K, correction, resize_max)
    assert float(found.depths) == depth
    assert model.seen == seen
    torch.testing.assert_close(found.keypoints[0, 0], torch.tensor([399.5, 299.5]))


def test_an_uncorrected_depth_is_as_it_is_and_the_user_is_told() -> None:
    image = torch.rand(1, 3, 600, 800)
    with pytest.warns(UserWarning, match=r"focal length is 1000 px.*0\.50 times"):
        assert float(metric_keypoints(OneKeypoint(), image, K).depths) == 2.0


@pytest.mark.parametrize("correction", ["none", "depth", "resize"])
def test_a_model_for_all_focal_lengths_is_never_corrected(correction: str) -> None:
    model = OneKeypoint(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(metric_keypoints(model, torch.rand(1, 3, 600, 800), K, correction).depths) == 2.0
    assert model.seen == (600, 800)
