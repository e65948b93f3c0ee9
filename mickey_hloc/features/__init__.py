"""Parts that find keypoints in one image: ours by name, a user's own by dotted path, and those of an installed hloc."""

from typing import Any

from mickey_hloc.features.base import Extractor, ExtractorOptions
from mickey_hloc.registry import Registry, tables

EXTRACTORS: Registry[Extractor] = Registry(
    "feature", Extractor, tables.FEATURES, fallback="mickey_hloc.hloc_plugin.parts:find_feature"
)


def get_extractor(name: str, host: str = "hloc", **options: Any) -> Extractor:
    """An extractor by name, e.g. ``get_extractor("sift", max_keypoints=2048)``.

    Args:
        name: of ``EXTRACTORS``, a dotted path, or a conf of hloc's ``extract_features``.
        host: the hloc whose confs are meant where the name is not ours.
        options: of the extractor.

    Raises:
        InputError: an unknown name or option, or a value of the wrong type; the message lists the known ones.
        MissingDependencyError: hloc, or what the extractor needs, is not installed.

    Example:
        >>> import torch
        >>> extractor = get_extractor("sift", max_keypoints=100)
        >>> image = torch.rand(1, 1, 48, 64, generator=torch.Generator().manual_seed(0))  # B x 1 x H x W in [0, 1]
        >>> [features] = extractor.extract(image)
        >>> sorted(features), features["keypoints"].shape[1], features["descriptors"].shape[0]
        (['descriptors', 'keypoint_scores', 'keypoints'], 2, 128)
    """
    return EXTRACTORS.create(name, host, **options)


__all__ = ["EXTRACTORS", "Extractor", "ExtractorOptions", "get_extractor"]
