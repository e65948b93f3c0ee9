"""Cameras of many images, from whatever says them: intrinsics files, Map-free folders, hloc's lists, COLMAP models."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.io.colmap import find_colmap_model, read_colmap_model
from mickey_hloc.io.intrinsics import (
    Intrinsics,
    check_camera,
    check_exists,
    find_intrinsics,
    parse_intrinsics,
    read_intrinsics,
    twice,
    whole_size,
)
from mickey_hloc.io.text import parse_numbers, read_lines, shown
from mickey_hloc.registry import unknown_name

COLMAP_CENTRE = 0.5  # COLMAP's centre of the top-left pixel, both axes; ours is 0
NO_PINHOLE = ("INVALID", "EQUIRECTANGULAR")  # models without a camera matrix
CAMERA_MODELS = [name for name in pycolmap.CameraModelId.__members__ if name not in NO_PINHOLE]


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera whose keypoints become those of a pinhole camera.

    Attributes:
        intrinsics: of the pinhole camera, pixel centres at integers.
        lens: COLMAP's camera, where it distorts; None for a pinhole camera.
        is_guess: nobody knows its focal length; a pose that rests on it has half the confidence.
    """

    intrinsics: Intrinsics
    lens: pycolmap.Camera | None = None
    is_guess: bool = False

    def undistort(self, keypoints: np.ndarray) -> np.ndarray:
        """(N, 2) pixels of the image -> (N, 2) pixels that the pinhole camera would have; NaN where there are none."""
        if self.lens is None or len(keypoints) == 0:
            return keypoints
        rays = self.lens.cam_from_img(np.asarray(keypoints, dtype=np.float64) + COLMAP_CENTRE)
        K = self.intrinsics.K
        rays = np.asarray(rays, dtype=np.float64).reshape(len(keypoints), -1)[:, :2]  # one point comes back as a vector
        return (rays * K[[0, 1], [0, 1]] + K[:2, 2]).astype(keypoints.dtype)

    def equals(self, other: Camera) -> bool:
        """Whether both are the same camera."""
        lenses = [None if c.lens is None else (c.lens.model, *c.lens.params) for c in (self, other)]
        return self.intrinsics.equals(other.intrinsics) and lenses[0] == lenses[1]


class Cameras:
    """Cameras by image name.

    Args:
        cameras: the table.
        source: what it was read from, for messages.
        unusable: images with a camera that cannot be used, and why; whoever asks for one is told.
    """

    def __init__(
        self, cameras: Mapping[str, Camera], source: Path | str, unusable: Mapping[str, str] | None = None
    ) -> None:
        self.cameras = cameras
        self.source = source
        self.unusable = unusable or {}

    def checksum(self) -> str:
        """A checksum of all intrinsics, by name."""
        digest = hashlib.sha256()
        for name, camera in sorted(self.cameras.items()):
            K = np.ascontiguousarray(camera.intrinsics.K, dtype=np.float64)
            digest.update(name.encode() + K.tobytes())
        return digest.hexdigest()

    def get(self, name: str, image_size: tuple[int, int] | None = None) -> Camera:
        """The camera of an image.

        Args:
            image_size: (width, height) of the image, where known.

        Raises:
            InputError: none is known, or only one for another resolution.
        """
        if name in self.unusable:
            raise InputError(self.unusable[name])
        if name not in self.cameras:
            example = next(iter(self.cameras), "none")
            raise InputError(
                f"{self.source} has no intrinsics of image '{shown(name)}' (it has names like '{shown(example)}')."
            )
        camera = self.cameras[name]
        if image_size is not None:
            camera.intrinsics.check_size(*image_size, image=Path(name), source=str(self.source))
        return camera

    def find(self, image: Path, image_size: tuple[int, int]) -> Camera:
        """The camera of an image file, whose path ends in one of the names.

        Raises:
            InputError: see ``get``.
        """
        names = {name: name for name in [*self.cameras, *self.unusable]}
        return self.get(find_intrinsics(names, image, Path(self.source)), image_size)


def read_cameras(path: Path | Sequence[Path]) -> Cameras:
    """Cameras from a file, a folder, or several of them.

    Args:
        path: a file with lines ``name fx fy cx cy w h`` (Map-free) or ``name MODEL w h params...`` (hloc's lists of
            queries); a COLMAP model, or a folder with one in ``sparse/0``; or a folder in which ``intrinsics.txt``
            files lie, directly or one level deeper, as in Map-free's scenes and splits: their names then get the
            scene's folder in front. Of several paths, the images of all: a model and its queries, for example.

    Raises:
        InputError: nothing that can be read as cameras, or an image with two cameras; the message says what is wrong
            in which line.
    """
    if not isinstance(path, (str, Path)):
        return read_cameras(path[0]) if len(path) == 1 else _joined([read_cameras(one) for one in path])
    path = Path(path)
    check_exists(path)
    unusable: dict[str, str] = {}
    if not path.is_dir():
        table = _read_list(path)
    elif (model := find_colmap_model(path)) is not None:
        table, unusable = _read_model(model)
    else:
        table = _read_folder(path)
    if not table:
        raise InputError(next(iter(unusable.values()), f"{path} has no cameras."))
    return Cameras(table, path, unusable)


