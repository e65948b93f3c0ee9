"""Checks of solver options, so that a wrong value in a file or on the command line is one sentence."""

import dataclasses
import math
import typing
from typing import Any

from mickey_hloc.errors import InputError

_KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}


def require(options: object, name: str, holds: bool, what: str) -> None:
    """Raise an InputError unless an option is what it must be.

    Raises:
        InputError: ``holds`` is false.
    """
    if not holds:
        raise InputError(f"Option {name} must be {what}, got {getattr(options, name)!r}.")


def require_types(options: Any) -> None:
    """Raise an InputError for the first field whose value has not the type that its dataclass declares.

    Raises:
        InputError: a string for a number, a fraction for a whole number, NaN, a number for a switch, a value that is
            none of the choices.
    """
    hints = typing.get_type_hints(type(options))
    for field in dataclasses.fields(options):
        value, hint = getattr(options, field.name), hints[field.name]
        if typing.get_origin(hint) is typing.Literal:
            choices = typing.get_args(hint)
            require(options, field.name, value in choices, " or ".join(map(str, choices)))
        elif hint in _KINDS:
            types, what = _KINDS[hint]
            fits = isinstance(value, types) and (hint is bool or not isinstance(value, bool))
            require(options, field.name, fits and not (isinstance(value, float) and math.isnan(value)), what)
