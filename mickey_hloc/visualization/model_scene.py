"""The 3-D scene of a COLMAP model: its cameras with their photos, its points in their colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.images import read_image
from mickey_hloc.visualization.frustum import SceneCamera
from mickey_hloc.visualization.scene3d import ScenePoints, draw_scene

MAX_POINTS = 20_000
MAX_LISTED = 6  # cameras in the legend; more would take its picture's place
MAX_CAMERAS = 60  # more hide each other, and each photo costs 100 kB of the page


def model_scene(model: pycolmap.Reconstruction, image_dir: Path | None = None, unit: str = "m") -> Any:
    """A figure of a model in its own frame, an even choice of its cameras and points where there are many.

    Args:
        image_dir: folder of the images, for the photos on the cameras; one that cannot be read is left out.
        unit: of the model's axes.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    images = sorted((image for image in model.images.values() if image.has_pose), key=lambda image: str(image.name))
    cameras = [_camera(model, image, image_dir) for image in _thinned(images, MAX_CAMERAS)]
    points = _thinned(list(model.points3D.values()), MAX_POINTS)
    positions = np.array([point.xyz for point in points]).reshape(-1, 3)
    colors = np.array([point.color for point in points], dtype=np.uint8).reshape(-1, 3)
    cloud = ScenePoints("points", positions, colors, 1.5)
    return draw_scene(cameras, [cloud], show_legend=len(cameras) <= MAX_LISTED, axes="xyz", unit=unit)


def _camera(model: pycolmap.Reconstruction, image: pycolmap.Image, image_dir: Path | None) -> SceneCamera:
    camera = model.cameras[image.camera_id]
    photo = None
    if image_dir is not None:
        try:
            photo = read_image(image_dir / image.name, "ignore")
        except InputError:
            photo = None
    size = (int(camera.width), int(camera.height))
    return SceneCamera(image.name, camera.calibration_matrix(), size, image.cam_from_world(), photo)


def _thinned(items: list[Any], most: int) -> list[Any]:
    places = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(np.int64)
    return [items[i] for i in places]
