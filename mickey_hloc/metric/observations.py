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


def seen_points(model: pycolmap.Reconstruction, names: set[str] | None = None) -> list[SeenPoints]:
    """The observed points of every image with a pose, by name.

    Args:
        names: only these images; the rays of all count for the parallax.
    """
    poses = {i: model.images[i].cam_from_world() for i in model.reg_image_ids()}
    centres = {i: np.asarray(pose.inverse().translation) for i, pose in poses.items()}
    order = {int(point_id): row for row, point_id in enumerate(model.points3D)}
    xyz = np.array([point.xyz for point in model.points3D.values()], dtype=np.float64).reshape(-1, 3)
    observed = {i: _observations(model.images[i], order) for i in poses}
    sums, counts = np.zeros_like(xyz), np.zeros(len(xyz))
    for i, (_, rows) in observed.items():
        rays = xyz[rows] - centres[i]
        np.add.at(sums, rows, rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-300))
        np.add.at(counts, rows, 1.0)
    # Two rays an angle a apart have a mean of length cos(a / 2).
    lengths = np.linalg.norm(sums, axis=1) / np.maximum(counts, 1.0)
    parallax = 2 * np.degrees(np.arccos(np.clip(lengths, 0.0, 1.0)))
    ids = np.array(list(order), dtype=np.int64)
    seen = []
    for i in sorted(poses, key=lambda i: model.images[i].name):
        image, (keypoints, rows) = model.images[i], observed[i]
        if names is not None and image.name not in names:
            continue
        depths = (xyz[rows] @ poses[i].rotation.matrix().T + poses[i].translation)[:, 2]
        points = SeenPoints(
            image.name,
            keypoints,
            depths,
            xyz[rows],
            ids[rows],
            parallax[rows],
            _focal_px(model.cameras[image.camera_id]),
        )
        seen.append(points.subset(depths > 0))
    return seen


def _observations(image: pycolmap.Image, order: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) pixels, centres at integers, and (N,) rows of the points they belong to."""
    points = image.get_observation_points2D()
    keypoints = np.array([point.xy for point in points], dtype=np.float64).reshape(-1, 2) - COLMAP_CENTRE
    return keypoints, np.array([order[point.point3D_id] for point in points], dtype=np.int64)


def _focal_px(camera: pycolmap.Camera) -> float:
    return float(camera.mean_focal_length())


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
