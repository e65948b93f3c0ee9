"""Lengths in a model, with intervals: between two pixels of a photo, and between two cameras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pycolmap
import torch

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.metric.evidence import Z95
from mickey_hloc.metric.observations import SeenPoints, image_points
from mickey_hloc.metric.surface import MIN_POINTS, Plane, around, facing_plane, fit_plane, near_segment, pixel_rays
from mickey_hloc.registry import CheckedOptions, require

Surface = Literal["auto", "plane", "points", "depth"]
SAME_SURFACE = 0.04  # share by which depths around a pixel differ on one slanted surface
MODEL_STD = 0.003  # share of a length that even a good model is off


@dataclass(frozen=True)
class MeasureOptions(CheckedOptions):
    """Options of lengths between pixels.

    Attributes:
        surface: what lies behind the pixels. "plane": one plane through the points along the line between them;
            "points": a plane at each of them, through the points around; "depth": depths of a source around each, at
            the scale of the image's points; "auto": depth where there is a source, else the plane, else the points.
        pixel_std: how exactly the pixels are known.
        window_px: half the side of the square around a pixel in which depths are read.
    """

    surface: Surface = "auto"
    pixel_std: float = 1.0
    window_px: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "pixel_std", 0 <= self.pixel_std < math.inf, "at least 0 px")
        require(self, "window_px", 1 <= self.window_px <= 100, "in 1 to 100 px")


@dataclass(frozen=True, eq=False)
class Length:
    """A length in units of the model, metres where the model is metric.

    Attributes:
        length: between the two.
        std: its standard deviation, that of the model's scale not included.
        ends: (2, 3) in the model's world.
        surface: how the ends were found.
        num_points: that they rest on.
    """

    length: float
    std: float
    ends: np.ndarray
    surface: str
    num_points: int

    def interval_95(self, relative_scale_std: float = 0.0) -> tuple[float, float]:
        """With the standard deviation of the model's scale, as a share, where it is known."""
        std = math.hypot(self.std, self.length * relative_scale_std)
        return max(self.length - Z95 * std, 0.0), self.length + Z95 * std


def find_image(model: pycolmap.Reconstruction, name: str) -> pycolmap.Image:
    """An image with a pose, by name.

    Raises:
        InputError: the model has none of that name.
    """
    image = model.find_image_with_name(name)
    if image is None or not image.has_pose:
        example = next((model.images[i].name for i in model.reg_image_ids()), "none")
        raise InputError(f"The model has no image '{name}' with a pose (it has names like '{example}').")
    return image


def camera_distance(model: pycolmap.Reconstruction, name0: str, name1: str) -> Length:
    """The distance between two cameras.

    Raises:
        InputError: an image is not in the model, or both are one.
    """
    if name0 == name1:
        raise InputError(f"'{name0}' is given twice; a distance needs two images.")
    ends = np.array([find_image(model, name).projection_center() for name in (name0, name1)])
    length = float(np.linalg.norm(ends[1] - ends[0]))
    return Length(length, MODEL_STD * length, ends, "the cameras' positions", 0)


