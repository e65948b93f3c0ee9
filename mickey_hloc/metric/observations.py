"""What each image of a COLMAP model sees of its points: pixels, depths in the model's unit, and how sure these are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pycolmap

from mickey_hloc.io.cameras import COLMAP_CENTRE


@dataclass(frozen=True, eq=False)
class SeenPoints:
    """The points that one image of a model observes, with the camera in front of them.

    Attributes:
        name: of the image.
        keypoints: (N, 2) pixels of the image as stored, where the points were observed, pixel centres at integers.
        depths: (N,) along the optical axis, in units of the model, > 0.
        xyz: (N, 3) in the model's world.
        ids: (N,) of the points in the model.
        parallax_deg: (N,) angle that the rays to a point span.
        focal_px: of the camera.
    """

    name: str
    keypoints: np.ndarray
    depths: np.ndarray
    xyz: np.ndarray
    ids: np.ndarray
    parallax_deg: np.ndarray
    focal_px: float

    def __len__(self) -> int:
        return len(self.ids)

    def subset(self, chosen: np.ndarray) -> SeenPoints:
        """Those of an index or a mask."""
        return SeenPoints(
            self.name,
            self.keypoints[chosen],
            self.depths[chosen],
            self.xyz[chosen],
            self.ids[chosen],
            self.parallax_deg[chosen],
            self.focal_px,
        )


def seen_points(model: pycolmap.Reconstruction) -> list[SeenPoints]:
    """The observed points of every image with a pose, by name."""
    order = {int(point_id): row for row, point_id in enumerate(model.points3D)}
    xyz = np.array([point.xyz for point in model.points3D.values()], dtype=np.float64).reshape(-1, 3)
    images = sorted((model.images[i] for i in model.reg_image_ids()), key=lambda image: image.name)
    observed = {image.name: _observations(image) for image in images}
    rows_of = {name: np.array([order[i] for i in ids], dtype=np.int64) for name, (_, ids) in observed.items()}
    sums, counts = np.zeros_like(xyz), np.zeros(len(xyz))
    for image in images:
        rows = rows_of[image.name]
        rays = xyz[rows] - np.asarray(image.projection_center())
        np.add.at(sums, rows, rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-300))
        np.add.at(counts, rows, 1.0)
    # Two rays an angle a apart have a mean of length cos(a / 2).
    lengths = np.linalg.norm(sums, axis=1) / np.maximum(counts, 1.0)
    parallax = 2 * np.degrees(np.arccos(np.clip(lengths, 0.0, 1.0)))
    return [
        _in_front_of(model, image, *observed[image.name], xyz[rows_of[image.name]], parallax[rows_of[image.name]])
        for image in images
    ]


def image_points(model: pycolmap.Reconstruction, image: pycolmap.Image) -> SeenPoints:
    """The observed points of one image with a pose, whose parallax is left NaN: it would ask all images."""
    keypoints, ids = _observations(image)
    xyz = np.array([model.points3D[int(i)].xyz for i in ids], dtype=np.float64).reshape(-1, 3)
    return _in_front_of(model, image, keypoints, ids, xyz, np.full(len(ids), np.nan))


def _in_front_of(
    model: pycolmap.Reconstruction,
    image: pycolmap.Image,
    keypoints: np.ndarray,
    ids: np.ndarray,
    xyz: np.ndarray,
    parallax_deg: np.ndarray,
) -> SeenPoints:
    pose = image.cam_from_world()
    depths = (xyz @ pose.rotation.matrix().T + pose.translation)[:, 2]
    focal = float(model.cameras[image.camera_id].mean_focal_length())
    return SeenPoints(image.name, keypoints, depths, xyz, ids, parallax_deg, focal).subset(depths > 0)


def _observations(image: pycolmap.Image) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) pixels, centres at integers, and (N,) ids of the points they belong to."""
    points = image.get_observation_points2D()
    keypoints = np.array([point.xy for point in points], dtype=np.float64).reshape(-1, 2) - COLMAP_CENTRE
    return keypoints, np.array([point.point3D_id for point in points], dtype=np.int64)


def split_in_regions(xyz: np.ndarray, count: int) -> np.ndarray:
    """Neighbouring points get one number: (N, D) -> (N,) in [0, R), R <= ``count`` a power of 2, regions of equal size.

    Halved again and again across the axis in which they spread most.
    """
    labels = np.zeros(len(xyz), dtype=np.int64)
    regions = [np.arange(len(xyz))]
    while 2 * len(regions) <= count and min(map(len, regions)) >= 2:
        halves = []
        for rows in regions:
            axis = np.ptp(xyz[rows], axis=0).argmax()
            order = rows[np.argsort(xyz[rows, axis], kind="stable")]
            halves += [order[: len(rows) // 2], order[len(rows) // 2 :]]
        regions = halves
    for number, rows in enumerate(regions):
        labels[rows] = number
    return labels
