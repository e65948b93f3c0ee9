"""Evidence together: the mean by certainty, contradictions said, weakness said."""

import math

import pytest

from mickey_hloc.metric.evidence import ScaleEvidence, combine


def evidence(scale: float, std: float, what: str = "", **more: str) -> ScaleEvidence:
    return ScaleEvidence("depth", what, math.log(scale), std, **more)


def test_one_piece_is_the_scale_itself() -> None:
    found = combine([evidence(2.0, 0.01)])
    assert found.scale == pytest.approx(2.0)
    assert found.relative_std == pytest.approx(0.01)
    assert found.interval_95 == pytest.approx(found.evidence[0].interval_95)
    assert not found.disagreements
    assert not found.weakness
    assert found.residuals == pytest.approx((0.0,))


def test_the_surer_piece_counts_more_and_both_narrow_the_interval() -> None:
    found = combine([evidence(2.0, 0.01), evidence(2.02, 0.02)])
    assert 2.0 < found.scale < 2.01
    assert found.relative_std < 0.01
    assert not found.disagreements


def test_pieces_that_contradict_are_named_and_widen_the_interval() -> None:
    found = combine([evidence(2.0, 0.01, "sensor"), evidence(2.2, 0.01, "tape"), evidence(2.01, 0.01, "gps")])
    assert len(found.disagreements) == 2
    assert all("depth tape" in sentence for sentence in found.disagreements)
    assert "10.0% apart" in found.disagreements[0]
    assert found.relative_std > 0.01


def test_what_contradicts_the_model_is_a_disagreement_too() -> None:
    assert combine([evidence(2.0, 0.01, contradiction="axes swapped")]).disagreements == ("axes swapped",)


def test_weak_evidence_is_said_to_be_weak() -> None:
    assert "95 % interval reaches" in combine([evidence(2.0, 0.3)]).weakness
    assert combine([evidence(2.0, 0.01, weakness="one image")]).weakness == "one image"
    assert combine([evidence(2.0, 0.01, weakness="one image"), evidence(2.0, 0.01)]).weakness == ""
    with pytest.raises(ValueError, match="needs evidence"):
        combine([])
