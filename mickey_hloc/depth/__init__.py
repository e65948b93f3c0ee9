"""Metric depth sources: depth at keypoints, wherever it comes from.

All but ``SPECS``, how sources are written, is loaded when first asked for: help texts need no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mickey_hloc.depth.table import OWN_SPEC, SPECS

if TYPE_CHECKING:
    from mickey_hloc.depth.base import DepthSource as DepthSource
    from mickey_hloc.depth.dense import DenseDepthSource as DenseDepthSource
    from mickey_hloc.depth.dense import DenseOptions as DenseOptions
    from mickey_hloc.depth.sources import DEPTH_SOURCES as DEPTH_SOURCES
    from mickey_hloc.depth.sources import get_depth_source as get_depth_source

_EXPORTS = {
    "DEPTH_SOURCES": "mickey_hloc.depth.sources",
    "DenseDepthSource": "mickey_hloc.depth.dense",
    "DenseOptions": "mickey_hloc.depth.dense",
    "DepthSource": "mickey_hloc.depth.base",
    "get_depth_source": "mickey_hloc.depth.sources",
}
__all__ = [
    "DEPTH_SOURCES",
    "OWN_SPEC",
    "SPECS",
    "DenseDepthSource",
    "DenseOptions",
    "DepthSource",
    "get_depth_source",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'mickey_hloc.depth' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
