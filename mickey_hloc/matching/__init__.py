"""Matchers of two images: of their stored features, or of the images themselves."""

from typing import Any

from mickey_hloc.matching.base import FeatureMatcher, ImageMatcher
from mickey_hloc.registry import Registry

FEATURE_MATCHERS: Registry[FeatureMatcher] = Registry(
    "matcher",
    FeatureMatcher,
    {
        "hloc": "mickey_hloc.hloc_plugin.hosted_matching:HostedFeatureMatcher",
        "mickey": "mickey_hloc.matching.mickey:DualSoftmaxMatcher",
        "nearest": "mickey_hloc.matching.nearest:NearestNeighbourMatcher",
    },
)
IMAGE_MATCHERS: Registry[ImageMatcher] = Registry(
    "matcher of images", ImageMatcher, {"hloc": "mickey_hloc.hloc_plugin.hosted_matching:HostedImageMatcher"}
)


def get_feature_matcher(name: str, **options: Any) -> FeatureMatcher:
    """A matcher of stored features by name, e.g. ``get_feature_matcher("nearest", max_ratio=0.8)``.

    Raises:
        InputError: an unknown name or option; the message lists the known ones.
    """
    return FEATURE_MATCHERS.get(name)(**options)


def get_image_matcher(name: str, **options: Any) -> ImageMatcher:
    """A matcher of images by name, e.g. ``get_image_matcher("hloc", model={"name": "loftr", "weights": "outdoor"})``.

    Raises:
        InputError: an unknown name or option; the message lists the known ones.
    """
    return IMAGE_MATCHERS.get(name)(**options)


__all__ = [
    "FEATURE_MATCHERS",
    "IMAGE_MATCHERS",
    "FeatureMatcher",
    "ImageMatcher",
    "get_feature_matcher",
    "get_image_matcher",
]
