"""Any matcher of the vismatch package (PyPI), which wraps over 70 of them behind one interface."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import torch
from torch import Tensor

from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.io.image_batches import Preprocessing
from mickey_hloc.matching.base import ROUNDING
from mickey_hloc.model.device import usable_device
from mickey_hloc.pair_models.base import PairMatches, PairModel, PairModelOptions
from mickey_hloc.registry import require, unknown_name

# What its matchers raise on images that they cannot use, e.g. OpenCV's where one of the two has no keypoint.
BREAKDOWNS = (cv2.error, RuntimeError, ValueError, IndexError, TypeError, AssertionError)


@dataclass(frozen=True)
class VismatchOptions(PairModelOptions):
    """Options of vismatch's matchers.

    Attributes:
        matcher: its name, as in ``vismatch.available_models``.
        max_num_keypoints: maximum number of keypoints an image, or of matches of dense methods.
    """

    preprocessing: Preprocessing = field(default_factory=lambda: Preprocessing(resize_max=1024))
    size_multiple: int = 8
    matcher: str = "sift-nn"
    max_num_keypoints: int = 2048

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_num_keypoints", self.max_num_keypoints >= 1, "at least 1")


class VismatchPairModel(PairModel):
    """Correspondences as the matcher gives them; nothing is rounded. Confidences above 1 are divided by the largest."""

    Options = VismatchOptions
    options: VismatchOptions

    @cached_property
    def matcher(self) -> Any:
        """The matcher, loaded when it is first asked for."""
        o = self.options
        return load_vismatch(o.matcher, o.max_num_keypoints, str(usable_device(o.device)))

    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        matcher = self.matcher
        try:
            found = vismatch_pair(matcher, image0, image1)
        except BREAKDOWNS as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"vismatch's {self.options.matcher} cannot match these images ({type(error).__name__}: {reason})."
            ) from error
        largest = float(found.scores.max()) if len(found.scores) else 0.0
        return found if largest <= 1 + ROUNDING else dataclasses.replace(found, scores=found.scores / largest)


def load_vismatch(matcher: str, max_num_keypoints: int, device: str) -> Any:
    """A matcher of the vismatch package.

    Raises:
        MissingDependencyError: vismatch, or what it needs to be imported, is not installed.
        InputError: it has no matcher of that name.
        WeightsError: its weights are not there and cannot be downloaded.
    """
    try:
        import vismatch
    except ImportError as error:
        raise MissingDependencyError(f"Matcher vismatch: {error}; install it with: pip install vismatch") from error
    if matcher not in vismatch.available_models:
        raise unknown_name("vismatch matcher", matcher, vismatch.available_models)
    from mickey_hloc.weights.foreign import loading

    with loading(f"The matcher vismatch ({matcher})", "pip install vismatch"):
        return vismatch.get_matcher(matcher, device=device, max_num_keypoints=max_num_keypoints)


def vismatch_pair(matcher: Any, image0: Tensor, image1: Tensor) -> PairMatches:
    """Two images 3 x H x W in [0, 1] -> matches; methods without confidences get 1 for every match."""
    result = matcher(image0, image1)
    keypoints0 = torch.as_tensor(result["matched_kpts0"], dtype=torch.float32).reshape(-1, 2)
    keypoints1 = torch.as_tensor(result["matched_kpts1"], dtype=torch.float32).reshape(-1, 2)
    confidences = result["matched_confidences"]
    scores = torch.ones(len(keypoints0)) if confidences is None else torch.as_tensor(confidences, dtype=torch.float32)
    return PairMatches(keypoints0, keypoints1, scores)
