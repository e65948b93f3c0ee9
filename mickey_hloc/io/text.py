"""Text files of names and numbers, read strictly: an error names the file and the line.

What editors and shells of all systems write is read: UTF-8 with or without a byte-order mark, UTF-16 with one, line
ends of Unix, Windows and old Macs. Bytes that are no UTF-8 are kept, as in Python's names of files, so that a name in
the file is that of the file on the disk; ``check_name`` refuses them where a name goes on into a file of ours.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from mickey_hloc.errors import InputError


def read_text(path: Path, what: str) -> str:
    r"""The text of a file; every line ends in ``\n``.

    Args:
        what: what the file is, for the message, e.g. "poses file".

    Raises:
        InputError: no such file, or no text.
    """
    try:
        data = Path(path).read_bytes()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = data.decode("utf-16")
        else:  # a byte-order mark would become part of the first name
            text = data.decode("utf-8-sig", errors="surrogateescape")
    except FileNotFoundError:
        raise InputError(f"No {what} {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a readable {what} ({error}).") from error
    if "\0" in text:
        raise InputError(f"{path} is not a readable {what}: it has zero bytes in it, which no text has.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path, what: str) -> Iterator[tuple[int, str]]:
    """Line numbers (from 1) and lines without white space around; empty ones and comments (#) are skipped."""
    for number, line in enumerate(_stream(path, what), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _stream(path: Path, what: str) -> Iterator[str]:
    """The lines of a file, read piece by piece; as ``read_text`` reads them."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(2)
        encoding = "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        errors = "strict" if encoding == "utf-16" else "surrogateescape"
        with Path(path).open(encoding=encoding, errors=errors) as text:
            for line in text:
                if "\0" in line:
                    raise InputError(f"{path} is not a readable {what}: it has zero bytes in it, which no text has.")
                yield line
    except FileNotFoundError:
        raise InputError(f"No {what} {path}.") from None
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} is not a readable {what} ({error}).") from error


def read_rows(path: Path, what: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers (from 1) and white-space separated fields; empty lines and lines starting with # are skipped."""
    for number, line in read_lines(path, what):
        yield number, line.split()


def is_utf8(name: str) -> bool:
    """Whether a name, of a file or from a text, can be written as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def shown(name: str) -> str:
    r"""A name as it can be printed: bytes that are no UTF-8 as ``\xe9``."""
    return name.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="backslashreplace")


def check_name(name: str, where: str) -> str:
    """The name of an image, as it is.

    Raises:
        InputError: it is no UTF-8, which HDF5 files and our text files hold names in.
    """
    if not is_utf8(name):
        raise InputError(
            f"{where}: the name '{shown(name)}' is not UTF-8; save the list as UTF-8, and rename the image if its own "
            "name is not."
        )
    return name


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
            raise InputError(f"{where}: '{shown(field)}' is not a number.") from None
        if not math.isfinite(value):
            raise InputError(f"{where}: '{field}' is not a finite number.")
        values.append(value)
    return values
