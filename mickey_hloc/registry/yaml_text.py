"""Yaml from files and command lines: plain values of a sensible number and depth, or one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

MAX_DEPTH, MAX_VALUES = 50, 100_000


def parse_yaml(text: str) -> Any:
    """The values of a yaml text; names of values (``&a``) may be used again (``*a``).

    Raises:
        ValueError: it is no yaml, nested too deeply, or stands for too many values; the message says so in one line.

    Example:
        >>> parse_yaml("lr: 0.1")
        {'lr': 0.1}
        >>> parse_yaml("a: &a [*a]")
        Traceback (most recent call last):
            ...
        ValueError: it is nested too deeply
    """
    try:
        values = yaml.safe_load(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or a number that does not exist
        raise ValueError(" ".join(str(error).split())) from error
    todo, count = [(values, 0)], 0
    while todo:
        value, depth = todo.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        if count + len(todo) > MAX_VALUES:
            raise ValueError(f"written out it has more than {MAX_VALUES} values")
        if isinstance(value, Mapping):
            todo += [(inner, depth + 1) for pair in value.items() for inner in pair]
        elif isinstance(value, (list, tuple, set)):
            todo += [(inner, depth + 1) for inner in value]
    return values
