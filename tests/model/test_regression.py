"""Relative-pose regression: three forms of a pose, their gradients, what the network sees."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mickey_hloc.errors import InputError
from mickey_hloc.geometry import rotation_angle_deg
from mickey_hloc.model.regression import (
    ANGLES,
    BINS,
    FORMS,
    OUTPUTS,
    POINTS,
    PoseRegressor,
    RegressionOptions,
    pose_from_6d,
    pose_from_angles,
    pose_from_points,
)

TINY = RegressionOptions(
    encoder="convolutional",
    encoder_options={"widths": [8, 8, 8], "blocks": [0, 0, 0], "context_widths": [], "context_blocks": []},
    channels=8,
    widths=(8, 8),
    hidden=16,
    size_wh=(64, 48),
)


def rotations(count: int) -> torch.Tensor:
    return torch.from_numpy(Rotation.random(count, random_state=3).as_matrix())


def test_6d_is_the_rotation_of_its_columns() -> None:
    R, t = rotations(5), torch.randn(5, 3).double()
    values = torch.cat([R[:, :, 0] * 3, R[:, :, 1] + 0.7 * R[:, :, 0], t], dim=1)
    found_R, found_t = pose_from_6d(values)
    torch.testing.assert_close(found_R, R)
    torch.testing.assert_close(found_t, t)


def test_angles_are_those_of_their_bins_also_at_the_end_of_the_circle() -> None:
    angles = torch.tensor([[0.0, 0.0, 0.0, 0.3, -0.2], [math.pi - 0.01, 0.4, -1.0, -2.0, 0.5]]).double()
    bins = (torch.arange(BINS) - BINS // 2) * (2 * math.pi / BINS)
    logits = 60 * torch.cos(angles[..., None] - bins)  # a peak between bins, over the end where the angle is pi
    length = torch.tensor([[0.7], [2.0]]).double()
    values = torch.cat([logits.flatten(1), torch.expm1(length).log()], dim=1)
    R, t = pose_from_angles(values)
    for row, (yaw, pitch, roll, azimuth, elevation) in enumerate(angles.tolist()):
        expected = Rotation.from_euler("YXZ", [yaw, pitch, roll]).as_matrix()
        np.testing.assert_allclose(R[row].numpy(), expected, atol=1e-3)
        direction = [
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
            math.cos(elevation) * math.cos(azimuth),
        ]
        np.testing.assert_allclose(t[row].numpy(), length[row].item() * np.array(direction), atol=1e-3)


def test_points_are_moved_by_their_rigid_motion() -> None:
    R, t = rotations(4), torch.randn(4, 3).double()
    X = torch.randn(4, POINTS, 3).double()
    values = torch.cat([X.flatten(1), (X @ R.mT + t[:, None]).flatten(1)], dim=1)
    found_R, found_t = pose_from_points(values)
    torch.testing.assert_close(found_R, R)
    torch.testing.assert_close(found_t, t)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_of_every_form(form: str) -> None:
    torch.manual_seed(1)
    values = torch.randn(2, OUTPUTS[form], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(FORMS[form], (values,), atol=1e-5)
    assert OUTPUTS["angles"] == ANGLES * BINS + 1


@pytest.mark.parametrize("form", FORMS)
def test_the_network_gives_rigid_motions_for_images_of_any_size(form: str) -> None:
    torch.manual_seed(0)
    network = PoseRegressor(dataclasses.replace(TINY, form=form)).eval().requires_grad_(False)
    R, t = network(torch.rand(2, 3, 50, 67), torch.rand(2, 3, 72, 41))
    torch.testing.assert_close(R @ R.mT, torch.eye(3).expand(2, 3, 3), atol=1e-5, rtol=0)
    assert t.shape == (2, 3)
    assert float(rotation_angle_deg(R).max()) < 20  # begins near no motion
    assert float(t.norm(dim=1).max()) < 1


def test_which_image_is_first_matters_and_where_things_are() -> None:
    torch.manual_seed(0)
    network = PoseRegressor(TINY).eval()
    images = torch.rand(2, 1, 3, 48, 64)
    one, other = network(*images)[1], network(*images.flip(0))[1]
    assert not torch.allclose(one, other)
    mirrored = network(images[0].flip(-1), images[1].flip(-1))[1]
    assert not torch.allclose(one, mirrored)


def test_a_frozen_encoder_stays_as_it_is() -> None:
    network = PoseRegressor(dataclasses.replace(TINY, encoder="xfeat", encoder_options={})).train()
    assert network.project.training
    assert not any(module.training for module in network.encoder.modules())
    assert not any(parameter.requires_grad for parameter in network.encoder.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "quaternion"}, "form"),
        ({"widths": ()}, "widths"),
        ({"channels": 0}, "channels"),
        ({"hidden": 0}, "hidden"),
    ],
)
def test_wrong_options_are_one_sentence(options: dict, message: str) -> None:
    from mickey_hloc.registry import make_options

    with pytest.raises(InputError, match=message):
        make_options(RegressionOptions, options, "the network")


def test_one_line_names_an_encoder_of_timm() -> None:
    options = RegressionOptions(encoder="timm:vit_small_patch14_dinov2.lvd142m", encoder_options={"num_blocks": 1})
    assert options.encoder == "timm"
    assert PoseRegressor(options).encoder.channels == 384
