"""Parts that match the features of two images: ours by name, a user's own by dotted path, and those of hloc."""

from typing import Any

from mickey_hloc.matching.base import Matcher, MatcherOptions, StoredFeatures
from mickey_hloc.registry import Registry, tables

MATCHERS: Registry[Matcher] = Registry(
    "matcher", Matcher, tables.MATCHERS, fallback="mickey_hloc.hloc_plugin.parts:find_matcher"
)


def get_matcher(name: str, host: str = "hloc", **options: Any) -> Matcher:
    """A matcher by name, e.g. ``get_matcher("nn-ratio", max_ratio=0.8)``.

    Args:
        name: of ``MATCHERS``, a dotted path, or a conf of hloc's ``match_features``.
        host: the hloc whose confs are meant where the name is not ours.
        options: of the matcher.

    Raises:
        InputError: an unknown name or option, or a value of the wrong type; the message lists the known ones.
        MissingDependencyError: hloc, or what the matcher needs, is not installed.

    Example:
        >>> import torch
        >>> descriptors, size = torch.eye(3), torch.tensor([64, 48])  # D x N: three keypoints with unlike descriptors
        >>> features0 = {"keypoints": torch.zeros(3, 2), "descriptors": descriptors, "image_size": size}
        >>> features1 = {**features0, "keypoints": torch.zeros(2, 2), "descriptors": descriptors[:, [2, 0]]}
        >>> matches0, scores0 = get_matcher("nn-mutual").match(features0, features1)
        >>> matches0  # the partner of each keypoint of image 0; -1: none
        tensor([ 1, -1,  0])
    """
    return MATCHERS.create(name, host, **options)


__all__ = ["MATCHERS", "Matcher", "MatcherOptions", "StoredFeatures", "get_matcher"]
