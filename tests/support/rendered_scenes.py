"""A tiny data set in Map-free's layout, rendered: rooms with exact depth and poses."""

from pathlib import Path

import numpy as np
import pycolmap
import torch
from PIL import Image

from mickey_hloc.datasets.mapfree import REFERENCE, frame_path
from mickey_hloc.depth.export import write_depth_png
from mickey_hloc.io.poses import format_numbers, wxyz_from_rigid3d
from mickey_hloc.rooms import render, sample_pair

SIZE = (320, 240)
# A scene of ``write_scene(folder / "s00001", ...)``, its reference first.
NAMES = [f"s00001/{name}" for name in ("seq0/frame_00000.jpg", "seq1/frame_00000.jpg", "seq1/frame_00001.jpg")]
PAIRS = [(NAMES[0], NAMES[1]), (NAMES[0], NAMES[2])]


def write_scene(folder: Path, seed: int, size: tuple[int, int] = SIZE, num_queries: int = 2) -> Path:
    """A reference and queries on the way to the second view of a rendered pair."""
    pair = sample_pair(seed, size)
    views = {REFERENCE: (pair.view0, pycolmap.Rigid3d())}
    for number in range(num_queries):
        share = 1.0 - 0.5 * number / max(num_queries - 1, 1)
        pose = interpolate(pair.cam1_from_cam0, share)
        world = np.asarray((pose * pycolmap.Rigid3d(pair.view0.cam_from_world)).matrix())
        views[frame_path(1, number)] = (render(pair.room, pair.view0.K, size, world), pose)
    intrinsics, poses = [], []
    for name, (view, pose) in views.items():
        write_view(folder / name, view)
        K = view.K
        intrinsics.append(f"{name} {format_numbers([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])} {size[0]} {size[1]}\n")
        poses.append(f"{name} {format_numbers(wxyz_from_rigid3d(pose))}\n")
    (folder / "intrinsics.txt").write_text("".join(intrinsics))
    (folder / "poses.txt").write_text("".join(poses))
    return folder


def write_view(path: Path, view) -> None:
    """The image, and its depth beside it as ``<image>.sensor.png``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(view.image).save(path, quality=95)
    write_depth_png(path.with_suffix(".sensor.png"), torch.from_numpy(view.depth))


def interpolate(pose: pycolmap.Rigid3d, share: float) -> pycolmap.Rigid3d:
    """A share of a motion."""
    x, y, z, w = pose.rotation.quat
    sine = float(np.linalg.norm([x, y, z]))
    axis_angle = np.array([x, y, z]) / max(sine, 1e-12) * 2 * np.arctan2(sine, w)
    return pycolmap.Rigid3d(pycolmap.Rotation3d(axis_angle * share), np.asarray(pose.translation) * share)


def all_files(folder: Path) -> dict[str, bytes]:
    """Contents by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change_times(folder: Path) -> dict[str, int]:
    """When each file was last written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }
