"""MicKey's matcher: dual softmax with a dustbin (Eq. 3), then mutual nearest neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mickey_hloc.confs import DEFAULT_WEIGHTS
from mickey_hloc.features.mickey import stored_matcher
from mickey_hloc.matching.base import FeatureMatcher, StoredFeatures
from mickey_hloc.model.blockwise import match_blockwise
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.weights.checkpoints import load_matcher


@dataclass(frozen=True)
class DualSoftmaxOptions:
    """Attributes: weights: of MicKey, where the features file does not tell its temperature and dustbin value.
    match_threshold: matches with a smaller probability are left out.
    """

    weights: str = DEFAULT_WEIGHTS
    match_threshold: float = 0.0


class DualSoftmaxMatcher(FeatureMatcher):
    """For MicKey's features."""

    Options = DualSoftmaxOptions
    matcher: DualSoftmax | None = None

    def prepare(self, attributes: Mapping[str, object]) -> None:
        self.matcher = stored_matcher(attributes) or load_matcher(self.options.weights)

    def match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        if self.matcher is None:
            self.prepare({})
        assert self.matcher is not None
        with torch.inference_mode():
            return match_blockwise(
                self.matcher, features0["descriptors"], features1["descriptors"], self.options.match_threshold
            )
