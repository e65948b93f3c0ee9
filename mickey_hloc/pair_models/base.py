"""The contract of every pair model: two images in, matched keypoints out, with metric depth where the model has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.features.base import chosen_preprocessing, image_part_tag, to_original_image
from mickey_hloc.geometry.camera import resize_intrinsics
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.image_batches import Preprocessing, prepare_image
from mickey_hloc.matching.base import checked_scores
from mickey_hloc.registry import CheckedOptions, Part, require

_DEPTHS = frozenset({"depths0", "depths1"})


@dataclass(frozen=True)
class PairModelOptions(CheckedOptions):
    """Options of every pair model.

    Attributes:
        preprocessing: how images are read and resized.
        size_multiple: the sides of images become multiples of it, pixels.
        device: default: the GPU where there is one.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    size_multiple: int = 1
    device: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "size_multiple", self.size_multiple >= 1, "at least 1")


@dataclass(frozen=True, eq=False)
class PairMatches:
    """What a pair model says of two images.

    Attributes:
        keypoints0, keypoints1: (M, 2) pixels, matched row by row; centre of the top-left pixel = (0, 0).
        scores: (M,) in [0, 1].
        depths0, depths1: (M,) metres, of models that have metric depth; non-finite or <= 0 means unusable.
        pose: that the model predicts, of models that do; None where it gives up on a pair.
    """

    keypoints0: Tensor
    keypoints1: Tensor
    scores: Tensor
    depths0: Tensor | None = None
    depths1: Tensor | None = None
    pose: PredictedPose | None = None


class PairModel(Part, ABC):
    """Base of the pair models. A subclass defines ``_match`` and, where it has options, ``Options`` (derived from
    ``PairModelOptions``); this class checks what it returns.
    """

    kind = "pair model"
    Options: ClassVar[type] = PairModelOptions
    has_depth: ClassVar[bool] = False  # whether its matches come with metric depth in both images
    uses_cameras: ClassVar[bool] = False  # whether it is given the intrinsics; then it defines ``_match_views``
    predicts_pose: ClassVar[bool] = False  # whether it predicts the pose itself, see the solver "predicted"
    options: PairModelOptions

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are read and resized."""
        return chosen_preprocessing(self)

    def network_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) at which the model sees an image of that size."""
        return whole_multiples(self.preprocessing.network_size(image_size), self.options.size_multiple)

    def match(self, image0: Tensor, image1: Tensor, K0: Tensor | None = None, K1: Tensor | None = None) -> PairMatches:
        """Match two images.

        Args:
            image0, image1: (3, H, W) RGB, or (1, H, W) grey where ``preprocessing`` says so; float32 in [0, 1]. Sizes
                may differ.
            K0, K1: (3, 3) intrinsics, pixels of these images, for models that use them.

        Returns:
            Matches in pixels of the given images, on the CPU; none where an image has a single colour.

        Raises:
            InputError: images that the model cannot process, or no intrinsics where it uses them.
            PartError: the model returned something else, or has a bug.
        """
        if self.uses_cameras and (K0 is None or K1 is None):
            raise InputError(f"The pair model {self.name} needs the intrinsics of both images.")
        if any(bool((image == image[:, :1, :1]).all()) for image in (image0, image1)):
            depths = torch.zeros(0) if self.has_depth else None
            return PairMatches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0), depths, depths)
        with torch.inference_mode(), self.running():
            found = self._match_views(image0, image1, K0, K1)
        if not isinstance(found, PairMatches):
            raise self.broken(f"returned {type(found).__name__}, but must return PairMatches")
        return self._checked(found)

    def _match_views(self, image0: Tensor, image1: Tensor, K0: Tensor | None, K1: Tensor | None) -> PairMatches:
        return self._match(image0, image1)

    @abstractmethod
    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches: ...

    def tag(self) -> str:
        """A name for files: what decides the matches is in it."""
        return image_part_tag(self, self.preprocessing)

    def identity(self) -> dict[str, Any]:
        """As of every part; ``preprocessing``, which the caller may change, is told apart from it."""
        return {key: value for key, value in super().identity().items() if key != "preprocessing"}

    def _checked(self, found: PairMatches) -> PairMatches:
        if not isinstance(found.pose, (PredictedPose, type(None))):
            raise self.broken(f"returned a pose of type {type(found.pose).__name__}, but it must be a PredictedPose")
        tensors = {key: value for key, value in vars(found).items() if key != "pose" and value is not None}
        arrays = {key: self._tensor(key, value) for key, value in tensors.items()}
        required = {"keypoints0", "keypoints1", "scores", *(_DEPTHS if self.has_depth or _DEPTHS & set(arrays) else ())}
        lacking = sorted(required - set(arrays))
        if lacking:
            raise self.broken(f"must return {', '.join(lacking)}, too")
        count = len(arrays["scores"]) if arrays["scores"].ndim else 0
        for key, array in arrays.items():
            shape = (count, 2) if key.startswith("keypoints") else (count,)
            if array.shape != shape:
                raise self.broken(f"returned {key} of shape {tuple(array.shape)}, but it must be {shape}")
            if key not in _DEPTHS and not bool(torch.isfinite(array).all()):
                raise self.broken(f"returned {key} that are not finite")
        return PairMatches(**{**arrays, "scores": checked_scores(self, arrays["scores"])}, pose=found.pose)

    def _tensor(self, key: str, value: Any) -> Tensor:
        try:
            return torch.as_tensor(value).detach().float().cpu()
        except (TypeError, ValueError, RuntimeError) as error:
            raise self.broken(f"returned {key} of type {type(value).__name__}, but it must be a tensor") from error


