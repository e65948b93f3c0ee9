"""Scenes of 7-Scenes (Shotton et al., CVPR 2013): ``seq-XX/frame-XXXXXX.{color.png,depth.png,pose.txt}``.

The pose files are world_from_cam in metres; here they become cam_from_world, as in hloc's results.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.io.poses import rigid3d_from_matrix
from mickey_hloc.io.text import parse_numbers, read_rows

SCENES = ("chess", "fire", "heads", "office", "pumpkin", "redkitchen", "stairs")
COLOR, POSE = ".color.png", ".pose.txt"
# No calibration is published; 525 px at 640 x 480 is the value in use, e.g. in hloc's reference models.
INTRINSICS = Intrinsics(np.array([[525.0, 0.0, 320.0], [0.0, 525.0, 240.0], [0.0, 0.0, 1.0]]), 640, 480)
SEQUENCE = re.compile(r"(?:sequence|seq-?)\s*0*(\d+)")


def read_split(scene: Path, split: str) -> list[str]:
    """The sequences of a split, e.g. ``seq-03``.

    Args:
        scene: the scene's folder.
        split: ``train`` or ``test``.

    Raises:
        InputError: no split file, or a line that names no sequence.
    """
    path = Path(scene) / f"{split.capitalize()}Split.txt"
    sequences = []
    for number, fields in read_rows(path, "split file"):
        match = SEQUENCE.fullmatch("".join(fields))
        if match is None:
            raise InputError(f"{path}, line {number}: expected 'sequence3', got '{' '.join(fields)}'.")
        sequences.append(f"seq-{int(match[1]):02d}")
    return sequences


def find_images(scene: Path, split: str | None = None) -> list[str]:
    """The colour images of a scene with a pose, relative to it and sorted, e.g. ``seq-03/frame-000000.color.png``.

    Raises:
        InputError: no such folder, or no image with a pose in it.
    """
    if not Path(scene).is_dir():
        raise InputError(f"No folder {scene}; it is a scene of 7-Scenes with folders seq-01, seq-02, ...")
    folders = ["seq-*"] if split is None else read_split(scene, split)
    poses = [path for folder in folders for path in Path(scene).glob(f"{folder}/*{POSE}")]
    names = [path.relative_to(scene).as_posix().removesuffix(POSE) + COLOR for path in poses]
    if not names:
        raise InputError(f"{scene} has no frames seq-XX/frame-XXXXXX{POSE}; unpack the sequences' zip files there.")
    return sorted(names)


def read_pose(scene: Path, image: str) -> pycolmap.Rigid3d:
    """The true cam_from_world of an image.

    Raises:
        InputError: no pose file, or no rigid motion in it.
    """
    path = Path(scene) / (image.removesuffix(COLOR) + POSE)
    rows = [parse_numbers(fields, f"{path}, line {number}") for number, fields in read_rows(path, "pose file")]
    if [len(row) for row in rows] != [4] * 4:
        raise InputError(f"{path}: expected 4 lines of 4 numbers.")
    return rigid3d_from_matrix(np.array(rows), str(path)).inverse()


def depth_path(scene: Path, image: str, method: str = "") -> Path:
    """Where the depth of an image lies: the sensor's, or another method's, 16 bit millimetres."""
    middle = f".{method}" if method else ""
    return Path(scene) / (image.removesuffix(COLOR) + f".depth{middle}.png")
