"""Made-up Map-free scenes on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.poses import format_numbers, rigid3d_from_wxyz, wxyz_from_rigid3d

SIZE = (540, 720)
REFERENCE = "seq0/frame_00000.jpg"


def random_pose(rng: np.random.Generator, max_angle_deg: float = 40.0, distance: float = 1.0) -> pycolmap.Rigid3d:
    """A rotation about a random axis and a translation."""
    axis = rng.normal(size=3)
    half = np.radians(rng.uniform(0, max_angle_deg)) / 2
    q = [np.cos(half), *(np.sin(half) * axis / np.linalg.norm(axis))]
    return rigid3d_from_wxyz([*q, *(distance * rng.normal(size=3))])


def noisy(pose: pycolmap.Rigid3d, rng: np.random.Generator, angle_deg: float, distance: float) -> pycolmap.Rigid3d:
    return random_pose(rng, angle_deg, distance) * pose


def frame(number: int) -> str:
    return f"seq1/frame_{number:05d}.jpg"


def pose_line(name: str, pose: pycolmap.Rigid3d, *more: float) -> str:
    return f"{name} {format_numbers([*wxyz_from_rigid3d(pose), *more])}\n"


def write_scene(folder: Path, truth: dict[int, pycolmap.Rigid3d], focal: float = 550.0, withheld: bool = False) -> Path:
    """A scene folder with intrinsics and poses; images are not needed."""
    folder.mkdir(parents=True)
    names = [REFERENCE, *(frame(number) for number in truth)]
    camera = f"{focal} {focal} {SIZE[0] / 2} {SIZE[1] / 2} {SIZE[0]} {SIZE[1]}"
    (folder / "intrinsics.txt").write_text("# frame_path fx fy cx cy w h\n" + "".join(f"{n} {camera}\n" for n in names))
    if withheld:
        lines = [f"{name} 0 0 0 0 0 0 0\n" for name in names]
    else:
        lines = [pose_line(REFERENCE, pycolmap.Rigid3d()), *(pose_line(frame(n), p) for n, p in truth.items())]
    (folder / "poses.txt").write_text("# frame_path qw qx qy qz tx ty tz\n" + "".join(lines))
    return folder


def write_device_poses(folder: Path, truth: dict[int, pycolmap.Rigid3d]) -> None:
    """Exact tracking as the dataset has it: in each ten frames the last is the world, the first is left out."""
    lines = []
    for number, pose in truth.items():
        query = number - number % 10 + 9
        if number % 10 and query in truth:
            lines.append(pose_line(frame(number), pose * truth[query].inverse()))
    (folder / "poses_device.txt").write_text("".join(lines))


def estimated(pose: pycolmap.Rigid3d, confidence: float = 0.5) -> RelativePose:
    return RelativePose(True, pose, score=100 * confidence, confidence=confidence)
