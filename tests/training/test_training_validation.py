"""Judging poses and depths, and the baselines beside a model."""

import numpy as np
import pycolmap
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.model.mickey import MicKey, MicKeyOptions
from mickey_hloc.solvers import get_solver
from mickey_hloc.training.baselines import ROWS, best_constant, judge_with_baselines
from mickey_hloc.training.options import ValidationOptions
from mickey_hloc.training.validation import PairJudgement, depth_figures, depth_samples, judge_pair, summarise

NO_DEPTHS = np.zeros((0, 3))


def item(R: torch.Tensor, t: torch.Tensor) -> dict[str, object]:
    K = torch.tensor([[260.0, 0, 159.5], [0, 260.0, 119.5], [0, 0, 1]])
    return {"R": R, "t": t, "K0": K, "K1": K, "index": 4}


def pose(R: torch.Tensor, t: torch.Tensor) -> RelativePose:
    rotation = pycolmap.Rotation3d(R.double().numpy())
    return RelativePose(True, pycolmap.Rigid3d(rotation, t.double().numpy()), confidence=0.5)


def test_true_pose_has_no_error_and_a_moved_one_has_its_own() -> None:
    g = torch.Generator().manual_seed(0)
    A = torch.randn(3, 3, generator=g) * 0.2
    R, t = torch.linalg.matrix_exp(A - A.T), torch.randn(3, generator=g)
    right = judge_pair(pose(R, t), item(R, t), (320, 240))
    assert right.index == 4
    assert right.vcre_px < 1e-2
    assert right.translation_m < 1e-6
    moved = judge_pair(pose(R, t + R @ torch.tensor([0.1, 0.0, 0.0])), item(R, t), (320, 240))
    assert moved.translation_m == pytest.approx(0.1, abs=1e-5)
    assert moved.rotation_deg < 1e-3
    assert 5 < moved.vcre_px < 20  # 10 cm at 2 to 4 m and 260 px focal length
    assert moved.vcre_share == pytest.approx(moved.vcre_px / 400)
    failed = judge_pair(RelativePose.failure("none"), item(R, t), (320, 240))
    assert np.isinf([failed.vcre_px, failed.translation_m, failed.rotation_deg]).all()


def test_summary_counts_failures_as_wrong() -> None:
    judged = [
        PairJudgement(0, 10.0, 0.02, 0.1, 1.0, 0.9, NO_DEPTHS),
        PairJudgement(1, 30.0, 0.06, 0.5, 9.0, 0.6, NO_DEPTHS),
        PairJudgement(2, 90.0, 0.2, 0.2, 2.0, 0.3, NO_DEPTHS),
        PairJudgement(3, np.inf, np.inf, np.inf, np.inf, 0.0, NO_DEPTHS),
    ]
    s = summarise(judged, 0.1, 0.25, 5.0)
    assert (s["estimated"], s["vcre_precision"], s["pose_precision"]) == (0.75, 0.5, 0.5)
    assert s["vcre_auc"] == pytest.approx(0.25 + 0.25 + 0.25 * 2 / 3)
    assert s["median_vcre_px"] == 60.0
    assert "depth_rel_error" not in s


def test_depth_figures_use_the_confident_half() -> None:
    keypoints = torch.tensor([[0.2, 0.0], [1.4, 0.0], [2.0, 1.0], [3.0, 1.0], [9.0, 9.0]])
    truth = torch.tensor([[1.0, 2.0, 3.0, 4.0], [torch.nan, 2.0, 4.0, 8.0]])
    depths = torch.tensor([9.0, 2.2, 4.4, 8.8, 1.0])
    scores = torch.tensor([0.1, 0.3, 0.3, 0.3, 0.0])
    rows = depth_samples(keypoints, depths, scores, truth)
    assert rows[:, 1].tolist() == [1.0, 2.0, 4.0, 8.0]
    figures = depth_figures(rows)
    assert figures["depth_rel_error"] == pytest.approx(0.1)
    assert figures["depth_scale"] == pytest.approx(1.1)
    assert figures["depth_correlation"] == pytest.approx(1.0)
    constant = rows.copy()
    constant[:, 0] = 2.0
    assert depth_figures(constant)["depth_correlation"] == 0.0


@given(st.lists(st.floats(0.2, 10), min_size=1, max_size=30), st.floats(0.2, 10))
def test_no_constant_is_better_than_the_best(truths: list[float], other: float) -> None:
    d = np.array(truths)
    best = best_constant(d)
    assert np.mean(np.abs(best - d) / d) <= np.mean(np.abs(other - d) / d) + 1e-9


def test_baselines_have_every_row() -> None:
    torch.manual_seed(0)
    head = {"widths": [8, 8, 8, 8], "num_attention_layers": 1, "mlp_hidden": 8, "num_attention_heads": 2}
    heads = dict.fromkeys(("offset", "depth", "score", "descriptor"), head)
    encoder = {"widths": [8, 8, 8], "blocks": [0, 0, 0], "context_widths": [], "context_blocks": []}
    options = MicKeyOptions.from_dict({"encoder": "convolutional", "encoder_options": encoder, **heads})
    model = MicKey(options).eval()
    images = {f"image{side}": torch.rand(3, 120, 160) for side in (0, 1)}
    depth = {f"depth{side}": torch.full((120, 160), 2.0 + side) for side in (0, 1)}
    pair = {**item(torch.eye(3), torch.tensor([0.3, 0.0, 0.0])), **images, **depth}
    solver = get_solver("probabilistic", num_sets=2, num_samples=40, num_hypotheses=5)
    rows = judge_with_baselines(model, [pair], solver, ValidationOptions())
    assert tuple(rows) == ROWS
    assert rows["true depth"]["depth_rel_error"] == 0.0
    assert rows["constant depth"]["depth_correlation"] == 0.0
    assert rows["no motion"]["median_translation_m"] == pytest.approx(0.3)
