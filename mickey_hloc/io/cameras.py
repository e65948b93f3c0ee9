"""Cameras of many images, from whatever says them: intrinsics files, Map-free folders, hloc's lists, COLMAP models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.colmap import has_colmap_model, read_colmap_model
from mickey_hloc.io.intrinsics import Intrinsics, read_intrinsics
from mickey_hloc.io.text import parse_numbers, read_rows

COLMAP_CENTRE = 0.5  # COLMAP's centre of the top-left pixel, both axes; ours is 0


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera whose keypoints become those of a pinhole camera.

    Attributes:
        intrinsics: of the pinhole camera, pixel centres at integers.
        lens: COLMAP's camera, where it distorts; None for a pinhole camera.
    """

    intrinsics: Intrinsics
    lens: pycolmap.Camera | None = None

    def undistort(self, keypoints: np.ndarray) -> np.ndarray:
        """(N, 2) pixels of the image -> (N, 2) pixels that the pinhole camera would have; NaN where there are none."""
        if self.lens is None or len(keypoints) == 0:
            return keypoints
        rays = self.lens.cam_from_img(np.asarray(keypoints, dtype=np.float64) + COLMAP_CENTRE)
        K = self.intrinsics.K
        rays = np.asarray(rays, dtype=np.float64).reshape(len(keypoints), -1)[:, :2]  # one point comes back as a vector
        return (rays * K[[0, 1], [0, 1]] + K[:2, 2]).astype(keypoints.dtype)


class Cameras:
    """Cameras by image name.

    Args:
        cameras: the table.
        source: the file or folder it was read from, for messages.
    """

    def __init__(self, cameras: Mapping[str, Camera], source: Path) -> None:
        self.cameras = cameras
        self.source = source

    def get(self, name: str, image_size: tuple[int, int] | None = None) -> Camera:
        """The camera of an image.

        Args:
            image_size: (width, height) of the image, where known.

        Raises:
            InputError: none is known, or only one for another resolution.
        """
        if name not in self.cameras:
            example = next(iter(self.cameras))
            raise InputError(f"{self.source} has no intrinsics of image '{name}' (it has names like '{example}').")
        camera = self.cameras[name]
        if image_size is not None:
            camera.intrinsics.check_size(*image_size, image=Path(name), source=str(self.source))
        return camera


def read_cameras(path: Path) -> Cameras:
    """Cameras from a file or a folder.

    Args:
        path: a file with lines ``name fx fy cx cy w h`` (Map-free) or ``name MODEL w h params...`` (hloc's lists of
            queries); a COLMAP model; or a folder in which ``intrinsics.txt`` files lie, directly or one level deeper,
            as in Map-free's scenes and splits: their names then get the scene's folder in front.

    Raises:
        InputError: nothing that can be read as cameras; the message says what is wrong in which line.
    """
    if path.is_dir():
        if has_colmap_model(path):
            model = read_colmap_model(path)
            images = model.images.values()
            table = {image.name: camera_from_colmap(model.cameras[image.camera_id]) for image in images}
        else:
            table = _read_folder(path)
    elif _is_query_list(path):
        table = _read_query_list(path)
    else:
        table = {name: Camera(intrinsics) for name, intrinsics in read_intrinsics(path).items()}
    if not table:
        raise InputError(f"{path} has no cameras.")
    return Cameras(table, path)


def camera_from_colmap(camera: pycolmap.Camera) -> Camera:
    """COLMAP's camera with pixel centres at integers; a lens that distorts is kept beside its pinhole part."""
    K = np.array(camera.calibration_matrix(), dtype=np.float64)
    K[:2, 2] -= COLMAP_CENTRE
    is_pinhole = camera.model.name in ("PINHOLE", "SIMPLE_PINHOLE")
    return Camera(Intrinsics(K, int(camera.width), int(camera.height)), None if is_pinhole else camera)


def _read_folder(folder: Path) -> dict[str, Camera]:
    files = [file for pattern in ("intrinsics.txt", "*/intrinsics.txt") for file in sorted(folder.glob(pattern))]
    if not files:
        raise InputError(f"{folder} is no COLMAP model and has no intrinsics.txt in it or in its folders.")
    table = {}
    for file in files:
        scene = file.parent.relative_to(folder)
        for name, intrinsics in read_intrinsics(file).items():
            table[(scene / name).as_posix()] = Camera(intrinsics)
    return table


def _is_query_list(path: Path) -> bool:
    _, fields = next(read_rows(path, "intrinsics file"), (0, []))
    return len(fields) > 1 and fields[1] in pycolmap.CameraModelId.__members__


def _read_query_list(path: Path) -> dict[str, Camera]:
    table = {}
    for number, fields in read_rows(path, "list of images with intrinsics"):
        where = f"{path}, line {number}"
        if len(fields) < 5 or fields[1] not in pycolmap.CameraModelId.__members__:
            raise InputError(f"{where}: expected 'name MODEL width height params...' with a model of COLMAP.")
        width, height, *params = parse_numbers(fields[2:], where)
        camera = pycolmap.Camera(model=fields[1], width=int(width), height=int(height), params=params)
        if not camera.verify_params():
            raise InputError(f"{where}: model {fields[1]} does not have {len(params)} parameters.")
        table[fields[0]] = camera_from_colmap(camera)
    return table
