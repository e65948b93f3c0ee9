"""What every part has in common: options that are checked once, an identity, and a name for files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, TypeVar

from mickey_hloc.registry.options import make_options

P = TypeVar("P", bound="Part")


class Part:
    """Base of extractors, matchers, pair models, depth sources and solvers.

    A subclass defines ``Options``, a frozen dataclass whose defaults are the part's defaults. Weights are loaded when
    they are first needed, so that making a part is cheap.

    Attributes:
        name: the name by which the part was asked for; its class's name where it was made without its slot.
        preset: the options that this name stands for.

    Raises:
        InputError: an unknown option or a value of the wrong type; the message lists the known ones.
    """

    kind: ClassVar[str] = "part"
    Options: ClassVar[type]

    def __init__(self, **options: Any) -> None:
        self.options: Any = make_options(self.Options, options, where=f"{self.kind} {type(self).__name__}")
        self.name: str = type(self).__name__
        self.preset: Mapping[str, Any] = {}

    def identity(self) -> dict[str, Any]:
        """Everything that decides the part's numbers, as plain values: options, with checksums in place of files."""
        return dict(vars(self.options))

    def copy(self: P) -> P:
        """The same part without what it has loaded."""
        values = {field.name: getattr(self.options, field.name) for field in dataclasses.fields(self.options)}
        part = type(self)(**values)
        part.name, part.preset = self.name, self.preset
        return part

    @property
    def file_name(self) -> str:
        """The part's name with nothing in it that a file's name cannot have."""
        return file_safe(self.name)


def file_safe(name: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")


def options_tag(part: Part, ignored: Collection[str] = ()) -> list[str]:
    """For names of files: nothing where a part has the options of its name, else eight digits of what differs."""
    usual = vars(make_options(part.Options, part.preset, where=part.kind))
    changed = {k: v for k, v in vars(part.options).items() if k not in ignored and v != usual[k]}
    if not changed:
        return []
    return [hashlib.sha256(json.dumps(changed, sort_keys=True, default=str).encode()).hexdigest()[:8]]