def measure(
    model: pycolmap.Reconstruction,
    name: str,
    pixels: np.ndarray,
    options: MeasureOptions | None = None,
    depth: DepthSource | None = None,
) -> Length:
    """The distance between what two pixels of an image show.

    Args:
        model: any camera model.
        name: of the image.
        pixels: (2, 2) x, y of the image as stored, centre of the top-left pixel = (0, 0).
        depth: a source for the shape around the pixels; its scale is not used.

    Raises:
        InputError: no such image, pixels outside of it or equal, or nothing known behind them.
    """
    chosen = options or MeasureOptions()
    image = find_image(model, name)
    camera = model.cameras[image.camera_id]
    pixels = np.asarray(pixels, dtype=np.float64).reshape(2, 2)
    _check_pixels(pixels, name, camera)
    points = image_points(model, image)
    if len(points) < MIN_POINTS:
        raise InputError(f"Image '{name}' sees {len(points)} points of the model, {MIN_POINTS} are needed.")
    ways = _ways(camera, points, pixels, chosen, depth)
    planes, surface = ways[0]
    length, std = _length(camera, planes, pixels, chosen.pixel_std)
    if len(ways) > 1:  # which is right is not known: the interval holds both
        std = math.hypot(std, (_length(camera, ways[1][0], pixels, 0.0)[0] - length) / Z95)
    rays = pixel_rays(camera, pixels)
    depths = np.array([float(plane.depths(ray[None])[0]) for plane, ray in zip(planes, rays, strict=True)])
    world_from_cam = image.cam_from_world().inverse()
    ends = (rays * depths[:, None]) @ world_from_cam.rotation.matrix().T + world_from_cam.translation
    count = sum(plane.num_points for plane in dict.fromkeys(planes))
    return Length(length, math.hypot(std, MODEL_STD * length), ends, surface, count)


def _check_pixels(pixels: np.ndarray, name: str, camera: pycolmap.Camera) -> None:
    for x, y in pixels:
        if not (-0.5 <= x <= camera.width - 0.5 and -0.5 <= y <= camera.height - 0.5):
            raise InputError(f"Pixel ({x:g}, {y:g}) is outside of image '{name}' of {camera.width}x{camera.height}.")
    if bool((pixels[0] == pixels[1]).all()):
        raise InputError("Both pixels are the same; a length needs two.")
    if not np.isfinite(pixel_rays(camera, pixels)).all():
        raise InputError(f"The camera of image '{name}' has no ray in front of it at these pixels.")


def _ways(
    camera: pycolmap.Camera, points: SeenPoints, pixels: np.ndarray, options: MeasureOptions, depth: DepthSource | None
) -> list[tuple[list[Plane], str]]:
    """The planes behind the two pixels and how they were found, the best way first."""
    surface = options.surface
    if surface == "depth" and depth is None:
        raise InputError("The surface 'depth' needs a depth source.")
    if depth is not None and surface in ("auto", "depth"):
        planes = [_depth_plane(camera, points, pixel, options.window_px, depth) for pixel in pixels]
        return [(planes, f"depth of {depth.spec}, at the scale of the points")]
    rays = pixel_rays(camera, points.keypoints)
    ways = []
    if surface in ("auto", "plane"):
        plane = _common_plane(camera, points, rays, pixels)
        if plane is not None:
            ways.append(([plane, plane], "one plane through the points along the line"))
        elif surface == "plane":
            raise InputError("No plane lies behind both pixels; try the points around each.")
    if surface in ("auto", "points"):
        try:
            around_each = [_plane_around(camera, points, rays, pixel) for pixel in pixels]
            ways.append((around_each, "a plane through the points around each pixel"))
        except InputError:
            if not ways:
                raise
    return ways


def _plane_around(camera: pycolmap.Camera, points: SeenPoints, rays: np.ndarray, pixel: np.ndarray) -> Plane:
    nearest, weights = around(points.keypoints, pixel)
    plane, _ = fit_plane(rays[nearest], points.depths[nearest], weights)
    return _in_front(camera, plane, pixel)


def _common_plane(camera: pycolmap.Camera, points: SeenPoints, rays: np.ndarray, pixels: np.ndarray) -> Plane | None:
    """The plane that the points along the line lie on, if some of them are near each end."""
    length_px = float(np.linalg.norm(pixels[1] - pixels[0]))
    chosen, weights = near_segment(points.keypoints, pixels, max(0.35 * length_px, 25.0))
    while len(chosen) >= 2 * MIN_POINTS:
        try:
            plane, on_plane = fit_plane(rays[chosen], points.depths[chosen], weights)
        except InputError:
            return None
        if on_plane.sum() < 2 * MIN_POINTS:
            return None
        keypoints = points.keypoints[chosen[on_plane]]
        gaps = [np.linalg.norm(keypoints - pixel, axis=1).min() for pixel in pixels]
        in_front = np.isfinite(plane.depths(pixel_rays(camera, pixels))).all()
        if max(gaps) <= max(0.3 * length_px, 15.0) and in_front:
            return plane
        chosen, weights = chosen[~on_plane], weights[~on_plane]
    return None


