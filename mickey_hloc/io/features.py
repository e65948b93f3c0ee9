"""Reading features files in hloc's layout: a group per image with its keypoints and what belongs to them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from mickey_hloc.errors import InputError
from mickey_hloc.io.checksum import arrays_crc
from mickey_hloc.io.hdf5 import (
    contains,
    find_group,
    named_groups,
    numeric_keys,
    open_for_reading,
    read_array,
    read_attributes,
)

_READ = ("keypoints", "keypoint_scores", "depths", "descriptors")
PER_KEYPOINT = ("keypoint_scores", "depths", "scores", "scales", "oris")  # datasets with one entry a keypoint


TRAINING_FOCAL_KEY = "mickey_training_focal_px"  # attribute of the file: at which focal length its depths were learned
DEPTH_KIND_KEY = "mickey_hloc_depth_kind"  # attribute of a file of sampled depths, see ``DepthSource.depth_kind``


@dataclass(frozen=True)
class LearnedFocal:
    """At which focal length a network learned the depth that it gave for an image.

    Attributes:
        training_focal_px: of the training images.
        network_scale: size of the image as the network saw it over its original size.
    """

    training_focal_px: float
    network_scale: float = 1.0


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """What a features file says of one image; all arrays are float32.

    Attributes:
        keypoints: (N, 2) pixels of the original image, centre of the top-left pixel = (0, 0).
        keypoint_scores: (N,), where stored.
        depths: (N,) metres, where stored; non-finite or <= 0 means unusable.
        descriptors: (D, N), where stored and asked for.
        image_size: (width, height), where stored.
        learned_focal: of the depths, where the file says it.
    """

    keypoints: np.ndarray
    keypoint_scores: np.ndarray | None = None
    depths: np.ndarray | None = None
    descriptors: np.ndarray | None = None
    image_size: tuple[int, int] | None = None
    learned_focal: LearnedFocal | None = None


def in_memory(arrays: Mapping[str, np.ndarray], training_focal_px: float | None = None) -> ImageFeatures:
    """The arrays of an image's group as they are read back from a file: everything float32."""
    kept = {key: np.asarray(arrays[key], dtype=np.float32) for key in _READ if key in arrays}
    focal = None
    if training_focal_px is not None and "depths" in kept:
        focal = LearnedFocal(training_focal_px, 1.0 / float(arrays.get("uncertainty", np.float32(1.0))))
    width, height = (int(side) for side in arrays["image_size"])
    return ImageFeatures(**kept, image_size=(width, height), learned_focal=focal)


class FeatureFile:
    """A features file open for reading; use it in a ``with`` block.

    Raises:
        InputError: no such file, or not readable as HDF5.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file = open_for_reading(self.path, "features file")

    def __enter__(self) -> FeatureFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    @property
    def attributes(self) -> dict[str, object]:
        """Texts and numbers that the file says of itself, e.g. how it was made (``mickey_hloc.io.feature_store``)."""
        return dict(read_attributes(self._file))

    def names(self) -> list[str]:
        """The images, sorted."""
        return image_names(self._file)

    def __contains__(self, name: str) -> bool:
        return find_group(self._file, name) is not None

    def read(self, name: str, descriptors: bool = False) -> ImageFeatures:
        """The features of one image.

        Raises:
            InputError: the image is not in the file, or its group is incomplete or inconsistent.
        """
        group = find_group(self._file, name)
        if group is None:
            raise InputError(f"{self.path} has no features of image '{name}'.")
        where = f"image '{name}' in {self.path}"
        keypoints = np.asarray(read_array(group, "keypoints", where), dtype=np.float32)
        if keypoints.ndim != 2 or keypoints.shape[1] != 2:
            raise InputError(f"'keypoints' of {where} has shape {keypoints.shape}, expected (N, 2).")
        found = _optional(group, "descriptors", where, (None, len(keypoints))) if descriptors else None
        if found is not None and not np.isfinite(found).all():
            raise InputError(f"'descriptors' of {where} has values that are not finite; extract it again.")
        scores_key = "keypoint_scores" if contains(group, "keypoint_scores") else "scores"
        return ImageFeatures(
            keypoints=keypoints,
            keypoint_scores=_optional(group, scores_key, where, (len(keypoints),)),
            depths=_optional(group, "depths", where, (len(keypoints),)),
            descriptors=found,
            image_size=_image_size(group, where),
            learned_focal=self._learned_focal(group),
        )

    def checksum(self, name: str) -> int | None:
        """Of every dataset of an image, as matches files keep it; None where the descriptors were left out."""
        group = find_group(self._file, name)
        if group is None or not contains(group, "descriptors"):
            return None
        where = f"image '{name}' in {self.path}"
        keys = numeric_keys(group)
        return arrays_crc({key: np.asarray(read_array(group, key, where), dtype=np.float32) for key in keys})

    def _learned_focal(self, group: h5py.Group) -> LearnedFocal | None:
        trained = self.attributes.get(TRAINING_FOCAL_KEY)
        if trained is None or not contains(group, "depths"):
            return None
        # Pixels of the original per pixel of the network.
        pixels = read_attributes(group["keypoints"]).get("uncertainty", 1.0)
        for value, what in ((trained, TRAINING_FOCAL_KEY), (pixels, "uncertainty")):
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise InputError(f"{self.path}: its attribute '{what}' is {value!r}, but must be a positive number.")
        return LearnedFocal(float(trained), 1.0 / float(pixels))  # type: ignore[arg-type]


def _optional(group: h5py.Group, key: str, where: str, shape: tuple[int | None, ...]) -> np.ndarray | None:
    if not contains(group, key):
        return None
    values = np.asarray(read_array(group, key, where), dtype=np.float32)
    if values.ndim != len(shape) or any(
        want not in (None, have) for have, want in zip(values.shape, shape, strict=True)
    ):
        raise InputError(f"'{key}' of {where} has shape {values.shape}, which does not fit its {shape[-1]} keypoints.")
    return values


def _image_size(group: h5py.Group, where: str) -> tuple[int, int] | None:
    if not contains(group, "image_size"):
        return None
    size = np.asarray(read_array(group, "image_size", where)).ravel()
    if len(size) != 2:
        raise InputError(f"'image_size' of {where} has {len(size)} numbers, expected width and height.")
    if not (np.isfinite(size) & (size >= 1) & (size < 2**31)).all():
        raise InputError(f"'image_size' of {where} is {size.tolist()}, expected a width and a height in pixels.")
    return int(size[0]), int(size[1])


def image_names(file: h5py.File) -> list[str]:
    """Names of the groups that hold datasets, sorted; names with folders are nested groups."""
    return named_groups(file)


def is_complete(group: object, required: frozenset[str]) -> bool:
    """Whether an image's group has every required dataset, of fitting lengths: a half-written one has not."""
    if not isinstance(group, h5py.Group) or not all(isinstance(group.get(k), h5py.Dataset) for k in required):
        return False
    keypoints = group["keypoints"]
    if keypoints.ndim != 2 or keypoints.shape[1] != 2:
        return False
    per_keypoint = all(group[k].shape == keypoints.shape[:1] for k in PER_KEYPOINT if k in group)
    descriptors = "descriptors" not in group or group["descriptors"].shape[-1:] == keypoints.shape[:1]
    return bool(per_keypoint and descriptors)
