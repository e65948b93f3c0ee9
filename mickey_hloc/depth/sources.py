"""From a spec, ``name[:argument]``, to a depth source."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.table import OWN_SPEC, SPECS, TARGETS
from mickey_hloc.errors import InputError
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.registry import Registry
from mickey_hloc.registry.slots import is_dotted_path
from mickey_hloc.registry.users_code import users_code

DEPTH_SOURCES: Registry[DepthSource] = Registry("depth source", DepthSource, TARGETS)


def get_depth_source(
    spec: str,
    /,
    image_dir: Path | None = None,
    features: Path | None = None,
    cameras: Cameras | None = None,
    **options: Any,
) -> DepthSource:
    """A depth source by its spec, e.g. ``get_depth_source("png:sensor", image_dir=folder)``.

    Args:
        spec: ``name`` or ``name:argument``, see ``SPECS``; the name of a source of your own is its dotted path,
            ``my_package.my_module:MyDepth:argument``.
        image_dir: the folder that image names are relative to.
        features: a features file with depths, for ``mickey``.
        cameras: intrinsics of the images, for sources that use them.
        options: named options of the source.

    Raises:
        InputError: an unknown name or option (the message lists the known ones), a bad argument, or something needed
            that is not given.
        MissingDependencyError: the source needs a package that is not installed.
        PartError: a class of your own that cannot be used.

    Example:
        >>> import torch
        >>> get_depth_source("constant:1.5").depths("a.png", torch.tensor([[10.0, 20.0], [30.0, 5.0]]))  # metres
        tensor([1.5000, 1.5000])
    """
    name, argument = split_spec(spec)
    cls = DEPTH_SOURCES.get(name)
    with users_code(cls, DEPTH_SOURCES.kind):
        source = cls(argument, image_dir=image_dir, features=features, **options)
    source.cameras = cameras
    return source


def kind_of_depth(spec: str | None) -> str:
    """``DepthSource.depth_kind`` of a spec's source; "" for None, the features' own depth."""
    return "" if spec is None else DEPTH_SOURCES.get(split_spec(spec)[0]).depth_kind


def split_spec(spec: str) -> tuple[str, str]:
    """Name and argument of a spec, "" where it has no argument; names of the table come before dotted paths.

    Raises:
        InputError: the spec begins with no name of the table and with no dotted path.
    """
    first, _, rest = spec.partition(":")
    if first in DEPTH_SOURCES.names:
        return first, rest
    attribute, _, argument = rest.partition(":")
    path = f"{first}:{attribute}"
    # One word before the colon may be a module, but is more often a mistyped name of the table.
    if is_dotted_path(path) and ("." in first or first in sys.modules or importlib.util.find_spec(first) is not None):
        return path, argument
    choices = ", ".join([*SPECS.values(), OWN_SPEC])
    raise InputError(f"Unknown depth source '{spec}'; choose one of: {choices}.")
