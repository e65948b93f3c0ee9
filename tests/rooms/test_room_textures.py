"""Textures are band-limited, light falls where it should."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare_rooms import PLAIN, bare_room, intrinsics

from mickey_hloc.rooms import patterns, render
from mickey_hloc.rooms.cameras import look
from mickey_hloc.rooms.light import light_map
from mickey_hloc.rooms.scene import Box, Material
from mickey_hloc.rooms.textures import KINDS

PALETTE = ((0.8, 0.2, 0.2), (0.2, 0.7, 0.3), (0.2, 0.3, 0.8))


@settings(deadline=None, max_examples=50)
@given(
    x=st.floats(-5, 5),
    cut=st.floats(-5, 5),
    w=st.floats(1e-3, 3.0),
)
def test_bands_share_the_window(x: float, cut: float, w: float) -> None:
    at, window = np.array([x], dtype=np.float32), np.array([w], dtype=np.float32)
    below, over = patterns.band(at, -20.0, cut, window), patterns.band(at, cut, 20.0, window)
    assert below[0] + over[0] == pytest.approx(1.0, abs=1e-2)
    assert over[0] == pytest.approx(patterns.above(at, cut, window)[0], abs=1e-2)


def test_seams_far_away_become_their_mean() -> None:
    _, local = patterns.cells(np.linspace(0, 3, 1000, dtype=np.float32), 0.1)
    far = patterns.seam(local, 0.1, 0.02, np.full(1000, 0.5, dtype=np.float32))
    assert np.allclose(far, 0.2, atol=1e-4)
    near = patterns.seam(local, 0.1, 0.02, np.full(1000, 1e-4, dtype=np.float32))
    assert near.mean() == pytest.approx(0.2, abs=0.01)
    assert set(np.round(near, 2)) >= {0.0, 1.0}


@settings(deadline=None, max_examples=30)
@given(key=st.integers(0, 2**40), x=st.floats(-100, 100), y=st.floats(-100, 100))
def test_value_noise_is_continuous_and_bounded(key: int, x: float, y: float) -> None:
    at = np.array([x, x + 1e-3], dtype=np.float32)
    values = patterns.value_noise(at, np.full(2, y, dtype=np.float32), key)
    assert ((values >= 0) & (values <= 1)).all()
    assert abs(values[1] - values[0]) < 0.01


def test_noise_fades_where_it_cannot_be_resolved() -> None:
    u = np.random.default_rng(0).uniform(0, 10, 1000).astype(np.float32)
    fine, coarse = np.full(1000, 0.001, dtype=np.float32), np.full(1000, 0.1, dtype=np.float32)
    assert patterns.noise(u, u[::-1], 0.05, 0.05, fine, fine, 5).std() > 0.1
    assert not patterns.noise(u, u[::-1], 0.05, 0.05, coarse, coarse, 5).any()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_texture_on_walls_and_boxes(kind: str) -> None:
    material = Material(kind, PALETTE, (0.3, 0.25, 0.01, 0.5), wear=0.0)
    boxes = [
        Box((1.2 + 0.8 * k, 2.2, 0.4 + 0.1 * k), (0.4, 0.3, 0.8 + 0.2 * k), 0.2 * k, material, casts_shadow=False)
        for k in range(3)
    ]
    room = bare_room(*boxes, material=material)
    size = (120, 90)
    view = render(room, intrinsics(*size, 90.0), size, look(np.array([2.0, 0.5, 1.4]), np.pi / 2, -0.2, 0.0))
    assert view.image.std() > 3.0
    assert 2.0 < view.image.mean() < 253.0


@pytest.mark.parametrize("kind", ["brick", "tiles", "planks", "wallpaper", "parquet", "carpet", "rug", "books"])
def test_a_coarse_view_equals_the_mean_of_a_fine_one(kind: str) -> None:
    """No aliasing: what the low-resolution picture shows is the high-resolution one, averaged."""
    params = {"planks": (0.12, 1.2, 0.003), "parquet": (0.3, 5.0), "tiles": (0.2, 0.2, 0.004, 1.0)}
    room = bare_room(material=Material(kind, PALETTE, params.get(kind, (0.25, 0.075, 0.01))))
    pose = look(np.array([0.5, 0.5, 1.4]), 0.6, -0.3, 0.0)
    coarse = render(room, intrinsics(60, 45, 50.0), (60, 45), pose).image.astype(np.float32)
    fine = render(room, intrinsics(480, 360, 400.0), (480, 360), pose).image.astype(np.float32)
    # Light adds up, display values (its square root) do not.
    averaged = np.sqrt(np.square(fine).reshape(45, 8, 60, 8, 3).mean(axis=(1, 3)))
    smooth = [cv2.GaussianBlur(image, (0, 0), 3) for image in (coarse, averaged)]
    assert np.abs(smooth[0] - smooth[1]).mean() < 7.0
    detail = [(image - blurred).ravel() for image, blurred in zip((coarse, averaged), smooth, strict=True)]
    assert detail[0].std() < 1.15 * detail[1].std()
    assert np.corrcoef(detail)[0, 1] > 0.5


def test_an_unknown_texture_lists_the_known_ones() -> None:
    room = bare_room(material=Material("brik", PALETTE))
    with pytest.raises(ValueError, match=r"unknown kind 'brik'.*brick"):
        render(room, intrinsics(8, 6, 8.0), (8, 6), look(np.array([2.0, 0.5, 1.4]), np.pi / 2, -0.2, 0.0))


def test_a_table_darkens_the_floor_below_it() -> None:
    top = Box((2.0, 1.5, 0.75), (1.4, 0.9, 0.04), 0.0, PLAIN)
    for boxes, darker in (((), False), ((top,), True)):
        room = bare_room(*boxes)
        light = light_map(room)
        u, v = np.array([2.0, 3.4], dtype=np.float32), np.array([1.5, 1.5], dtype=np.float32)
        below, beside = light.look_up(u, v, np.array([4, 4]))[0]
        assert (below < 0.75 * beside) == darker


def test_exposure_does_not_depend_on_the_lamps() -> None:
    room = bare_room()
    light = light_map(room).values
    assert 0.5 < light.mean() < 1.5
    assert (light > 0).all()
