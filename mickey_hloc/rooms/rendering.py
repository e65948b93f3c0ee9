"""Images of a room: exact depth from the ray caster, textures at each pixel's own resolution, baked light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mickey_hloc.rooms.light import LightMap, light_map
from mickey_hloc.rooms.patterns import Floats
from mickey_hloc.rooms.raycast import CameraRays, cast, pixel_bounds
from mickey_hloc.rooms.scene import Room
from mickey_hloc.rooms.surfaces import Samples, SurfaceTable, surface_table
from mickey_hloc.rooms.textures import reflectance

_BLOCK = 1 << 15  # pixels shaded at a time: the temporaries then stay in the processor's cache


@dataclass(frozen=True, eq=False)
class RenderedView:
    """What a camera sees.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 metres along the optical axis, exact at pixel centres.
        K: (3, 3) float64 intrinsics, centre of the top-left pixel = (0, 0).
        cam_from_world: (3, 4) float64, metres.
    """

    image: np.ndarray
    depth: np.ndarray
    K: np.ndarray
    cam_from_world: np.ndarray


def render(
    room: Room, K: np.ndarray, size_wh: tuple[int, int], cam_from_world: np.ndarray, supersample: int = 1
) -> RenderedView:
    """Render one view.

    Args:
        room: the room; the camera must be inside, and not inside furniture.
        K: (3, 3) intrinsics without distortion.
        size_wh: (width, height) pixels.
        cam_from_world: (3, 4) pose, metres.
        supersample: n x n rays a pixel for the image. 1 is enough inside textures, which filter themselves; edges of
            objects are then smoothed over three pixels. Depth is always one ray through the pixel centre.

    Returns:
        The view.

    Raises:
        ValueError: wrong shapes, an empty image, or a camera outside the room.
    """
    K, pose = np.asarray(K, dtype=np.float64), np.asarray(cam_from_world, dtype=np.float64)
    if K.shape != (3, 3) or pose.shape != (3, 4):
        raise ValueError(f"K must be 3 x 3 and cam_from_world 3 x 4, got {K.shape} and {pose.shape}")
    width, height = size_wh
    if width < 1 or height < 1 or supersample < 1:
        raise ValueError(f"the image size {size_wh} and supersample {supersample} must be at least 1")
    rays = CameraRays.of(K, size_wh, pose)
    if bool((rays.centre <= 0).any() or (rays.centre >= np.array(room.size)).any()):
        raise ValueError(f"the camera at {np.round(rays.centre, 3)} is outside the room of {room.size} metres")
    if supersample == 1:
        radiance, depth, edges = _radiance(room, rays)
        image = _display(radiance)
        smooth = cv2.GaussianBlur(image, (3, 3), 0.75)
        image[edges] = smooth[edges]
    else:
        n = supersample
        resize = np.array([[n, 0, 0.5 * (n - 1)], [0, n, 0.5 * (n - 1)], [0, 0, 1.0]])
        radiance, _, _ = _radiance(room, CameraRays.of(resize @ K, (n * width, n * height), pose))
        image = _display(cv2.resize(radiance, (width, height), interpolation=cv2.INTER_AREA))
        depth, _ = cast(room, rays)
    return RenderedView(image, depth, K, pose)


def _display(radiance: Floats) -> np.ndarray:
    """(H, W, 3) radiance to uint8: highlights roll off, then a square root as display curve."""
    return (255.0 * np.sqrt(1.0 - np.exp(-1.3 * radiance)) + 0.5).astype(np.uint8)


def _radiance(room: Room, rays: CameraRays) -> tuple[Floats, Floats, np.ndarray]:
    """(H, W, 3) radiance, (H, W) depth, and (H, W) bool: pixels on edges between surfaces."""
    width, height = rays.size_wh
    radiance = np.empty((height, width, 3), dtype=np.float32)
    depth = np.empty((height, width), dtype=np.float32)
    surface = np.empty((height, width), dtype=np.int32)
    table, light, bounds = surface_table(room), light_map(room), pixel_bounds(room.boxes, rays)
    lens = _SurfaceLens.of(table, rays)
    step = max(_BLOCK // width, 1)
    for first in range(0, height, step):
        last = min(first + step, height)
        depth[first:last], surface[first:last] = cast(room, rays, (first, last), bounds)
        colors = _shade(table, light, lens, depth[first:last], surface[first:last].astype(np.int64), first)
        radiance[first:last] = colors.T.reshape(last - first, width, 3)
    edges = np.zeros((height, width), dtype=bool)
    across, down = surface[:, 1:] != surface[:, :-1], surface[1:] != surface[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return radiance, depth, edges


@dataclass(frozen=True, eq=False)
class _SurfaceLens:
    """For every surface, its coordinates as functions of the pixel: u = u0 + depth (U . (x, y, 1)), v alike.

    Attributes:
        U, V: (3, S) float32.
        u0, v0: (S,) float32, the camera centre's coordinates.
        slope: (2, S) float32: the change of 1 / depth over a pixel to the right and down.
    """

    U: Floats
    V: Floats
    u0: Floats
    v0: Floats
    slope: Floats

    @classmethod
    def of(cls, table: SurfaceTable, rays: CameraRays) -> _SurfaceLens:
        from_origin = rays.centre - table.origin
        distance = -(table.normal * from_origin).sum(axis=1)
        # A plane has depth = distance / (N . (x, y, 1)): its inverse depth is linear in the pixel.
        slope = (table.normal @ rays.A)[:, :2] / np.where(distance == 0, 1.0, distance)[:, None]
        columns = (
            (table.e_u @ rays.A).T,
            (table.e_v @ rays.A).T,
            (table.e_u * from_origin).sum(axis=1),
            (table.e_v * from_origin).sum(axis=1),
            slope.T,
        )
        return cls(*(np.ascontiguousarray(column, dtype=np.float32) for column in columns))


def _shade(
    table: SurfaceTable, light: LightMap, lens: _SurfaceLens, depth: Floats, surface: np.ndarray, first_row: int
) -> Floats:
    """(3, N) radiance of a block of rows."""
    shape, flat = depth.shape, surface.ravel()
    z = depth.ravel()
    x = np.broadcast_to(np.arange(shape[1], dtype=np.float32), shape).ravel()
    y = np.repeat(np.arange(first_row, first_row + shape[0], dtype=np.float32), shape[1])
    slope_x, slope_y = z * lens.slope[0].take(flat), z * lens.slope[1].take(flat)
    coordinates, footprints = [], []
    for axis, offset in ((lens.U, lens.u0), (lens.V, lens.v0)):
        ax, ay = axis[0].take(flat), axis[1].take(flat)
        direction = ax * x + ay * y + axis[2].take(flat)
        coordinates.append(offset.take(flat) + z * direction)
        # Derivatives of u = u0 + z D: dz/dx = -z^2 d(1/z)/dx.
        right, down = z * (ax - slope_x * direction), z * (ay - slope_y * direction)
        footprints.append(np.sqrt(right * right + down * down) + np.float32(1e-6))
    samples = Samples(coordinates[0], coordinates[1], footprints[0], footprints[1], flat, table)
    colors = reflectance(samples, table.kind.take(flat))
    brightness = light.look_up(samples.u, samples.v, flat)
    emission = table.emission.take(flat)
    colors *= np.where(emission > 0, emission, brightness)
    return colors
