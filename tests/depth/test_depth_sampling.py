import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mickey_hloc.depth.sampling import pixel_grid, resize_depth_map, sample_depth_map, sample_truncated
from mickey_hloc.depth.scattered import interpolate_depths, typical_spacing
from mickey_hloc.geometry import resize_intrinsics

NAN = math.nan


def ramp(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return 1.0 + 0.1 * x + 0.05 * y


def test_bilinear_reproduces_a_linear_map_up_to_the_last_pixel() -> None:
    keypoints = torch.tensor([[0.0, 0.0], [6.0, 4.0], [2.25, 3.5], [5.999, 0.001], [6.0, 0.5]])
    expected = 1.0 + 0.1 * keypoints[:, 0] + 0.05 * keypoints[:, 1]
    torch.testing.assert_close(sample_depth_map(ramp(5, 7), keypoints), expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10_000))
def test_holes_never_bleed(height: int, width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    depth_map = 1 + torch.rand(height, width, generator=generator)
    bad = torch.tensor([NAN, 0.0, -3.0, math.inf])[torch.randint(4, (height, width), generator=generator)]
    depth_map = torch.where(torch.rand(height, width, generator=generator) < 0.5, bad, depth_map)
    keypoints = torch.rand(40, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    for depths in (sample_depth_map(depth_map, keypoints), sample_truncated(depth_map, keypoints)):
        known = depths[~depths.isnan()]
        assert bool(((known >= 1) & (known <= 2)).all())
    # a keypoint on a valid pixel gets exactly that pixel, whatever lies around it
    centres = pixel_grid((width, height))
    flat = depth_map.reshape(-1)
    valid = torch.isfinite(flat) & (flat > 0)
    torch.testing.assert_close(sample_depth_map(depth_map, centres)[valid], flat[valid], rtol=1e-6, atol=0)


def test_nearest_valid_of_four_at_holes() -> None:
    depth_map = torch.tensor([[1.0, NAN], [3.0, 4.0]])
    keypoints = torch.tensor([[0.4, 0.1], [0.9, 0.3], [0.9, 0.8]])
    torch.testing.assert_close(sample_depth_map(depth_map, keypoints), torch.tensor([1.0, 4.0, 4.0]))
    lonely = torch.tensor([[NAN, NAN, 2.0]])
    assert math.isnan(sample_depth_map(lonely, torch.tensor([[0.2, 0.0]])).item())


def test_outside_and_non_finite_keypoints_are_unknown() -> None:
    outside = torch.tensor([[-0.6, 0.0], [7.6, 0.0], [0.0, 4.6], [NAN, 1.0], [math.inf, 1.0]])
    assert bool(sample_depth_map(ramp(5, 7), outside).isnan().all())
    assert bool(sample_truncated(ramp(5, 7), outside).isnan().all())
    half_a_pixel = torch.tensor([[-0.5, -0.5], [6.5, 4.5]])  # the pixels' own area
    torch.testing.assert_close(
        sample_depth_map(ramp(5, 7), half_a_pixel), torch.tensor([1.0, ramp(5, 7)[-1, -1].item()])
    )
    assert sample_depth_map(ramp(5, 7), torch.zeros(0, 2)).shape == (0,)


@pytest.mark.parametrize("size", [(28, 20), (14, 10), (3, 4), (7, 5), (9, 10)])
def test_other_resolution_agrees_with_resized_intrinsics(size: tuple[int, int]) -> None:
    """The same ray must read the same depth: the scaling of pixels is that of K."""
    depth_map = ramp(5, 7)
    width, height = size
    keypoints = torch.tensor([[width / 2 - 0.5, height / 2 - 0.5], [width * 0.3, height * 0.6]])
    scale = resize_intrinsics(torch.eye(3), (width, height), (7, 5))
    in_map = keypoints @ scale[:2, :2].T + scale[:2, 2]
    expected = 1.0 + 0.1 * in_map[:, 0] + 0.05 * in_map[:, 1]
    torch.testing.assert_close(sample_depth_map(depth_map, keypoints, size), expected)


def test_resize_gives_the_image_size_and_keeps_the_unknown() -> None:
    depth_map = ramp(5, 7)
    depth_map[2, 3] = 0
    same = resize_depth_map(depth_map, (7, 5))
    assert math.isnan(same[2, 3].item())
    assert int(same.isnan().sum()) == 1
    assert resize_depth_map(depth_map, (21, 16)).shape == (16, 21)
    torch.testing.assert_close(resize_depth_map(torch.full((1, 1), 2.0), (3, 2)), torch.full((2, 3), 2.0))


def test_truncated_reads_the_pixel_that_contains_the_coordinates() -> None:
    torch.testing.assert_close(sample_truncated(ramp(5, 7), torch.tensor([[2.9, 3.9]])), ramp(5, 7)[3, 2][None])


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="keypoints"):
        sample_depth_map(ramp(5, 7), torch.zeros(3))
    with pytest.raises(ValueError, match="depth_map"):
        sample_depth_map(torch.zeros(0, 4), torch.zeros(1, 2))


def jittered_grid(rows: int, columns: int, generator: torch.Generator) -> torch.Tensor:
    """Keypoints as MicKey places them: anywhere in their 14 x 14 cell."""
    cells = pixel_grid((columns, rows))
    return 14 * (cells + torch.rand(cells.shape, generator=generator))


def test_scattered_samples_are_met_exactly_and_planes_reproduced() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = jittered_grid(12, 9, generator)
    depths = 2 + 0.01 * samples[:, 0] - 0.004 * samples[:, 1]
    torch.testing.assert_close(interpolate_depths(samples, depths, samples), depths)
    inner = 28 + torch.rand(500, 2, generator=generator) * torch.tensor([60.0, 100.0])
    expected = 2 + 0.01 * inner[:, 0] - 0.004 * inner[:, 1]
    error = (interpolate_depths(samples, depths, inner) - expected).abs()
    assert error.max() < 0.02  # 14 px of this slope are 0.14 m


def test_scattered_is_the_same_in_any_order_and_split() -> None:
    generator = torch.Generator().manual_seed(1)
    samples = jittered_grid(20, 20, generator)
    depths = 1 + torch.rand(400, generator=generator)
    query = torch.rand(3000, 2, generator=generator) * 280
    whole = interpolate_depths(samples, depths, query)
    one_by_one = torch.cat([interpolate_depths(samples, depths, q[None]) for q in query[:50]])
    torch.testing.assert_close(whole[:50], one_by_one)
    flipped = interpolate_depths(samples.flip(0), depths.flip(0), query.flip(0)).flip(0)
    torch.testing.assert_close(whole, flipped)
    assert bool(((whole >= 1) & (whole <= 2)).all())


def test_scattered_surface_has_no_steps() -> None:
    generator = torch.Generator().manual_seed(2)
    samples = jittered_grid(10, 10, generator)
    depths = 1 + torch.rand(100, generator=generator)
    line = torch.stack([torch.linspace(20, 120, 4000), torch.full((4000,), 66.0)], dim=1)
    jumps = interpolate_depths(samples, depths, line).diff().abs()
    assert jumps.max() < 0.05  # neighbours differ by up to 1 m; a step of 0.025 px must not


def test_scattered_unusable_samples_and_distance() -> None:
    samples = torch.tensor([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [200.0, 0.0]])
    depths = torch.tensor([1.0, -2.0, 3.0, NAN])
    query = torch.tensor([[10.0, 0.0], [10.0, 1.0], [200.0, 1.0], [NAN, 0.0], [0.0, 0.0]])
    result = interpolate_depths(samples, depths, query, max_distance_px=30.0)
    assert math.isnan(result[0].item())  # a keypoint's own depth counts, also when it is unusable
    assert 1.0 <= result[1].item() <= 3.0
    assert bool(result[2:4].isnan().all())
    assert result[4].item() == 1.0
    nothing = interpolate_depths(samples, torch.full((4,), NAN), query)
    assert bool(nothing.isnan().all())
    assert interpolate_depths(samples, depths, torch.zeros(0, 2)).shape == (0,)
    assert interpolate_depths(torch.zeros(0, 2), torch.zeros(0), query).isnan().all()


def test_one_sample_gives_its_depth() -> None:
    result = interpolate_depths(torch.tensor([[5.0, 5.0]]), torch.tensor([2.0]), torch.tensor([[6.0, 7.0]]))
    torch.testing.assert_close(result, torch.tensor([2.0]))
    assert typical_spacing(torch.tensor([[5.0, 5.0]])) == math.inf


def test_spacing_of_a_grid_and_of_a_row() -> None:
    assert typical_spacing(14 * pixel_grid((10, 10))) == pytest.approx(14)
    assert typical_spacing(14 * pixel_grid((10, 1))) == pytest.approx(14)
