"""Text files of names and numbers, read strictly: an error names the file and the line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from mickey_hloc.errors import InputError


def read_text(path: Path, what: str) -> str:
    """The text of a UTF-8 file.

    Args:
        what: what the file is, for the message, e.g. "poses file".

    Raises:
        InputError: no such file, or no text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")  # a byte-order mark would become part of the first name
    except FileNotFoundError:
        raise InputError(f"No {what} {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a readable {what} ({error}).") from error


def read_rows(path: Path, what: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers (from 1) and white-space separated fields; empty lines and lines starting with # are skipped."""
    for number, line in enumerate(read_text(path, what).splitlines(), start=1):
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            yield number, fields


def parse_numbers(fields: Sequence[str], where: str) -> list[float]:
    """Finite numbers from text.

    Raises:
        InputError: a field is no number, or not finite.
    """
    values = []
    for field in fields:
        try:
            value = float(field)
        except ValueError:
            raise InputError(f"{where}: '{field}' is not a number.") from None
        if not math.isfinite(value):
            raise InputError(f"{where}: '{field}' is not a finite number.")
        values.append(value)
    return values
