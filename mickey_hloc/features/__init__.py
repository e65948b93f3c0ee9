"""Local features of single images, as ``extract_features`` computes them; no hloc needed."""

from typing import Any

from mickey_hloc.features.base import LocalExtractor
from mickey_hloc.registry import Registry

EXTRACTORS: Registry[LocalExtractor] = Registry(
    "feature",
    LocalExtractor,
    {
        "hloc": "mickey_hloc.hloc_plugin.hosted_features:HostedExtractor",
        "mickey": "mickey_hloc.features.mickey:MickeyExtractor",
        "sift": "mickey_hloc.features.sift:SiftExtractor",
    },
)


def get_extractor(name: str, **options: Any) -> LocalExtractor:
    """An extractor by name, e.g. ``get_extractor("sift", max_keypoints=2048)``.

    Raises:
        InputError: an unknown name or option; the message lists the known ones.
    """
    return EXTRACTORS.get(name)(**options)


__all__ = ["EXTRACTORS", "LocalExtractor", "get_extractor"]
