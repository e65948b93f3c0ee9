"""Two real photos that come with the package, their camera and their true relative pose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pycolmap

from mickey_hloc.io.images import read_image
from mickey_hloc.io.intrinsics import find_intrinsics, read_intrinsics
from mickey_hloc.io.poses import read_poses
from mickey_hloc.two_view.result import Photo

FOLDER = Path(__file__).parent / "desk"  # its README says where the photos are from
NAMES = ("reference.jpg", "query.jpg")


@dataclass(frozen=True, eq=False)
class ExamplePair:
    """Two photos whose relative pose is known.

    Attributes:
        photo0, photo1: the photos with their cameras; their sensor depth lies beside them as ``png:sensor``.
        cam1_from_cam0: the true relative pose, metres.
        folder: where the files are.
    """

    photo0: Photo
    photo1: Photo
    cam1_from_cam0: pycolmap.Rigid3d
    folder: Path


def load_example() -> ExamplePair:
    """Two photos of a desk, of TUM RGB-D (Sturm et al., IROS 2012; CC BY 4.0).

    Example:
        >>> import numpy as np
        >>> from mickey_hloc import load_example
        >>> example = load_example()
        >>> example.photo0.image.shape, round(float(np.linalg.norm(example.cam1_from_cam0.translation)), 3)
        ((480, 640, 3), 0.115)
    """
    table = read_intrinsics(FOLDER / "intrinsics.txt")
    photos = [
        Photo(name, read_image(FOLDER / name), find_intrinsics(table, FOLDER / name, FOLDER / "intrinsics.txt").K)
        for name in NAMES
    ]
    truth = read_poses(FOLDER / "poses.txt")[NAMES].cam1_from_cam0
    return ExamplePair(photos[0], photos[1], truth, FOLDER)
