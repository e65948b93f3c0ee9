"""Focal lengths other than the training's: the factor of the depths, what a user is told, and the corrections."""

import pytest

from mickey_hloc.model.focal import WARN_RATIO, focal_note, focal_ratio


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
