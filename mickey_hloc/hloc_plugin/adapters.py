"""What our hloc adapters share. The files in ``extractors`` and ``matchers`` add the base class of their host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.features.mickey import DEFAULT_WEIGHTS
from mickey_hloc.matching.mickey import DualSoftmaxOptions
from mickey_hloc.model.blockwise import match_blockwise
from mickey_hloc.model.device import default_device
from mickey_hloc.model.mickey import MetricKeypoints
from mickey_hloc.pair_models.vismatch import load_vismatch, vismatch_pair
from mickey_hloc.registry import make_options
from mickey_hloc.weights.checkpoints import load_matcher

MAX_KEYPOINTS = 2**15  # hloc stores matches0 as int16


def checked_conf(options: type, conf: Mapping[str, Any], where: str) -> Any:
    """hloc accepts any key of a conf; a misspelt one would silently do nothing.

    Raises:
        InputError: a key that is neither ``name`` nor a field of the options dataclass, or a value of another type.
    """
    return make_options(options, {k: v for k, v in conf.items() if k != "name"}, where)


def hloc_features(features: MetricKeypoints) -> dict[str, Tensor]:
    """The arrays of the features file, with a batch axis: keypoints, depths and scores as float64.

    hloc's main() turns every float32 array into float16 and leaves other types alone. Half a pixel near x = 1500 and
    scores below 6e-8 would be lost; float64 costs 32 bytes a keypoint beside the 256 of its float16 descriptor.

    Raises:
        InputError: more keypoints than hloc's match files can index.
    """
    n = features.keypoints.shape[-2]
    if n > MAX_KEYPOINTS:
        raise InputError(f"{n} keypoints: hloc's match files index at most {MAX_KEYPOINTS}; lower resize_max.")
    return {
        "keypoints": features.keypoints.double(),
        "depths": features.depths.double(),
        "keypoint_scores": features.keypoint_scores.double(),
        "descriptors": features.descriptors,
    }


class DualSoftmaxMatching:
    """MicKey's matcher: dual softmax with dustbin (Eq. 3), then mutual nearest neighbours.

    Needs features of MicKey and the ``weights`` that made them, of which only the dustbin value and the temperature
    are used.
    """

    default_conf: ClassVar[dict[str, Any]] = {"weights": DEFAULT_WEIGHTS, "match_threshold": 0.0}
    required_inputs: ClassVar[list[str]] = ["descriptors0", "descriptors1"]

    def _init(self, conf: Mapping[str, Any]) -> None:
        self.options: DualSoftmaxOptions = checked_conf(DualSoftmaxOptions, conf, "matcher mickey")
        self.matcher = load_matcher(self.options.weights)

    def _forward(self, data: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Descriptors 1 x D x N0 and 1 x D x N1 -> matches0 1 x N0 (-1 = none) and matching_scores0 1 x N0."""
        descriptors0, descriptors1 = data["descriptors0"][0], data["descriptors1"][0]
        if descriptors1.shape[-1] > MAX_KEYPOINTS:
            raise InputError(f"{descriptors1.shape[-1]} keypoints: hloc's match files index at most {MAX_KEYPOINTS}.")
        matches0, scores0 = match_blockwise(self.matcher, descriptors0, descriptors1, self.options.match_threshold)
        return {"matches0": matches0[None], "matching_scores0": scores0[None]}


def load_dense(matcher: str, max_num_keypoints: int) -> Any:
    """A matcher of the vismatch package, on the device that hloc uses. Raises: see ``load_vismatch``."""
    return load_vismatch(matcher, max_num_keypoints, default_device())


def dense_matches(matcher: Any, image0: Tensor, image1: Tensor) -> dict[str, Tensor]:
    """Two images 3 x H x W in [0, 1] -> keypoints0 M x 2, keypoints1 M x 2 (px), scores M, as hloc's dense matchers."""
    found = vismatch_pair(matcher, image0, image1)
    return {"keypoints0": found.keypoints0, "keypoints1": found.keypoints1, "scores": found.scores}
