"""Pairs files as hloc writes them: one ``name0 name1`` a line."""

from collections.abc import Iterable
from pathlib import Path

from mickey_hloc.errors import InputError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.text import check_name, read_rows

Pair = tuple[str, str]


def read_pairs(path: Path) -> list[Pair]:
    """The pairs in the file's order, each once; empty lines and lines starting with # are skipped.

    Raises:
        InputError: no such file, no text, a line without exactly two names, names that are no UTF-8, or no pair at all.
    """
    pairs: dict[Pair, None] = {}
    names: dict[str, str] = {}
    for number, fields in read_rows(Path(path), "pairs file"):
        where = f"{path}, line {number}"
        if len(fields) != 2:
            raise InputError(
                f"{where}: expected 'name0 name1', got {len(fields)} fields; names with spaces cannot stand in it."
            )
        name0, name1 = (names.setdefault(name, name) for name in fields)  # each name is in memory once
        pairs[check_name(name0, where), check_name(name1, where)] = None
    if not pairs:
        raise InputError(f"{path} has no pairs; it has lines 'name0 name1'.")
    return list(pairs)


def write_pairs(path: Path, pairs: Iterable[Pair]) -> Path:
    """Write a pairs file, whole or not at all."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_text("".join(f"{name0} {name1}\n" for name0, name1 in pairs), encoding="utf-8")
    return Path(path)
