"""Depth, poses and intrinsics of rendered rooms are exact; checked against a second ray caster and across views."""

import numpy as np
import pytest
from support.bare_rooms import bare_room, intrinsics, naive_depth, rays

from mickey_hloc.rooms import RenderedPair, render, sample_pair
from mickey_hloc.rooms.cameras import covisible, look
from mickey_hloc.rooms.scene import Box, Material

SIZE = (160, 120)


@pytest.fixture(scope="module", params=[0, 1, 2])
def pair(request: pytest.FixtureRequest) -> RenderedPair:
    return sample_pair(request.param, SIZE)


def carried(pair: RenderedPair) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (H, W, 2) of view 0 projected into view 1, and their depth there."""
    height, width = pair.view0.depth.shape
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
    homogeneous = np.concatenate([pixels, np.ones((height, width, 1))], axis=-1)
    points = homogeneous @ np.linalg.inv(pair.view0.K).T * pair.view0.depth[..., None].astype(np.float64)
    cam1_from_cam0 = pair.cam1_from_cam0
    image = (points @ cam1_from_cam0.rotation.matrix().T + cam1_from_cam0.translation) @ pair.view1.K.T
    return image[..., :2] / image[..., 2:], image[..., 2]


def four_neighbours(values: np.ndarray, pixels: np.ndarray) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Values of the pixels around positions (N, 2), and the bilinear weights along x and y."""
    column = np.clip(pixels[:, 0].astype(int), 0, values.shape[1] - 2)
    row = np.clip(pixels[:, 1].astype(int), 0, values.shape[0] - 2)
    corners = [values[row + j, column + i] for j in (0, 1) for i in (0, 1)]
    return corners, pixels[:, 0] - column, pixels[:, 1] - row


def test_depth_equals_a_naive_ray_caster(pair: RenderedPair) -> None:
    rng = np.random.default_rng(0)
    for view in (pair.view0, pair.view1):
        pixels = np.stack([rng.integers(SIZE[0], size=150), rng.integers(SIZE[1], size=150)], axis=1)
        centre, directions = rays(view.K, view.cam_from_world, pixels)
        expected = np.array([naive_depth(pair.room, centre, d) for d in directions])
        # A ray along an edge may hit either face: at most one of 150 here.
        wrong = np.abs(view.depth[pixels[:, 1], pixels[:, 0]] - expected) > 1e-5 * (1 + expected)
        assert wrong.mean() <= 0.01


def test_views_agree_within_a_millimetre(pair: RenderedPair) -> None:
    pixels, depth = carried(pair)
    seen = covisible(
        pair.view0.depth, pair.view0.K, pair.view1.depth, pair.view1.K, np.array(pair.cam1_from_cam0.matrix())
    )
    corners, a, b = four_neighbours(1.0 / pair.view1.depth.astype(np.float64), pixels[seen])
    # On a plane the inverse depth is linear in the image, so it interpolates exactly; edges are left out.
    flat = np.abs(corners[0] - corners[1] - corners[2] + corners[3]) < 1e-6
    inverse = (1 - b) * ((1 - a) * corners[0] + a * corners[1]) + b * ((1 - a) * corners[2] + a * corners[3])
    error = np.abs(1.0 / inverse - depth[seen])[flat]
    assert flat.mean() > 0.6
    assert (error < 1e-3).mean() > 0.99


def test_covisible_agrees_with_ray_casting(pair: RenderedPair) -> None:
    pixels, depth = carried(pair)
    seen = covisible(
        pair.view0.depth, pair.view0.K, pair.view1.depth, pair.view1.K, np.array(pair.cam1_from_cam0.matrix())
    )
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(SIZE[1], size=200), rng.integers(SIZE[0], size=200)
    chosen, z = pixels[rows, columns], depth[rows, columns]
    inside = (z > 0) & (chosen >= -0.5).all(axis=1) & (chosen <= np.array(SIZE) - 0.5).all(axis=1)
    centre, directions = rays(pair.view1.K, pair.view1.cam_from_world, chosen)
    truth = [
        bool(i) and naive_depth(pair.room, centre, d) > t - 1e-3 for i, d, t in zip(inside, directions, z, strict=True)
    ]
    assert (seen[rows, columns] == np.array(truth)).mean() > 0.97


def test_overlaps_are_the_shares_of_covisible_pixels(pair: RenderedPair) -> None:
    back = pair.cam1_from_cam0.inverse()
    views = (pair.view1, pair.view0)
    seen = covisible(views[0].depth, views[0].K, views[1].depth, views[1].K, np.array(back.matrix()))
    assert pair.overlap1 == pytest.approx(seen.mean(), abs=1e-3)