def _depth_plane(
    camera: pycolmap.Camera, points: SeenPoints, pixel: np.ndarray, window_px: int, depth: DepthSource
) -> Plane:
    """The plane of the depths around a pixel, in units of the model; at an edge that of the nearer surface."""
    steps = np.arange(-window_px, window_px + 1, dtype=np.float64)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) + np.rint(pixel)  # between pixels depths mix
    grid = grid[(grid >= 0).all(axis=1) & (grid <= [camera.width - 1, camera.height - 1]).all(axis=1)]
    queries = torch.from_numpy(np.concatenate([grid, points.keypoints])).float()
    found = depth.depths(points.name, queries).double().numpy()
    at_points = found[len(grid) :] / points.depths
    if np.isfinite(at_points).sum() < MIN_POINTS:
        raise InputError(f"Depth source '{depth.spec}' has no depth at the points of image '{points.name}'.")
    depths = found[: len(grid)] / np.nanmedian(at_points)
    known = np.isfinite(depths)
    if known.sum() < MIN_POINTS:
        raise InputError(f"Depth source '{depth.spec}' has no depth around pixel ({pixel[0]:g}, {pixel[1]:g}).")
    # Where two surfaces meet, an edge is the nearer one's; what is farther off than a pixel may stand in front of both.
    beside = known & (np.abs(grid - pixel).max(axis=1) <= 1.0)
    own = depths[beside].min() if beside.any() else float(np.median(depths[known]))
    nearer = known & (np.abs(depths / own - 1) < SAME_SURFACE)
    try:
        plane, _ = fit_plane(pixel_rays(camera, grid[nearer]), depths[nearer], np.ones(int(nearer.sum())))
    except InputError:  # a sliver of a surface: as if it faced the camera
        plane = facing_plane(depths[nearer])
    return _in_front(camera, plane, pixel)


def _in_front(camera: pycolmap.Camera, plane: Plane, pixel: np.ndarray) -> Plane:
    if not np.isfinite(plane.depths(pixel_rays(camera, pixel))).all():
        raise InputError(f"What lies behind pixel ({pixel[0]:g}, {pixel[1]:g}) is not known from the points around it.")
    return plane


def _length(camera: pycolmap.Camera, planes: list[Plane], pixels: np.ndarray, pixel_std: float) -> tuple[float, float]:
    """The length between the planes behind two pixels, and its standard deviation from both."""
    shared = planes[0] is planes[1]

    def length(parameters: np.ndarray, at: np.ndarray) -> float:
        rays = pixel_rays(camera, at)
        ends = rays / (rays * parameters.reshape(2, 3)).sum(axis=1)[:, None]
        return float(np.linalg.norm(ends[1] - ends[0]))

    parameters = np.concatenate([plane.inverse_depth for plane in planes])
    value = length(parameters, pixels)
    variance = 0.0
    for i in range(4):
        step = np.zeros(4)
        step[i] = 0.5
        moved = [length(parameters, pixels + sign * step.reshape(2, 2)) for sign in (1, -1)]
        variance += (pixel_std * (moved[0] - moved[1])) ** 2
    gradient = np.zeros(6)
    for i in range(6):
        step = np.zeros(6)
        step[i] = 1e-4 * np.abs(parameters).max()
        gradient[i] = (length(parameters + step, pixels) - length(parameters - step, pixels)) / (2 * step[i])
    if shared:
        both = gradient[:3] + gradient[3:]
        variance += float(both @ planes[0].covariance @ both)
    else:
        variance += sum(
            float(g @ plane.covariance @ g) for g, plane in zip(gradient.reshape(2, 3), planes, strict=True)
        )
    return value, math.sqrt(variance)
