"""Pairs with intrinsics and a true relative pose in SuperGlue's format, as the list of ScanNet-1500.

Per line ``nameA nameB rotA rotB K_A(9) K_B(9) T_AB(16)``: T_AB is camB_from_camA in metres. K and T belong to the
pixels as stored, which are what is matched here; rotA and rotB, the quarter turns after which SuperGlue matches the
images, change neither and are only checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
import torch

from mickey_hloc.errors import InputError
from mickey_hloc.geometry import resize_intrinsics
from mickey_hloc.io.images import read_image_size
from mickey_hloc.io.intrinsics import Intrinsics, check_camera
from mickey_hloc.io.poses import rigid3d_from_matrix
from mickey_hloc.io.text import check_name, parse_numbers, read_rows

FULL_SIZE = (1296, 968)  # ScanNet's colour images, which the list's intrinsics are for
MAX_CENTRE_OFFSET = 0.15  # of a principal point from the middle, as a share of the image's size


@dataclass(frozen=True, eq=False)
class PosedPair:
    """One line of the list.

    Attributes:
        name0, name1: images relative to the image folder.
        K0, K1: (3, 3) intrinsics as written in the list.
        cam1_from_cam0: the true pose, metres.
        where: file and line, for messages.
    """

    name0: str
    name1: str
    K0: np.ndarray
    K1: np.ndarray
    cam1_from_cam0: pycolmap.Rigid3d
    where: str


def read_posed_pairs(path: Path) -> list[PosedPair]:
    """Read and check a list of pairs.

    Raises:
        InputError: no such file, no pair in it, or a line that cannot be used (which one is said).
    """
    pairs: dict[tuple[str, str], PosedPair] = {}
    for number, fields in read_rows(path, "list of pairs"):
        pair = _parse_pair(fields, f"{path}, line {number}")
        if (pair.name0, pair.name1) in pairs:
            raise InputError(f"{pair.where}: the pair '{pair.name0}' '{pair.name1}' is there twice; remove one line.")
        pairs[pair.name0, pair.name1] = pair
    if not pairs:
        raise InputError(f"{path} has no pairs; it has lines 'nameA nameB rotA rotB K_A(9) K_B(9) T_AB(16)'.")
    return list(pairs.values())


def _parse_pair(fields: list[str], where: str) -> PosedPair:
    if len(fields) != 38:
        raise InputError(
            f"{where}: expected 'nameA nameB rotA rotB K_A(9) K_B(9) T_AB(16)' (38 fields), got {len(fields)}."
        )
    values = np.array(parse_numbers(fields[2:], where))
    turns = values[:2]
    if not (np.isin(turns, range(4))).all():
        raise InputError(f"{where}: rotA and rotB are quarter turns, 0 to 3, got {turns[0]:g} and {turns[1]:g}.")
    K0, K1, T = values[2:11].reshape(3, 3), values[11:20].reshape(3, 3), values[20:].reshape(4, 4)
    for K in (K0, K1):
        if K[0, 0] <= 0 or K[1, 1] <= 0 or not np.array_equal(K[2], [0, 0, 1]):
            raise InputError(f"{where}: {K.ravel().tolist()} is no camera matrix fx 0 cx 0 fy cy 0 0 1.")
    pose = rigid3d_from_matrix(T, where)
    return PosedPair(check_name(fields[0], where), check_name(fields[1], where), K0, K1, pose, where)


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of an image, from its header.

    Raises:
        InputError: it is missing, or no image.
    """
    if not path.exists():
        raise InputError(f"No image {path}; --images is the folder that the list's names are relative to.")
    return read_image_size(path)


def intrinsics_on_disk(
    K: np.ndarray, size: tuple[int, int], where: str, listed_size: tuple[int, int] | None = None
) -> Intrinsics:
    """The intrinsics of an image as it is on the disk.

    Args:
        K: (3, 3) as listed.
        size: (width, height) of the image on the disk.
        where: for the message.
        listed_size: (width, height) that K is for. None: the size on the disk if the principal point is near its
            middle, else ScanNet's 1296 x 968 if it is near that one's.

    Raises:
        InputError: the principal point is near neither middle.
    """
    if listed_size is None:
        fitting = [s for s in (size, FULL_SIZE) if _is_central(K, s)]
        if not fitting:
            raise InputError(
                f"{where}: the principal point ({K[0, 2]:g}, {K[1, 2]:g}) fits neither an image of {size[0]}x{size[1]} "
                f"nor of {FULL_SIZE[0]}x{FULL_SIZE[1]}; say with --intrinsics-size what the intrinsics are for."
            )
        listed_size = fitting[0]
    resized = resize_intrinsics(torch.from_numpy(np.asarray(K, dtype=np.float64)), listed_size, size)
    return check_camera(Intrinsics(resized.numpy(), *size), where)


def _is_central(K: np.ndarray, size: tuple[int, int]) -> bool:
    offset = np.abs((K[:2, 2] - (np.array(size) - 1) / 2) / size)
    return bool((offset < MAX_CENTRE_OFFSET).all())
