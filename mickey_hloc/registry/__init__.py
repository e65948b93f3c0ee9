"""Slots and options: a name or a dotted path chooses a part, and plain values become its checked options."""

from mickey_hloc.registry.assignments import parse_assignments
from mickey_hloc.registry.conversion import make_options
from mickey_hloc.registry.options import CheckedOptions, NoOptions, require
from mickey_hloc.registry.part import Part, file_safe, options_tag
from mickey_hloc.registry.slots import (
    ConfTable,
    Preset,
    Registry,
    UnknownNameError,
    is_dotted_path,
    load_attribute,
    unknown_name,
)

__all__ = [
    "CheckedOptions",
    "ConfTable",
    "NoOptions",
    "Part",
    "Preset",
    "Registry",
    "UnknownNameError",
    "file_safe",
    "is_dotted_path",
    "load_attribute",
    "make_options",
    "options_tag",
    "parse_assignments",
    "require",
    "unknown_name",
]
