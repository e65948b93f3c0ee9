"""What every part has in common: options that are checked once, an identity, and a name for files."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from mickey_hloc.errors import PartError
from mickey_hloc.registry.conversion import make_options
from mickey_hloc.registry.options import NoOptions
from mickey_hloc.registry.users_code import users_code

P = TypeVar("P", bound="Part")


class Part:
    """Base of extractors, matchers, pair models, depth sources and solvers.

    A subclass may define ``Options``, a frozen dataclass whose defaults are the part's defaults. Weights are loaded
    when they are first needed, so that making a part is cheap.

    Attributes:
        name: the name by which the part was asked for; its class's name where it was made without its slot.
        preset: the options that this name stands for.

    Raises:
        InputError: an unknown option or a value of the wrong type; the message lists the known ones.
        PartError: ``Options`` is no dataclass.
    """

    kind: ClassVar[str] = "part"
    Options: ClassVar[type] = NoOptions
    without_effect: ClassVar[frozenset[str]] = frozenset({"device"})  # options that leave all numbers as they are

    def __init__(self, **options: Any) -> None:
        if not dataclasses.is_dataclass(self.Options):
            raise self.broken("must define Options, a frozen dataclass")
        self.options: Any = make_options(self.Options, options, where=f"{self.kind} {type(self).__name__}")
        self.name: str = type(self).__name__
        self.preset: Mapping[str, Any] = {}

    def identity(self) -> dict[str, Any]:
        """Everything that decides the part's numbers, as plain values: options, with checksums in place of files."""
        return {key: _plain(value) for key, value in vars(self.options).items() if key not in self.without_effect}

    def copy(self: P) -> P:
        """The same part without what it has loaded."""
        part = self._made_with(
            **{field.name: getattr(self.options, field.name) for field in dataclasses.fields(self.options)}
        )
        part.name, part.preset = self.name, self.preset
        return part

    def _made_with(self: P, **options: Any) -> P:
        """A part like this one with other options; parts that take more than options say so here."""
        return type(self)(**options)

    @property
    def file_name(self) -> str:
        """The part's name with nothing in it that a file's name cannot have."""
        return file_safe(self.name)

    def broken(self, what: str) -> PartError:
        """The error for a part that breaks its contract: ``what`` goes on where the name of the class ends."""
        return PartError(f"{self.kind.capitalize()} {type(self).__name__} {what}.")

    def running(self, *passed: type[Exception]) -> contextlib.AbstractContextManager[None]:
        """Around what a subclass implements: a bug of a user's part becomes a PartError that says where it is.

        Args:
            passed: exceptions that the caller handles.
        """
        return users_code(type(self), self.kind, passed)


def file_safe(name: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")


def options_tag(part: Part, ignored: Collection[str] = ()) -> list[str]:
    """For names of files: nothing where a part has the options of its name, else eight digits of what differs.

    Args:
        ignored: options that the name tells otherwise; ``preprocessing.globs`` is the one inside the other.
    """
    fields = dataclasses.fields(part.options)
    required = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    given = {name: getattr(part.options, name) for name in required}
    usual = _flat(make_options(part.Options, {**given, **part.preset}, where=part.kind))
    changed = {key: value for key, value in _flat(part.options).items() if key in required or value != usual.get(key)}
    left_out = {*ignored, *part.without_effect}
    changed = {key: value for key, value in changed.items() if not left_out & {key, key.partition(".")[0]}}
    if not changed:
        return []
    identity = part.identity()  # has the checksum where an option names a file
    told = {key: identity.get(key, _plain(value)) for key, value in changed.items()}
    return [hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:8]]


def _flat(options: Any, prefix: str = "") -> dict[str, Any]:
    """The values of an options dataclass, those of dataclasses inside it under ``outer.inner``."""
    flat: dict[str, Any] = {}
    for key, value in vars(options).items():
        if dataclasses.is_dataclass(value):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _plain(value: Any) -> Any:
    """A value as json has it."""
    if dataclasses.is_dataclass(value):
        return {key: _plain(inner) for key, inner in vars(value).items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
