"""The depth sources of this package by the way they are written. Nothing heavy is imported here: help texts read it."""

from __future__ import annotations

# How a source is written -> its class. A new source is one new file and one new line.
TABLE = {
    "constant:<metres>": "mickey_hloc.depth.constant:ConstantDepth",
    "mickey[:<features.h5>]": "mickey_hloc.depth.mickey:MickeyDepth",
    "npz:<file>": "mickey_hloc.depth.npz:NpzDepth",
    "png:<suffix>[@<units per metre>]": "mickey_hloc.depth.png:PngDepth",
    "transformers:<folder or hub id>": "mickey_hloc.depth.transformers:TransformersDepth",
}
OWN_SPEC = "package.module:Class[:<argument>]"  # a class of the user's that derives from DepthSource

TARGETS = {spec.partition(":")[0].partition("[")[0]: target for spec, target in TABLE.items()}
SPECS = dict(zip(TARGETS, TABLE, strict=True))


def name_of(cls: type) -> str:
    """The name of a depth source's class in the table, or its dotted path where it is not there."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    return next((name for name, target in TARGETS.items() if target == path), path)


def written_as(cls: type) -> str:
    """How a spec of this class is written, e.g. ``png:<suffix>[@<units per metre>]``."""
    return SPECS.get(name_of(cls), f"{name_of(cls)}[:<argument>]")
