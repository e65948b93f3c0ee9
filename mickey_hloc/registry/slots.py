"""Slots: a name chooses a part. A new part is one new file and one new line in its slot's table, or no line at all:
``package.module:Class`` names any class that can be imported."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from mickey_hloc.errors import InputError, MissingDependencyError

T = TypeVar("T")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is in no table; it lists the choices and the nearest one."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return InputError(f"Unknown {kind} '{name}'{hint}; choose one of: {', '.join(choices)}.")


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
    """

    def __init__(self, kind: str, base: type, targets: Mapping[str, str | Preset]) -> None:
        self.kind, self.base = kind, base
        self._presets = {n: t if isinstance(t, Preset) else Preset(t) for n, t in targets.items()}

    @property
    def names(self) -> list[str]:
        """All names of the table, sorted."""
        return sorted(self._presets)

    def __contains__(self, name: str) -> bool:
        return name in self._presets or is_dotted_path(name)

    def get(self, name: str) -> type[T]:
        """The class behind a name or a dotted path.

        Raises:
            InputError: the name is not in the table, or the path leads to no class of this slot.
        """
        if name in self._presets:
            module, _, attribute = self._presets[name].target.partition(":")
            cls: type[T] = getattr(importlib.import_module(module), attribute)
            return cls
        if is_dotted_path(name):
            return self._import(name)
        raise unknown_name(self.kind, name, self._presets)

    def create(self, name: str, **options: Any) -> T:
        """The part of a name or a dotted path, with options changed.

        Raises:
            InputError: an unknown name, an unknown option, or a value of the wrong type.
        """
        return self.get(name)(**{**self.preset_options(name), **options})

    def preset_options(self, name: str) -> dict[str, Any]:
        """The options that a name stands for."""
        return dict(self._presets[name].options) if name in self._presets else {}

    def _import(self, path: str) -> type[T]:
        module, _, attribute = path.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise MissingDependencyError(
                    f"The {self.kind} {path} needs the module {error.name}: install it."
                ) from error
            raise InputError(
                f"The {self.kind} '{path}' cannot be imported: there is no module {error.name}; install its package or "
                "add its folder to PYTHONPATH."
            ) from error
        except AttributeError as error:
            raise InputError(
                f"The {self.kind} '{path}' cannot be found: the module {module} has no {attribute}."
            ) from error
        if not (isinstance(found, type) and issubclass(found, self.base)):
            where = f"{self.base.__module__}.{self.base.__name__}"
            raise InputError(f"'{path}' is no {self.kind}: it must be a class derived from {where}.")
        cls = cast("type[T]", found)
        return cls