def whole_multiples(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """(width, height) cut to multiples of a number of pixels, at least one of them."""
    return max(size[0] // multiple, 1) * multiple, max(size[1] // multiple, 1) * multiple


def match_photos(
    model: PairModel, photos: Sequence[np.ndarray], intrinsics: Sequence[np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a pair's group, in pixels of the original images.

    Args:
        photos: two images (H, W, 3) uint8 RGB.
        intrinsics: K (3, 3) of both, pixels of the photos, for models that use them.

    Returns:
        ``keypoints0``, ``keypoints1`` (M, 2), ``scores`` (M,), ``sizes`` (2, 2), and, of models that have depth,
        ``depths0``, ``depths1`` (M,) metres. Of models that predict the pose also what ``PredictedPose.arrays`` gives.

    Raises:
        InputError: images that the model cannot process.
    """
    sizes = [(photo.shape[1], photo.shape[0]) for photo in photos]
    images = [prepare_image(p, model.preprocessing, model.network_size(s)) for p, s in zip(photos, sizes, strict=True)]
    cameras: list[Tensor] = []
    if model.uses_cameras and intrinsics is not None:
        for K, size, image in zip(intrinsics, sizes, images, strict=True):
            network_size = (image.shape[2], image.shape[1])
            cameras.append(resize_intrinsics(torch.from_numpy(np.asarray(K, dtype=np.float64)), size, network_size))
    found = model.match(*(torch.from_numpy(image) for image in images), *cameras)
    pose = {} if found.pose is None else found.pose.arrays()
    arrays = pose | {"scores": found.scores.numpy(), "sizes": np.array(sizes)}
    for side, keypoints in enumerate((found.keypoints0, found.keypoints1)):
        network_size = (images[side].shape[2], images[side].shape[1])
        original = to_original_image({"keypoints": keypoints.numpy()}, network_size, sizes[side], as_half=False)
        arrays[f"keypoints{side}"] = original["keypoints"]
    depths = {"depths0": found.depths0, "depths1": found.depths1}
    return arrays | {key: value.numpy() for key, value in depths.items() if value is not None}
