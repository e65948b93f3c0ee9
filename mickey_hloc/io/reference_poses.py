"""Known poses of reference images, from whatever says them: COLMAP models, Map-free, 7-Scenes, hloc's results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.colmap import find_colmap_model, read_colmap_model
from mickey_hloc.io.poses import read_absolute_poses
from mickey_hloc.io.text import parse_numbers, read_rows

MAX_ROTATION_ERROR = 1e-2  # of R^T R against the identity: 7-Scenes prints about 7 digits


def read_reference_poses(path: Path) -> dict[str, pycolmap.Rigid3d]:
    """``cam_from_world`` by image name, metres (a COLMAP model's own unit).

    Args:
        path: a file with lines ``name qw qx qy qz tx ty tz`` (hloc's results, Map-free's poses.txt), or a folder with
            a COLMAP model, in it or in ``sparse/0``; with such ``poses.txt`` in it or one level deeper (Map-free's
            scenes and splits: names get the scene's folder in front); or with 7-Scenes' ``frame-XXXXXX.pose.txt`` at
            any depth. Poses that the data set withholds are left out.

    Raises:
        InputError: nothing that can be read as poses; the message says what is wrong in which file.
    """
    if not path.is_dir():
        poses = _known(read_absolute_poses(path))
    elif (model := find_colmap_model(path)) is not None:
        images = read_colmap_model(model).images.values()
        poses = {image.name: image.cam_from_world() for image in images if image.has_pose}
    elif files := [f for pattern in ("poses.txt", "*/poses.txt") for f in sorted(path.glob(pattern))]:
        poses = {}
        for file in files:
            scene = file.parent.relative_to(path)
            poses.update({(scene / name).as_posix(): pose for name, pose in _known(read_absolute_poses(file)).items()})
    elif files := sorted(path.rglob("frame-*.pose.txt")):
        found = {f.relative_to(path).as_posix().replace(".pose.txt", ".color.png"): read_pose_matrix(f) for f in files}
        poses = _known(found)
    else:
        raise InputError(
            f"{path} is no COLMAP model and has neither poses.txt (in it or its folders) nor 7-Scenes' "
            "frame-XXXXXX.pose.txt."
        )
    if not poses:
        raise InputError(f"{path} has no known poses.")
    return poses


def read_pose_matrix(path: Path) -> pycolmap.Rigid3d | None:
    """``cam_from_world`` of a file with 7-Scenes' 4 x 4 matrix, which is camera-to-world.

    Returns:
        None where the tracking was lost (numbers that are not finite).

    Raises:
        InputError: no such file, or no rigid motion in it.
    """
    rows = [fields for _, fields in read_rows(path, "pose file")]
    if [len(row) for row in rows] != [4, 4, 4, 4]:
        raise InputError(f"{path} is not a 4 x 4 matrix.")
    if any(field.lower().lstrip("+-").startswith(("nan", "inf", "1.#")) for row in rows for field in row):
        return None
    world_from_cam = np.array([parse_numbers(row, str(path)) for row in rows])
    R = world_from_cam[:3, :3]
    if np.abs(R.T @ R - np.eye(3)).max() > MAX_ROTATION_ERROR or np.linalg.det(R) < 0:
        raise InputError(f"{path} holds no rotation in its first three rows and columns.")
    rotation = pycolmap.Rotation3d(R)
    rotation.normalize()
    return pycolmap.Rigid3d(rotation, world_from_cam[:3, 3]).inverse()


def _known(poses: dict[str, pycolmap.Rigid3d | None]) -> dict[str, pycolmap.Rigid3d]:
    return {name: pose for name, pose in poses.items() if pose is not None}
