"""What a type of an option is called in messages."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def words(hint: Any) -> str:
    """What a value of that type is called."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, arguments))}" if len(arguments) > 1 else str(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return union_words(arguments)
    if (origin or hint) in (tuple, list, Sequence):
        return "a list"
    if dataclasses.is_dataclass(hint) or (isinstance(origin or hint, type) and issubclass(origin or hint, Mapping)):
        return "a mapping of names to values"
    return f"a {getattr(hint, '__name__', hint)}"


def union_words(arguments: tuple[Any, ...]) -> str:
    """What a value of one of several types is called."""
    return " or ".join([*(words(a) for a in arguments if a is not type(None)), *["null"] * (type(None) in arguments)])