def camera_from_colmap(camera: pycolmap.Camera, where: str = "the camera") -> Camera:
    """COLMAP's camera with pixel centres at integers; a lens that distorts is kept beside its pinhole part.

    Raises:
        InputError: its model has no camera matrix, or its numbers are those of no camera.
    """
    if camera.model.name not in CAMERA_MODELS or not camera.verify_params():
        raise InputError(
            f"{where}: a camera of model {camera.model.name} with {len(camera.params)} parameters has no pinhole part "
            f"to reckon with; models that have one: {', '.join(CAMERA_MODELS)}."
        )
    if not np.isfinite(camera.params).all():
        raise InputError(f"{where}: the parameters {camera.params_to_string()} must be finite.")
    K = np.array(camera.calibration_matrix(), dtype=np.float64)
    K[:2, 2] -= COLMAP_CENTRE
    intrinsics = check_camera(Intrinsics(K, int(camera.width), int(camera.height)), where)
    is_pinhole = camera.model.name in ("PINHOLE", "SIMPLE_PINHOLE")
    return Camera(intrinsics, None if is_pinhole else camera)


def _joined(sources: Sequence[Cameras]) -> Cameras:
    table: dict[str, Camera] = {}
    unusable: dict[str, str] = {}
    for source in sources:
        for name, camera in source.cameras.items():
            if name in table and not table[name].equals(camera):
                raise twice(name, str(source.source))
            table[name] = camera
        unusable.update(source.unusable)
    unusable = {name: reason for name, reason in unusable.items() if name not in table}
    return Cameras(table, " and ".join(str(source.source) for source in sources), unusable)


def _read_model(folder: Path) -> tuple[dict[str, Camera], dict[str, str]]:
    """Cameras by image name, and the reasons of images whose camera cannot be used."""
    model = read_colmap_model(folder)
    table: dict[str, Camera] = {}
    unusable: dict[str, str] = {}
    for image in model.images.values():
        try:
            camera = camera_from_colmap(model.cameras[image.camera_id], f"{folder}, camera {image.camera_id}")
            if image.name in table and not table[image.name].equals(camera):
                raise twice(image.name, str(folder))
            table[image.name] = camera
        except InputError as error:
            unusable[image.name] = str(error)
    return {name: camera for name, camera in table.items() if name not in unusable}, unusable


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


def _read_list(path: Path) -> dict[str, Camera]:
    table: dict[str, Camera] = {}
    for number, line in read_lines(path, "intrinsics file"):
        where = f"{path}, line {number}"
        name, camera = _parse_query(line.split(), where) if _names_model(line) else _parse_pinhole(line, where)
        if name in table and not table[name].equals(camera):
            raise twice(name, where)
        table[name] = camera
    if not table:
        raise InputError(
            f"{path} has no intrinsics; it needs lines 'name fx fy cx cy w h' or 'name MODEL width height params...'."
        )
    return table


def _names_model(line: str) -> bool:
    """Whether the second word of a line is a model of COLMAP, or a word of that kind, rather than a number."""
    fields = line.split()
    if len(fields) < 2:
        return False
    return fields[1].upper() in pycolmap.CameraModelId.__members__ or bool(re.fullmatch(r"[A-Z_]{3,}", fields[1]))


def _parse_pinhole(line: str, where: str) -> tuple[str, Camera]:
    name, intrinsics = parse_intrinsics(line, where)
    return name, Camera(intrinsics)


def _parse_query(fields: list[str], where: str) -> tuple[str, Camera]:
    model = fields[1].upper()
    if model not in pycolmap.CameraModelId.__members__ or model in NO_PINHOLE:
        raise InputError(f"{where}: {unknown_name('camera model', fields[1], CAMERA_MODELS)}")
    if len(fields) < 5:
        raise InputError(f"{where}: expected 'name MODEL width height params...' with a model of COLMAP.")
    width, height, *params = parse_numbers(fields[2:], where)
    size = whole_size(width, height, where)
    camera = pycolmap.Camera(model=model, params=params)
    if not camera.verify_params():
        raise InputError(f"{where}: model {model} does not have {len(params)} parameters ({camera.params_info}).")
    try:
        camera.width, camera.height = size
    except TypeError as error:
        raise InputError(f"{where}: no image is {size[0]} x {size[1]} pixels.") from error
    return fields[0], camera_from_colmap(camera, where)
