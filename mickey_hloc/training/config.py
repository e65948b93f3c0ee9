"""Reading a configuration: base file < file < command line, every key known, every value of its type."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mickey_hloc.errors import InputError
from mickey_hloc.io.text import read_text
from mickey_hloc.registry import make_options

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
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not all(key.split(".")):
            raise InputError(f"'{override}' is not of the form key=value, e.g. optimizer.lr=1e-3.")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"The value of '{override}' is not yaml; quote it.") from error
        for part in reversed(key.split(".")):
            value = {part: value}
        values = merge(values, value)
    return values


def _read_with_bases(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise InputError(f"{path} extends itself, by way of {', '.join(str(p) for p in seen)}.")
    try:
        values = yaml.safe_load(read_text(path, "configuration"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid yaml: {' '.join(str(error).split())}.") from error
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


def build(cls: type[T], values: Any, where: str) -> T:
    """A dataclass, and those inside it, from plain values.

    Args:
        cls: a dataclass; a field whose metadata has ``build`` is made by that function of (value, where).
        values: a mapping by field name.
        where: for messages, e.g. "data"; empty for the whole configuration.

    Raises:
        InputError: an unknown or missing key, or a value of the wrong type.
    """
    name = where or "the configuration"
    if not isinstance(values, Mapping):
        raise InputError(f"{name} must be a mapping, got {values!r}.")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    built = dict(values)
    for key, value in values.items():
        if key in fields:
            place = f"{where}.{key}" if where else key
            maker = fields[key].metadata.get("build")
            if maker is not None and value is not None:
                built[key] = maker(value, place)
            else:
                built[key] = convert(value, hints[key], place)
    missing = [f.name for f in fields.values() if f.name not in built and _is_required(f)]
    if missing:
        raise InputError(f"{name} lacks {', '.join(repr(key) for key in missing)}.")
    return make_options(cls, built, where=name)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def convert(value: Any, hint: Any, where: str) -> Any:
    """A yaml value as the type of a field.

    Raises:
        InputError: it is of another type; the message says which is wanted.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, where)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    if origin is tuple:
        return _convert_tuple(value, arguments, where)
    if origin is typing.Literal:
        fits, wanted = value in arguments, f"one of {', '.join(map(str, arguments))}"
    elif hint is float:
        value = _as_float(value)
        fits, wanted = isinstance(value, float), "a number"
    else:
        # bool is an int to Python, but not to the reader of a configuration
        fits = type(value) is hint if hint in (int, bool, str) else isinstance(value, origin or object)
        wanted = str(getattr(hint, "__name__", hint))
    if not fits:
        raise InputError(f"{where} must be {wanted}, got {value!r}.")
    return value


def _convert_union(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    """The first of several types that the value fits."""
    if value is None and type(None) in arguments:
        return None
    wanted = [a for a in arguments if a is not type(None)]
    for option in wanted[:-1]:
        try:
            return convert(value, option, where)
        except InputError:
            continue
    return convert(value, wanted[-1], where)


def _as_float(value: Any) -> Any:
    """Numbers as float, also those that yaml takes for text (1e-4 has no point); anything else as it is."""
    if isinstance(value, bool):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _convert_tuple(value: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{where} must be a list, got {value!r}.")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(convert(v, arguments[0], where) for v in value)
    if len(value) != len(arguments):
        raise InputError(f"{where} must be a list of {len(arguments)} values, got {value!r}.")
    return tuple(convert(v, a, where) for v, a in zip(value, arguments, strict=True))
