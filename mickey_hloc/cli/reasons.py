"""Reasons of failures, gathered: a list of pairs fails in a few ways."""

from __future__ import annotations

import re
from collections.abc import Iterable


def reasons_by_kind(reasons: Iterable[str]) -> list[list[str]]:
    """Reasons that differ in their numbers only are of one kind; the most frequent kind first."""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(re.sub(r"\d+(\.\d+)?", "n", reason), []).append(reason)
    return sorted(kinds.values(), key=len, reverse=True)
