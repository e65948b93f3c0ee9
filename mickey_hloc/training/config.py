"""Reading a configuration: base file < file < command line, every key known, every value of its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mickey_hloc.errors import InputError
from mickey_hloc.io.text import read_text
from mickey_hloc.registry import parse_assignments
from mickey_hloc.registry.yaml_text import parse_yaml

T = TypeVar("T")
BASE_KEY = "extends"


def read_config(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A configuration file with its base and the command line's changes merged in.

    Args:
        path: yaml. Its ``extends`` names a base file, relative to it, whose values it changes.
        overrides: ``key.key=value``, with a yaml value.

    Raises:
        InputError: a file that is missing or no mapping, bases in a circle, or a malformed override.
    """
    values = _read_with_bases(Path(path), ())
    return merge(values, parse_assignments(overrides))


def _read_with_bases(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise InputError(f"{path} extends itself, by way of {', '.join(str(p) for p in seen)}.")
    text = read_text(path, "configuration")
    try:
        values = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"{path} is no yaml that can be used ({error}).") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path} is no configuration: it must be a mapping of names to values.")
    base = values.pop(BASE_KEY, None)
    if base is None:
        return values
    return merge(_read_with_bases(path.parent / str(base), (*seen, path.resolve())), values)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``: mappings are merged key by key, anything else is replaced.

    A mapping with another ``kind`` replaces the base's whole: the keys of one kind mean nothing to another.
    """
    merged = dict(base)
    for key, value in changes.items():
        old: Any = merged.get(key)
        nested = isinstance(value, Mapping) and isinstance(old, Mapping)
        same_kind = nested and value.get("kind", old.get("kind")) == old.get("kind")
        merged[key] = merge(old, value) if same_kind else value
    return merged
