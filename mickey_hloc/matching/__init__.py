"""Parts that match the features of two images: ours by name, a user's own by dotted path, and those of hloc."""

from typing import Any

from mickey_hloc.matching.base import Matcher, MatcherOptions, StoredFeatures
from mickey_hloc.registry import Preset, Registry

_DUAL_SOFTMAX = "mickey_hloc.matching.mickey:DualSoftmaxMatcher"
_NEAREST = "mickey_hloc.matching.nearest:NearestNeighbourMatcher"

MATCHERS: Registry[Matcher] = Registry(
    "matcher",
    Matcher,
    {
        "mickey": _DUAL_SOFTMAX,
        "mickey-small": Preset(_DUAL_SOFTMAX, {"weights": "small"}),
        "mickey_sc": Preset(_DUAL_SOFTMAX, {"weights": "mickey_sc"}),
        "nn-mutual": Preset(_NEAREST, {"max_ratio": None}),
        "nn-ratio": Preset(_NEAREST, {"max_ratio": 0.9}),
    },
    fallback="mickey_hloc.hloc_plugin.parts:find_matcher",
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
    """
    return MATCHERS.create(name, host, **options)


__all__ = ["MATCHERS", "Matcher", "MatcherOptions", "StoredFeatures", "get_matcher"]
