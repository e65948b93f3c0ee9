"""MicKey's matcher: dual softmax with a dustbin (Eq. 3), then mutual nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.features.base import FAMILY_KEY
from mickey_hloc.features.mickey import weights_tag
from mickey_hloc.io.checksum import sha256
from mickey_hloc.matching.base import Matcher, MatcherOptions, StoredFeatures
from mickey_hloc.model.blockwise import match_blockwise
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.model.stored_constants import stored_matcher
from mickey_hloc.registry import require


@dataclass(frozen=True)
class DualSoftmaxOptions(MatcherOptions):
    """Options of MicKey's matcher.

    Attributes:
        weights: of MicKey, where the features file does not tell its temperature and dustbin value.
        match_threshold: matches with a smaller probability are left out.
    """

    weights: str = "mickey"
    match_threshold: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "match_threshold", 0 <= self.match_threshold < 1, "a probability in [0, 1)")


class DualSoftmaxMatcher(Matcher):
    """For MicKey's features."""

    Options = DualSoftmaxOptions
    needs = frozenset({"descriptors"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dual_softmax: DualSoftmax | None = None

    def prepare(self, attributes: Mapping[str, object]) -> None:
        self.dual_softmax = dual_softmax(attributes, self.options.weights)

    def _match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        if self.dual_softmax is None:
            self.prepare({})
        assert self.dual_softmax is not None
        descriptors = features0["descriptors"], features1["descriptors"]
        return match_blockwise(self.dual_softmax, *descriptors, self.options.match_threshold)

    def identity(self) -> dict[str, Any]:
        """Options; weights by name, a file of them by its checksum."""
        path = Path(self.options.weights)
        return super().identity() | ({"weights": sha256(path)} if path.is_file() else {})

    def tag(self) -> str:
        """Weights, a file also by a part of its checksum, and the threshold."""
        threshold = self.options.match_threshold
        return weights_tag(self.options.weights) + (f"-p{threshold:g}" if threshold else "")


def dual_softmax(attributes: Mapping[str, object], weights: str) -> DualSoftmax:
    """The match probability (Eq. 3) of the model that made a features file: as the file says, else as the weights do.

    Raises:
        WeightsError: the file does not say it, and the weights cannot be had.
    """
    stored = stored_matcher(attributes)
    if stored is not None:
        return stored
    if FAMILY_KEY in attributes:
        raise InputError(
            f"These features are {attributes[FAMILY_KEY]}'s, not MicKey's: choose another matcher for them."
        )
    from mickey_hloc.weights.checkpoints import load_matcher

    return load_matcher(weights)
