"""Bases of options dataclasses: constructing one checks and converts its values."""

from __future__ import annotations

import dataclasses

from mickey_hloc.errors import InputError
from mickey_hloc.registry.conversion import field_value, type_hints


class CheckedOptions:
    """Base of options dataclasses: constructing one checks and converts its values as ``make_options`` does.

    A subclass with a ``__post_init__`` of its own calls this one first.
    """

    def __post_init__(self) -> None:
        hints = type_hints(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            converted = field_value(field, hints[field.name], value, type(self).__name__)
            if converted is not value:
                object.__setattr__(self, field.name, converted)


@dataclasses.dataclass(frozen=True)
class NoOptions(CheckedOptions):
    """Of parts that have no options."""


def require(options: object, name: str, holds: bool, what: str) -> None:
    """Raise unless an option has a value that makes sense.

    Raises:
        InputError: ``holds`` is false; the message says that the option must be ``what``.
    """
    if not holds:
        raise InputError(f"Option {name} must be {what}, got {getattr(options, name)!r}.")
