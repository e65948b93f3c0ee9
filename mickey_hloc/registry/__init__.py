"""Slots and options: a name or a dotted path chooses a part, and plain values become its checked options."""

from mickey_hloc.registry.assignments import parse_assignments
from mickey_hloc.registry.options import CheckedOptions, make_options, require
from mickey_hloc.registry.part import Part
from mickey_hloc.registry.slots import Preset, Registry, unknown_name

__all__ = [
    "CheckedOptions",
    "Part",
    "Preset",
    "Registry",
    "make_options",
    "parse_assignments",
    "require",
    "unknown_name",
]
