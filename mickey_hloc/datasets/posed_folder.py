"""Any folder of images with metric poses: a COLMAP model, a TUM sequence, a 7-Scenes scene, Map-free scenes' frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.datasets import mapfree, sevenscenes
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.pose_arrays import pose_matrix
from mickey_hloc.io.cameras import camera_from_colmap
from mickey_hloc.io.colmap import read_colmap_model
from mickey_hloc.io.intrinsics import Intrinsics, find_intrinsics, read_intrinsics
from mickey_hloc.io.poses import rigid3d_from_wxyz
from mickey_hloc.io.text import parse_numbers, read_rows

TUM_MAX_DIFFERENCE_S = 0.02  # between the time stamps of an image and of its pose, as in TUM's own tools


@dataclass(frozen=True, eq=False)
class PosedImages:
    """Images of one world.

    Attributes:
        root: folder that the names are relative to.
        names: N. intrinsics: N. cam_from_world: (N, 3, 4), metres.
        shared_points: of images i < j, the share of common 3-D points, where a model tells.
    """

    root: Path
    names: list[str]
    intrinsics: list[Intrinsics]
    cam_from_world: np.ndarray
    shared_points: dict[tuple[int, int], float] | None = None


def read_posed_images(
    root: Path, layout: str, model: Path | None = None, intrinsics: Path | None = None
) -> PosedImages:
    """Read a folder of images with poses.

    Args:
        root: the image folder (COLMAP), the sequence (TUM), or the scene (7-Scenes, Map-free).
        layout: "colmap", "tum", "7scenes" or "mapfree".
        model: folder of the COLMAP model, which must be in metres.
        intrinsics: file of lines ``name fx fy cx cy w h``, for TUM; default ``intrinsics.txt`` in ``root``.

    Raises:
        InputError: an unknown layout, or something is missing or broken; the message says what.
    """
    if layout == "colmap":
        if model is None:
            raise InputError("A COLMAP layout needs 'model', the folder with cameras, images and points3D.")
        return _read_colmap(Path(root), Path(model))
    if layout == "tum":
        return _read_tum(Path(root), Path(intrinsics or Path(root) / "intrinsics.txt"))
    if layout == "7scenes":
        names = sevenscenes.find_images(Path(root))
        poses = [sevenscenes.read_pose(Path(root), name) for name in names]
        return _posed(Path(root), names, [sevenscenes.INTRINSICS] * len(names), poses)
    if layout == "mapfree":
        scene = mapfree.read_scene(Path(root))
        known = {name: pose for name, pose in scene.poses.items() if pose is not None}
        return _posed(scene.path, list(known), [scene.intrinsics[name] for name in known], list(known.values()))
    raise InputError(f"Unknown layout '{layout}'; choose colmap, tum, 7scenes or mapfree.")


def _posed(root: Path, names: list[str], cameras: list[Intrinsics], poses: list[pycolmap.Rigid3d]) -> PosedImages:
    if not names:
        raise InputError(f"{root} has no images with poses.")
    return PosedImages(root, names, cameras, np.stack([pose_matrix(pose) for pose in poses]))


def _read_colmap(images: Path, model: Path) -> PosedImages:
    reconstruction = read_colmap_model(model)
    registered = sorted(
        (image for image in reconstruction.images.values() if image.has_pose), key=lambda image: str(image.name)
    )
    cameras = {i: _pinhole(camera, model) for i, camera in reconstruction.cameras.items()}
    posed = _posed(
        images,
        [image.name for image in registered],
        [cameras[image.camera_id] for image in registered],
        [image.cam_from_world() for image in registered],
    )
    seen = [{p.point3D_id for p in image.points2D if p.has_point3D()} for image in registered]
    shared = {}
    for i, first in enumerate(seen):
        for j in range(i + 1, len(seen)):
            common = len(first & seen[j])
            if common:
                shared[i, j] = common / min(len(first), len(seen[j]))
    return PosedImages(posed.root, posed.names, posed.intrinsics, posed.cam_from_world, shared or None)


def _pinhole(camera: pycolmap.Camera, model: Path) -> Intrinsics:
    """The camera of images without distortion."""
    if camera.model.name not in ("PINHOLE", "SIMPLE_PINHOLE"):
        raise InputError(
            f"{model}: camera {camera.camera_id} is {camera.model.name}; training needs undistorted images: "
            "run 'colmap image_undistorter' and use its model."
        )
    return camera_from_colmap(camera, f"{model}, camera {camera.camera_id}").intrinsics


def _read_tum(root: Path, intrinsics: Path) -> PosedImages:
    """``rgb.txt`` (time file) and ``groundtruth.txt`` (time tx ty tz qx qy qz qw of world_from_cam, metres)."""
    images: list[tuple[float, str]] = []
    for number, fields in read_rows(root / "rgb.txt", "list of images"):
        if len(fields) != 2:
            raise InputError(f"{root / 'rgb.txt'}, line {number}: expected 'timestamp file'.")
        images.append((parse_numbers(fields[:1], f"{root / 'rgb.txt'}, line {number}")[0], fields[1]))
    truth = root / "groundtruth.txt"
    rows = []
    for number, fields in read_rows(truth, "trajectory"):
        values = parse_numbers(fields, f"{truth}, line {number}")
        if len(values) != 8 or not 0.99 < np.linalg.norm(values[4:]) < 1.01:
            raise InputError(f"{truth}, line {number}: expected 'timestamp tx ty tz qx qy qz qw'.")
        rows.append(values)
    if not images or not rows:
        raise InputError(f"{root} has no images in rgb.txt or no poses in groundtruth.txt.")
    trajectory = np.array(sorted(rows))
    table = read_intrinsics(intrinsics)
    names, cameras, poses = [], [], []
    for time, name in images:
        nearest = int(np.abs(trajectory[:, 0] - time).argmin())
        if abs(trajectory[nearest, 0] - time) > TUM_MAX_DIFFERENCE_S:
            continue
        tx, ty, tz, qx, qy, qz, qw = trajectory[nearest, 1:]
        names.append(name)
        cameras.append(table[name] if name in table else find_intrinsics(table, root / name, intrinsics))
        poses.append(rigid3d_from_wxyz([qw, qx, qy, qz, tx, ty, tz]).inverse())
    return _posed(root, names, cameras, poses)
