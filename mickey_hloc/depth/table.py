"""The depth sources of this package by the way they are written. Nothing heavy is imported here: help texts read it."""

from __future__ import annotations

from mickey_hloc.registry.tables import DEPTH_SOURCES as TABLE

OWN_SPEC = "package.module:Class[:<argument>]"  # a class of the user's that derives from DepthSource

TARGETS = {spec.partition(":")[0].partition("[")[0]: target for spec, target in TABLE.items()}
SPECS = dict(zip(TARGETS, TABLE, strict=True))
# Where the images are at hand, MicKey can run for its depth.
SPECS_WITH_IMAGES = SPECS | {"mickey": "mickey[:<weights or features.h5>]"}


def name_of(cls: type) -> str:
    """The name of a depth source's class in the table, or its dotted path where it is not there."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    return next((name for name, target in TARGETS.items() if target == path), path)


def written_as(cls: type) -> str:
    """How a spec of this class is written, e.g. ``png:<suffix>[@<units per metre>]``."""
    return SPECS.get(name_of(cls), f"{name_of(cls)}[:<argument>]")
