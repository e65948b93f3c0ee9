"""The contract of every matcher: the stored features of two images in, one partner or none for each keypoint out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from mickey_hloc.errors import InputError
from mickey_hloc.registry import CheckedOptions, Part, options_tag

StoredFeatures = Mapping[str, Tensor]  # every dataset of one image in a features file, float32
ROUNDING = 1e-3  # of a score, in 16 bit


@dataclass(frozen=True)
class MatcherOptions(CheckedOptions):
    """Options of every matcher: none."""


class Matcher(Part, ABC):
    """Base of the matchers. A subclass defines ``_match``, what it ``needs`` of the features besides keypoints and,
    where it has options, ``Options`` (derived from ``MatcherOptions``); this class checks input and output.
    """

    kind = "matcher"
    Options: ClassVar[type] = MatcherOptions
    needs: ClassVar[frozenset[str]] = frozenset()

    def prepare(self, attributes: Mapping[str, object]) -> None:
        """Called once before the first pair, with the attributes of the features file."""

    def match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        """Match two images.

        Args:
            features0, features1: ``keypoints`` (N, 2), ``descriptors`` (D, N), ``image_size`` (2,), and whatever else
                the features file has; either image may have no keypoints.

        Returns:
            matches0 (N0,) int64, the index of the partner in image 1 or -1, and matching_scores0 (N0,) float32 in
            [0, 1]; both on the CPU.

        Raises:
            InputError: features that this matcher cannot use.
            PartError: the matcher returned something else, or has a bug.
        """
        self._check_features(features0, features1)
        n0, n1 = len(features0["keypoints"]), len(features1["keypoints"])
        if 0 in (n0, n1):
            return torch.full((n0,), -1, dtype=torch.int64), torch.zeros(n0)
        with torch.inference_mode(), self.running():
            found = self._match(features0, features1)
        if not isinstance(found, tuple) or len(found) != 2:
            raise self.broken("must return a partner and a score for each keypoint of image 0, two tensors")
        matches0, scores0 = (self._tensor(value) for value in found)
        if matches0.shape != (n0,) or scores0.shape != (n0,):
            shapes = f"{tuple(matches0.shape)} and {tuple(scores0.shape)}"
            raise self.broken(f"returned partners and scores of shape {shapes} for {n0} keypoints")
        if matches0.is_floating_point() or matches0.dtype == torch.bool:
            raise self.broken(f"returned partners of type {matches0.dtype}, but they must be whole numbers")
        if int(matches0.min()) < -1 or int(matches0.max()) >= n1:
            raise self.broken(f"returned a partner that is none of the {n1} keypoints of image 1")
        return matches0.long(), checked_scores(self, scores0)

    @abstractmethod
    def _match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]: ...

    def tag(self) -> str:
        """A name for files: what decides the matches is in it."""
        return "-".join([self.file_name, *options_tag(self)])

    def _check_features(self, features0: StoredFeatures, features1: StoredFeatures) -> None:
        for features in (features0, features1):
            lacking = sorted(({"keypoints"} | self.needs) - set(features))
            if lacking:
                raise InputError(
                    f"The matcher {self.name} needs {', '.join(lacking)}, which these features do not have; choose "
                    "another matcher, or a feature that has them."
                )
        if "descriptors" in self.needs:
            shapes = [tuple(features["descriptors"].shape) for features in (features0, features1)]
            counts = [len(features["keypoints"]) for features in (features0, features1)]
            if any(len(shape) != 2 or shape[1] != n for shape, n in zip(shapes, counts, strict=True)):
                raise InputError(f"Descriptors of shape {shapes} do not fit {counts} keypoints; extract them again.")
            if shapes[0][0] != shapes[1][0]:
                raise InputError(
                    f"Descriptors of {shapes[0][0]} and of {shapes[1][0]} values cannot be matched: both images need "
                    "features of one kind."
                )

    def _tensor(self, value: Any) -> Tensor:
        try:
            return torch.as_tensor(value).detach().cpu()
        except (TypeError, ValueError, RuntimeError) as error:
            raise self.broken(f"returned {type(value).__name__}, but it must return two tensors") from error


def checked_scores(part: Part, scores: Tensor) -> Tensor:
    """Scores of matches as float32 in [0, 1]; what is outside by rounding only is moved in.

    Raises:
        PartError: they are not finite, or outside of [0, 1].
    """
    scores = scores.float()
    if not bool(torch.isfinite(scores).all()):
        raise part.broken("returned scores that are not finite")
    if len(scores) and (float(scores.min()) < -ROUNDING or float(scores.max()) > 1 + ROUNDING):
        raise part.broken(f"returned scores from {float(scores.min()):g} to {float(scores.max()):g}, not in [0, 1]")
    return scores.clamp(0, 1)
