"""Metric depth sources: depth at keypoints, wherever it comes from."""

from pathlib import Path
from typing import Any

from mickey_hloc.depth.base import DepthContext, DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.registry import Registry

DEPTH_SOURCES: Registry[DepthSource] = Registry(
    "depth source",
    DepthSource,
    {
        "constant": "mickey_hloc.depth.constant:ConstantDepth",
        "mickey": "mickey_hloc.depth.mickey:MickeyDepth",
        "npz": "mickey_hloc.depth.npz:NpzDepth",
        "png": "mickey_hloc.depth.png:PngDepth",
        "transformers": "mickey_hloc.depth.transformers:TransformersDepth",
    },
)

# How each source is written on the command line.
SPECS = {
    "constant": "constant:<metres>",
    "mickey": "mickey[:<features.h5>]",
    "npz": "npz:<file>",
    "png": "png:<suffix>",
    "transformers": "transformers:<folder or hub id>",
}


def get_depth_source(
    spec: str, image_dir: Path | None = None, features: Path | None = None, upright: bool = False, **options: Any
) -> DepthSource:
    """A depth source by its spec, e.g. ``get_depth_source("png:sensor", image_dir=folder)``.

    Args:
        spec: ``name`` or ``name:argument``, see ``SPECS``.
        image_dir: the folder that image names are relative to.
        features: a features file with depths, for ``mickey``.
        upright: see ``DepthContext``.
        options: named options of the source.

    Raises:
        InputError: an unknown name or option (the message lists the known ones), a bad argument, or something needed
            that is not given.
    """
    name, _, argument = spec.partition(":")
    if name not in DEPTH_SOURCES.names:
        raise InputError(f"Unknown depth source '{spec}'; choose one of: {', '.join(SPECS.values())}.")
    return DEPTH_SOURCES.get(name).create(argument, DepthContext(image_dir, features, upright), options)


__all__ = ["DEPTH_SOURCES", "SPECS", "DepthContext", "DepthSource", "get_depth_source"]
