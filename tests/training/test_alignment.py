"""The warm-up by known relative poses, on rendered rooms whose depth is known exactly."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from mickey_hloc.datasets.synthetic import SyntheticRooms
from mickey_hloc.errors import InputError
from mickey_hloc.geometry import backproject, project
from mickey_hloc.model.mickey import MetricKeypoints
from mickey_hloc.rooms import PairOptions
from mickey_hloc.training.alignment import (
    AlignmentLoss,
    AlignmentOptions,
    alignment_loss,
    log_ratio,
    mutual_matches,
)

OPTIONS = AlignmentOptions(steps=1, line_step=1)


def rendered_matches(seed: int = 3) -> tuple[MetricKeypoints, MetricKeypoints, Tensor, dict[str, Tensor]]:
    """Keypoints of view 0 on a grid with their true depth, where they lie in view 1, and certain matches."""
    views = PairOptions(baseline_m=(0.3, 0.6), rotation_deg=(5.0, 15.0), overlap=(0.6, 0.95))
    item = SyntheticRooms(10, seed, (160, 120), views)[0]
    v, u = torch.meshgrid(torch.arange(4, 120, 12), torch.arange(4, 160, 12), indexing="ij")
    keypoints = torch.stack([u, v], dim=-1).reshape(1, -1, 2).double()
    depths = item["depth0"][v, u].reshape(1, -1).double()
    pose = {key: item[key].double()[None] for key in ("K0", "K1", "R", "t")}
    carried = backproject(keypoints, depths, pose["K0"]) @ pose["R"].transpose(1, 2) + pose["t"][:, None]
    N = keypoints.shape[1]
    scores, descriptors = torch.full((1, N), 1.0 / N).double(), torch.zeros(1, 4, N).double()
    a = MetricKeypoints(keypoints, depths, scores, descriptors, tuple(v.shape))
    b = MetricKeypoints(project(carried, pose["K1"]), carried[..., 2], scores, descriptors, tuple(v.shape))
    assert bool((carried[..., 2] > 0.1).all())
    return a, b, 0.9 * torch.eye(N).double()[None], pose


def loss_of(
    a: MetricKeypoints, b: MetricKeypoints, P: Tensor, pose: dict[str, Tensor], **options: Any
) -> AlignmentLoss:
    o = dataclasses.replace(OPTIONS, **options)
    return alignment_loss(a, b, P, (pose["K0"], pose["K1"]), (pose["R"], pose["t"]), o)


def test_true_matches_with_true_depths_cost_nothing() -> None:
    a, b, P, pose = rendered_matches()
    parts = loss_of(a, b, P, pose)
    assert float(parts.depth) < 1e-6
    assert float(parts.offset) < 1e-6
    assert float(parts.possible) == 1.0
    assert float(parts.matching) == pytest.approx(-torch.tensor(0.9).log().item(), abs=1e-4)
    assert float(parts.score) < 1e-3


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_depths_find_back_to_the_true_scale(factor: float) -> None:
    a, b, P, pose = rendered_matches()
    log_scale = torch.tensor(factor, dtype=torch.float64).log().requires_grad_()
    optimizer = torch.optim.Adam([log_scale], lr=0.02)
    for _ in range(150):
        scaled = [dataclasses.replace(k, depths=k.depths * log_scale.exp()) for k in (a, b)]
        optimizer.zero_grad()
        loss_of(*scaled, P, pose).depth.backward()
        optimizer.step()
    assert float(log_scale.detach().exp()) == pytest.approx(1.0, abs=0.03)


def test_partners_become_likelier_only_where_the_pose_allows_them() -> None:
    a, b, P, pose = rendered_matches()
    good = loss_of(a, b, P, pose, matching="partner")
    assert float(good.matching) == pytest.approx(-torch.tensor(0.9).log().item(), abs=1e-4)
    rolled = P.roll(1, dims=2)
    bad = loss_of(a, b, rolled, pose, matching="partner", epipolar_px=1.0)
    share = float(bad.possible)
    wanted = -(share * torch.tensor(0.9).log() + (1 - share) * torch.tensor(0.1).log())
    assert float(bad.matching) == pytest.approx(wanted.item(), rel=1e-3)
    logits = torch.logit(rolled.clamp(1e-6, 1 - 1e-6)).requires_grad_()
    loss_of(a, b, torch.sigmoid(logits), pose, matching="partner", epipolar_px=1.0).matching.backward()
    chosen = logits.grad[rolled > 0.5]
    assert int((chosen > 0).sum()) == round((1 - share) * len(chosen))  # less likely where the pose forbids the match
    assert int((chosen < 0).sum()) == round(share * len(chosen))


def test_depth_steps_leave_the_matching_out() -> None:
    a, b, P, pose = rendered_matches()
    K, motion = (pose["K0"], pose["K1"]), (pose["R"], pose["t"])
    whole = alignment_loss(a, b, P, K, motion, OPTIONS)
    part = alignment_loss(a, b, P, K, motion, OPTIONS, learn_matching=False)
    assert float(part.matching) == float(part.score) == 0.0
    for name in ("depth", "offset", "possible"):
        assert float(getattr(part, name)) == float(getattr(whole, name))


def test_wrong_matches_teach_no_depth_but_cost_matching() -> None:
    a, b, P, pose = rendered_matches()
    rolled = P.roll(1, dims=2)  # every keypoint is matched with its neighbour's partner, off the epipolar line mostly
    right, wrong = loss_of(a, b, P, pose), loss_of(a, b, rolled, pose, epipolar_px=1.0)
    assert float(wrong.possible) < 0.5
    assert float(wrong.matching) > 3.0 + float(right.matching)
    half_wrong = P.clone()
    half_wrong[:, :, : P.shape[2] // 2] = 0.0
    assert float(loss_of(a, b, half_wrong, pose).score) > 0.5


def test_no_match_is_no_loss_and_a_finite_gradient() -> None:
    a, b, P, pose = rendered_matches()
    depths = a.depths.clone().requires_grad_()
    probability = torch.full_like(P, 1e-4).requires_grad_()
    parts = loss_of(dataclasses.replace(a, depths=depths), b, probability, pose)
    parts.total(OPTIONS).backward()
    assert float(parts.depth) == 0.0
    assert float(parts.score) == pytest.approx(0.0, abs=1e-6)  # nothing is known of any keypoint: all alike
    assert depths.grad is not None
    assert bool(torch.isfinite(depths.grad).all())


def test_log_ratio_of_useless_depths_is_finite() -> None:
    estimated = torch.tensor([-1.0, 0.0, 1.0, 2.0], requires_grad=True)
    known = torch.tensor([True, True, True, False])
    loss = log_ratio(estimated, torch.tensor([1.0, 1.0, 2.0, torch.nan]), known)
    loss.sum().backward()
    assert torch.allclose(loss, torch.tensor([10.0, 10.0, 2.0, 1.0]).log())
    assert estimated.grad is not None
    assert estimated.grad.tolist() == [0.0, 0.0, -1.0, 0.0]


def test_mutual_matches() -> None:
    P = torch.tensor([[[0.5, 0.2, 0.0], [0.6, 0.1, 0.0], [0.0, 0.0, 0.04]]])
    partner, looked_at = mutual_matches(P, 0.05)
    assert partner.tolist() == [[0, 0, 2]]
    assert looked_at.tolist() == [[False, True, False]]


def test_options_are_checked() -> None:
    for wrong in ({"steps": -1}, {"weight_after": -1.0}, {"epipolar_px": 0.0}, {"near_m": 2.0, "far_m": 1.0}):
        with pytest.raises(InputError, match="alignment"):
            AlignmentOptions(**wrong)
