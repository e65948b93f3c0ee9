"""Slots: a name chooses a part. A new part is one new file and one new line in its slot's table, or no line at all:
``package.module:Class`` names any class that can be imported."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from mickey_hloc.errors import InputError
from mickey_hloc.registry.part import Part
from mickey_hloc.registry.users_code import load_users_class, users_code

T = TypeVar("T")


class UnknownNameError(InputError):
    """A name that is in no table. Attributes: choices: the names that are."""

    def __init__(self, message: str, choices: Iterable[str] = ()) -> None:  # without them as pickle has it
        super().__init__(message)
        self.choices = frozenset(choices)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is in no table; it lists the choices and the nearest one."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return UnknownNameError(f"Unknown {kind} '{name}'{hint}; choose one of: {', '.join(choices)}.", choices)


@dataclass(frozen=True)
class Preset:
    """A line of a slot's table.

    Attributes:
        target: ``package.module:Class``.
        options: what this name sets; other options keep the class's defaults.
    """

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)


def is_dotted_path(name: str) -> bool:
    """Whether a name has the form ``package.module:Class``."""
    module, _, attribute = name.partition(":")
    return bool(attribute) and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))


class Registry(Generic[T]):
    """The table of a slot: names to classes, which are imported when they are asked for.

    Args:
        kind: what the slot holds, for messages, e.g. "solver".
        base: the class that all parts of the slot derive from.
        targets: ``package.module:Class``, or a Preset, by name.
        fallback: ``package.module:function`` of (name, host, known names) that gives the Preset of a name that is
            neither in the table nor a dotted path, or raises the error for it.

    Example:
        >>> from mickey_hloc.solvers import SOLVERS
        >>> "procrustes" in SOLVERS.names
        True
        >>> SOLVERS.create("procrustes", max_error_m=0.05).options.max_error_m
        0.05
        >>> SOLVERS.find("my_package.my_module:MySolver").target  # no line in the table needed
        'my_package.my_module:MySolver'
    """

    def __init__(self, kind: str, base: type, targets: Mapping[str, str | Preset], fallback: str | None = None) -> None:
        self.kind, self.base, self._fallback = kind, base, fallback
        self._presets = {n: t if isinstance(t, Preset) else Preset(t) for n, t in targets.items()}

    @property
    def names(self) -> list[str]:
        """All names of the table, sorted."""
        return sorted(self._presets)

    def find(self, name: str, host: str = "hloc") -> Preset:
        """What a name stands for: a line of the table, a dotted path, or what the fallback makes of it.

        Args:
            host: the hloc that the fallback looks into.

        Raises:
            InputError: an unknown name; the message lists the known ones.
        """
        if name in self._presets:
            return self._presets[name]
        if is_dotted_path(name):
            return Preset(name)
        if self._fallback is None:
            raise unknown_name(self.kind, name, self._presets)
        found: Preset = load_attribute(self._fallback)(name, host, self.names)
        return found

    def get(self, name: str, host: str = "hloc") -> type[T]:
        """The class behind a name or a dotted path.

        Raises:
            InputError: an unknown name, or a path that leads to no class of this slot.
            MissingDependencyError: the module of a path needs a package that is not installed.
            PartError: the class of a path cannot be used.
        """
        preset = self.find(name, host)
        if name == preset.target:  # a dotted path
            return cast("type[T]", load_users_class(self.kind, self.base, name))
        return cast("type[T]", load_attribute(preset.target))

    def create(self, name: str, host: str = "hloc", /, **options: Any) -> T:
        """The part of a name or a dotted path, with options changed.

        Raises:
            InputError: an unknown name, an unknown option, or a value of the wrong type.
            MissingDependencyError, PartError: see ``get``.
        """
        preset, cls = self.find(name, host), self.get(name, host)
        with users_code(cls, self.kind):
            part = cls(**_merged(preset.options, options))
        if isinstance(part, Part):
            part.name, part.preset = name, preset.options
        return part


class ConfTable(Mapping[str, dict[str, Any]]):
    """A step's named confs, as hloc has them: each is made when it is asked for, so that importing reads no file."""

    def __init__(self, registry: Registry[Any], make: Callable[[str], dict[str, Any]]) -> None:
        self._registry, self._make = registry, make

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self._registry.names:
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry.names)

    def __len__(self) -> int:
        return len(self._registry.names)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``; mappings are merged key by key."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def load_attribute(path: str) -> Any:
    """What ``package.module:Name.name`` names."""
    module, _, attribute = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found
