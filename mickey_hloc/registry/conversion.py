"""From plain values (yaml, the command line, keyword arguments) to typed options; every wrong value is one sentence."""

from __future__ import annotations

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mickey_hloc.errors import InputError, PartError
from mickey_hloc.registry.words import union_words, words

T = TypeVar("T")


def make_options(cls: type[T], values: Any, where: str) -> T:
    """An options dataclass, and those inside it, from plain values; strict in keys and types.

    Numbers become float where a float is declared, lists become tuples where a tuple is, and mappings become the
    dataclass that a field declares: what they leave out is as in the field's default. A field whose metadata has
    ``build`` is made by that function of (value, where), unless it is made already.

    Args:
        cls: a frozen dataclass whose defaults are the defaults.
        values: a mapping of values by field name.
        where: whose options these are, for the message, e.g. "solver procrustes"; empty for a whole configuration.

    Raises:
        InputError: an unknown or missing key, a value of the wrong type, or one that the dataclass refuses.
        PartError: a field of the dataclass declares a type that cannot be looked up.

    Example:
        >>> from mickey_hloc.matching.nearest import NearestOptions
        >>> make_options(NearestOptions, {"max_ratio": 1}, "matcher nn-ratio")
        NearestOptions(max_ratio=1.0)
        >>> make_options(NearestOptions, {"ratio": 0.8}, "matcher nn-ratio")
        Traceback (most recent call last):
        ...
        mickey_hloc.errors.InputError: Unknown option 'ratio' of matcher nn-ratio; known: max_ratio.
    """
    path, where = where, where or "the configuration"
    if not isinstance(values, Mapping):
        raise InputError(f"{where} must be a mapping of names to values, got {values!r}.")
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    unknown = sorted(str(key) for key in values if key not in fields)
    if unknown:
        known = ", ".join(sorted(fields)) or "none"
        raise InputError(f"Unknown option {', '.join(map(repr, unknown))} of {where}; known: {known}.")
    missing = [name for name, field in fields.items() if name not in values and _is_required(field)]
    if missing:
        raise InputError(f"{where} lacks {', '.join(map(repr, missing))}.")
    hints = type_hints(cls)
    built = {key: field_value(fields[key], hints[key], value, path) for key, value in values.items()}
    return cls(**built)


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def type_hints(cls: type) -> dict[str, Any]:
    """The types of a dataclass's fields by name.

    Raises:
        PartError: one of them cannot be looked up.
    """
    try:
        return typing.get_type_hints(cls)
    except NameError as error:
        raise PartError(
            f"The options {cls.__qualname__} declare a type that cannot be looked up: {error}; import or define it at "
            "the top of the module."
        ) from error


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def field_value(field: dataclasses.Field[Any], hint: Any, value: Any, where: str) -> Any:
    """A value as the field of an options dataclass has it; see ``make_options``."""
    build = field.metadata.get("build")
    if build is not None and not isinstance(value, _classes(hint)):
        return build(value, _inside(where, field.name))
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        value = {**_default_values(field, hint), **value}
    return _convert(value, hint, field.name, where)


def _classes(hint: Any) -> tuple[type, ...]:
    """The classes that a plain type, or a union of them, stands for."""
    return tuple(t for t in typing.get_args(hint) or (hint,) if isinstance(t, type))


def _default_values(field: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    """What a field that declares the dataclass ``hint`` has by default; nothing where it has no such default."""
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if not isinstance(default, hint):
        return {}
    return {inner.name: getattr(default, inner.name) for inner in dataclasses.fields(hint) if inner.init}


def _convert(value: Any, hint: Any, name: str, where: str) -> Any:
    """A value as the type of a field; ``name`` and ``where`` are for the message."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or (dataclasses.is_dataclass(hint) and isinstance(value, typing.cast(type, hint))):
        return value
    if dataclasses.is_dataclass(hint):
        return make_options(typing.cast(type, hint), value, _inside(where, name))
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, name, where)
    if origin in (tuple, Sequence, list) or hint in (tuple, list):
        return _convert_sequence(value, origin or hint, arguments, name, where)
    if origin is typing.Literal or isinstance(origin, type):
        return _convert_generic(value, hint, name, where)
    return _convert_plain(value, hint, name, where)


def _convert_generic(value: Any, hint: Any, name: str, where: str) -> Any:
    """One of a few values, or a mapping whose values have a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        fits = any(value == choice and type(value) is type(choice) for choice in arguments)
    else:
        fits = isinstance(value, origin)
    if not fits:
        raise _wrong(name, where, words(hint), value)
    if origin is typing.Literal or not issubclass(origin, Mapping) or arguments[-1] is Any:
        return value
    return {key: _convert(inner, arguments[-1], f"{name}.{key}", where) for key, inner in value.items()}


def _convert_plain(value: Any, hint: Any, name: str, where: str) -> Any:
    converted = value
    if hint is float:
        converted = _as_float(value)
    elif hint is int and isinstance(value, numbers.Integral) and not isinstance(value, bool):
        converted = int(value)  # numpy's
    elif hint is Path and isinstance(value, str):
        converted = Path(value)
    elif hint is str and isinstance(value, Path):
        converted = str(value)
    # bool is an int to Python, but not to the reader of a configuration
    fits = type(converted) is hint if hint in (bool, int, float, str) else isinstance(converted, hint)
    if not fits or (hint is float and math.isnan(converted)):
        raise _wrong(name, where, words(hint), value)
    return converted


def _as_float(value: Any) -> Any:
    """Numbers as float, also those that yaml takes for words: 1e-4 has no point, inf no dot in front."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        is_word = value.strip().lstrip("+-.").lower() in ("inf", "infinity") or "e" in value.lower()
        try:
            return float(value.strip().replace(".inf", "inf")) if is_word else value
        except ValueError:
            return value
    try:
        return float(value) if isinstance(value, numbers.Real) else value
    except OverflowError:  # a whole number that is too large
        return value


def _convert_union(value: Any, arguments: tuple[Any, ...], name: str, where: str) -> Any:
    """The first of several types that the value fits."""
    if value is None and type(None) in arguments:
        return None
    wanted = [a for a in arguments if a is not type(None)]
    for option in wanted:
        if dataclasses.is_dataclass(option) and isinstance(value, Mapping):
            return _convert(value, option, name, where)  # whose error names what is wrong inside
        try:
            return _convert(value, option, name, where)
        except InputError as error:
            if len(wanted) == 1 and isinstance(value, (Mapping, list, tuple)):
                raise error
    raise _wrong(name, where, union_words(arguments), value)


def _convert_sequence(value: Any, kind: Any, arguments: tuple[Any, ...], name: str, where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _wrong(name, where, words(kind), value)
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise _wrong(name, where, f"a list of {len(arguments)} values", value)
        return tuple(_convert(v, a, name, where) for v, a in zip(value, arguments, strict=True))
    item = arguments[0] if arguments else Any
    converted = [_convert(v, item, name, where) for v in value]
    return converted if kind is list else tuple(converted)


def _wrong(name: str, where: str, what: str, value: Any) -> InputError:
    return InputError(f"Option {name} of {where or 'the configuration'} must be {what}, got {value!r}.")