def test_colours_agree_between_views(pair: RenderedPair) -> None:
    pixels, _ = carried(pair)
    seen = covisible(
        pair.view0.depth, pair.view0.K, pair.view1.depth, pair.view1.K, np.array(pair.cam1_from_cam0.matrix())
    )
    corners, a, b = four_neighbours(pair.view1.image.astype(np.float64), pixels[seen])
    a, b = a[:, None], b[:, None]
    warped = (1 - b) * ((1 - a) * corners[0] + a * corners[1]) + b * ((1 - a) * corners[2] + a * corners[3])
    error = np.abs(warped - pair.view0.image[seen]).max(axis=1)
    assert np.median(error) < 8.0
    assert (error < 40.0).mean() > 0.9


def test_pose_is_that_of_the_views(pair: RenderedPair) -> None:
    to4 = [np.vstack([view.cam_from_world, [0, 0, 0, 1]]) for view in (pair.view0, pair.view1)]
    assert np.allclose(np.array(pair.cam1_from_cam0.matrix()), (to4[1] @ np.linalg.inv(to4[0]))[:3], atol=1e-9)


def test_wall_at_known_distance() -> None:
    room = bare_room(size=(4.0, 3.0, 2.5))
    view = render(room, intrinsics(31, 21, 20.0), (31, 21), look(np.array([1.0, 1.5, 1.2]), 0.0, 0.0, 0.0))
    assert view.depth[10, 15] == pytest.approx(3.0, abs=1e-6)
    # The row 1.2 m below the optical axis at 3 m is where the wall meets the floor: 20 * 1.2 / 3 = 8 pixels down.
    assert view.depth[17, 15] == pytest.approx(3.0, abs=1e-6)
    assert view.depth[19, 15] == pytest.approx(20.0 * 1.2 / 9.0, abs=1e-5)


@pytest.mark.parametrize("yaw", [0.0, 0.4, np.pi / 2, -2.0])
def test_turned_box_at_known_distance(yaw: float) -> None:
    box = Box((3.0, 2.5, 0.5), (0.6, 0.6, 1.0), yaw, Material("wood", ((0.5, 0.3, 0.2),), (0.5,)))
    centre = np.array([3.0, 2.5, 0.5]) - 1.5 * np.array([np.cos(yaw), np.sin(yaw), 0.0])
    room = bare_room(box, size=(6.0, 5.0, 2.5))
    view = render(room, intrinsics(31, 31, 40.0), (31, 31), look(centre, yaw, 0.0, 0.0))
    assert view.depth[15, 15] == pytest.approx(1.5 - 0.3, abs=1e-5)


def test_principal_point_shifts_the_image() -> None:
    pair = sample_pair(4, SIZE)
    K = pair.view0.K.copy()
    K[:2, 2] += [10.0, 6.0]
    moved = render(pair.room, K, SIZE, pair.view0.cam_from_world)
    assert np.allclose(moved.depth[6:, 10:], pair.view0.depth[:-6, :-10], atol=1e-5)
    difference = np.abs(moved.image[7:-1, 11:-1].astype(int) - pair.view0.image[1:-7, 1:-11])
    assert (difference <= 2).mean() > 0.995


def test_supersampling_keeps_depth_and_picture() -> None:
    pair = sample_pair(5, SIZE)
    view = render(pair.room, pair.view0.K, SIZE, pair.view0.cam_from_world, supersample=3)
    assert np.array_equal(view.depth, pair.view0.depth)
    # Textures filter themselves, so many rays a pixel change little.
    assert np.median(np.abs(view.image.astype(int) - pair.view0.image)) <= 3


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (33, 7), (50, 75)])
def test_odd_image_sizes(size: tuple[int, int]) -> None:
    room = bare_room(Box((2.0, 1.5, 0.5), (0.5, 0.5, 1.0), 0.3, Material("wood", ((0.5, 0.3, 0.2),), (0.5,))))
    view = render(room, intrinsics(*size, 30.0), size, look(np.array([0.5, 0.5, 1.2]), 0.6, -0.2, 0.0))
    assert view.image.shape == (size[1], size[0], 3)
    assert view.depth.shape == (size[1], size[0])
    assert np.isfinite(view.depth).all()


def test_a_camera_outside_the_room_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the room"):
        render(bare_room(), intrinsics(8, 8, 8.0), (8, 8), look(np.array([-1.0, 1.0, 1.0]), 0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="3 x 4"):
        render(bare_room(), intrinsics(8, 8, 8.0), (8, 8), np.eye(4))
