"""Slots: a name chooses a method. Adding a method means one new file and one new line in its slot's table."""

import dataclasses
import difflib
import importlib
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from mickey_hloc.errors import InputError

T = TypeVar("T")
Options = TypeVar("Options")


def unknown_name(kind: str, name: str, known: Mapping[str, Any]) -> InputError:
    """The error for a name that is in no table; it lists the choices and the nearest one."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return InputError(f"Unknown {kind} '{name}'{hint}; choose one of: {', '.join(sorted(known))}.")


def make_options(cls: type[Options], values: Mapping[str, Any], where: str) -> Options:
    """Build an options dataclass from a mapping; an unknown key is an error that lists the known ones.

    Args:
        cls: a frozen dataclass whose defaults are the defaults.
        values: overrides by field name.
        where: whose options these are, for the message.

    Raises:
        InputError: an unknown key, or a value that the dataclass refuses.
    """
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(
            f"Unknown option {', '.join(map(repr, unknown))} of {where}; known: {', '.join(sorted(known)) or 'none'}."
        )
    return cls(**values)


class Registry(Generic[T]):
    """A table from names to classes, imported when asked for (``"package.module:Class"``)."""

    def __init__(self, kind: str, targets: Mapping[str, str]) -> None:
        self.kind = kind
        self._targets = dict(targets)

    @property
    def names(self) -> list[str]:
        return sorted(self._targets)

    def get(self, name: str) -> type[T]:
        """The class behind a name.

        Raises:
            InputError: the name is not in the table.
        """
        if name not in self._targets:
            raise unknown_name(self.kind, name, self._targets)
        module, _, attribute = self._targets[name].partition(":")
        cls: type[T] = getattr(importlib.import_module(module), attribute)
        return cls
