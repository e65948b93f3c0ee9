"""``KEY=VALUE`` on the command line, the same for every command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mickey_hloc.errors import InputError
from mickey_hloc.registry.yaml_text import parse_yaml


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """The values of ``KEY=VALUE`` texts, nested where a key has points.

    Values are read as yaml; numbers that yaml takes for words (1e-4, inf) are understood where an option is a number.

    Raises:
        InputError: no ``KEY=VALUE``, no yaml, or a key that is both a value and a group of values.

    Example:
        >>> parse_assignments(["max_error_m=0.05", "feature.max_keypoints=2048", "feature.preprocessing.resize_max=64"])
        {'max_error_m': 0.05, 'feature': {'max_keypoints': 2048, 'preprocessing': {'resize_max': 64}}}
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        path = [part.strip() for part in key.split(".")]
        if not equals or not all(path):
            raise InputError(f"'{assignment}' is not KEY=VALUE; write for example max_error_m=0.05.")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            told = " ".join(assignment.split())[:80]
            raise InputError(
                f"The value in '{told}' cannot be read ({error}); write a number, true, false, a word or a list."
            ) from error
        inner = values
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise InputError(f"'{assignment}': '{part}' was given a value before; it cannot have parts as well.")
        if isinstance(inner.get(path[-1]), dict) and not isinstance(value, dict):
            raise InputError(f"'{assignment}': '{path[-1]}' was given parts before; it cannot have a value as well.")
        old = inner.get(path[-1])
        inner[path[-1]] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return values
