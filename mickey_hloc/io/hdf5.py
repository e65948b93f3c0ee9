"""Reading HDF5 files of others: numbers or one sentence, and never a file that another one points to."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mickey_hloc.errors import InputError

MAX_BYTES = 1 << 30  # of one dataset: a million descriptors of 256 values in 32 bit
_MAX_LINKS = 16  # followed one after the other
# What the library raises on bytes that make no sense; it has no error of its own.
DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError)


def open_for_reading(path: Path, what: str) -> h5py.File:
    """Open a file that must exist.

    Args:
        what: what the file is, for the message, e.g. "features file".

    Raises:
        InputError: it does not exist or is not a readable HDF5 file.
    """
    if not Path(path).is_file():
        raise InputError(f"No {what} {path}.")
    try:
        # hloc writes and reads its files with the same setting
        return h5py.File(str(path), "r", libver="latest")
    except DAMAGE as error:
        raise InputError(
            f"{path} is not a readable {what} ({_told(error)}); a writer may have been killed while it was open: "
            "remove the file and make it again."
        ) from error


def find_group(file: h5py.File, name: str) -> h5py.Group | None:
    """The group of that name; None where there is none.

    Raises:
        InputError: the file is damaged there, or the name leads to another file or in a circle.
    """
    found = _resolve(file, name, file, _MAX_LINKS)
    return found if isinstance(found, h5py.Group) else None


def read_array(group: h5py.Group, key: str, where: str) -> Any:
    """One dataset of numbers as a numpy array.

    Raises:
        InputError: it is absent, empty or no array of numbers, larger than ``MAX_BYTES``, lies in another file, or its
            bytes cannot be read.
    """
    dataset = _resolve(group, key, group.file, _MAX_LINKS)
    if not isinstance(dataset, h5py.Dataset):
        known = ", ".join(_keys(group)) or "nothing"
        raise InputError(f"{where} has no '{key}' (it has: {known}).")
    try:
        _vet(dataset, f"'{key}' of {where}")
        return dataset[()]
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"'{key}' of {where} cannot be read ({_told(error)}); the file is damaged, make it again."
        ) from error


def numeric_keys(group: h5py.Group) -> list[str]:
    """Names of the datasets of numbers in a group, sorted; other programs keep texts beside them."""
    return sorted(key for key in _keys(group) if is_numeric(_resolve(group, key, group.file, _MAX_LINKS)))


def _keys(group: h5py.Group) -> list[str]:
    try:
        return sorted(group)
    except DAMAGE as error:
        raise InputError(
            f"'{group.name}' in {group.file.filename} cannot be listed ({_told(error)}); it is damaged: make it again."
        ) from error


def is_numeric(item: object) -> bool:
    """Whether something in a file is an array of numbers."""
    try:
        return isinstance(item, h5py.Dataset) and item.shape is not None and item.dtype.kind in "biuf"
    except DAMAGE:  # a type that numpy does not have
        return False


def contains(group: h5py.Group, key: str) -> bool:
    """Whether a group has something of that name, in this file.

    Raises:
        InputError: as ``find_group``.
    """
    return _resolve(group, key, group.file, _MAX_LINKS) is not None


def read_attributes(item: h5py.HLObject) -> dict[str, str | float]:
    """The texts and single numbers among the attributes of a file, group or dataset; others, damaged ones are not."""
    found: dict[str, str | float] = {}
    try:
        for key in item.attrs:
            with contextlib.suppress(*DAMAGE):
                value = item.attrs[key]
                value = value.decode() if isinstance(value, bytes) else value
                value = value.item() if isinstance(value, np.generic) else value
                if isinstance(value, (str, int, float)):
                    found[key] = value
    except DAMAGE:  # the table of attributes itself
        return found
    return found


def named_groups(file: h5py.File) -> list[str]:
    """Names of the groups that hold datasets, or cannot be looked into, sorted; other files are not looked into."""
    names: set[str] = set()
    seen: set[int] = set()
    todo: list[tuple[str, h5py.Group]] = [("", file)]
    while todo:
        name, group = todo.pop()
        try:
            info = h5py.h5o.get_info(group.id)
            if info.addr in seen:  # a group that contains itself
                continue
            seen.add(info.addr)
            for key in group:
                if group.id.links.get_info(key.encode("utf-8", "surrogateescape")).type != h5py.h5l.TYPE_HARD:
                    continue
                item = group[key]
                if isinstance(item, h5py.Group):
                    todo.append((f"{name}/{key}".lstrip("/"), item))
                elif isinstance(item, h5py.Dataset):
                    names.add(name)
        except DAMAGE:
            names.add(name)  # whoever reads it is told what is wrong
    return sorted(names - {""})


def _resolve(group: h5py.Group, name: str, file: h5py.File, links_left: int) -> h5py.HLObject | None:
    """What a path of names leads to inside this file; None where it leads to nothing.

    The library itself would open any other file that a link names, a named pipe too.
    """
    item: h5py.HLObject = group
    for part in name.split("/"):
        if part in ("", "."):
            continue
        if not isinstance(item, h5py.Group):
            return None
        try:
            key = part.encode("utf-8", "surrogateescape")
            if not item.id.links.exists(key):
                return None
            kind = item.id.links.get_info(key).type
            if kind == h5py.h5l.TYPE_HARD:
                item = item[part]
                continue
            target = item.id.links.get_val(key) if kind == h5py.h5l.TYPE_SOFT else b""
        except DAMAGE as error:
            raise InputError(
                f"'{name}' in {file.filename} cannot be read ({_told(error)}); the file is damaged, make it again."
            ) from error
        if kind != h5py.h5l.TYPE_SOFT:
            raise InputError(f"'{name}' in {file.filename} is a link to another file, which is not followed.")
        if links_left == 0:
            raise InputError(f"'{name}' in {file.filename} is a link that leads in a circle.")
        path = target.decode("utf-8", "surrogateescape")
        found = _resolve(file if path.startswith("/") else item, path, file, links_left - 1)
        if found is None:
            return None
        item = found
    return item


def _vet(dataset: h5py.Dataset, what: str) -> None:
    """Raise an InputError unless a dataset is an array of numbers of a sensible size in its own file."""
    if not is_numeric(dataset):
        kind = "empty" if dataset.shape is None else f"of type {dataset.dtype}"
        raise InputError(f"{what} is {kind}, but must be an array of numbers.")
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if size > MAX_BYTES:
        raise InputError(f"{what} has shape {dataset.shape}, {size / 1e9:.0f} GB: more than features or matches have.")
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{what} lies in another file, which is not read.")


def whole_numbers(values: Any, what: str) -> np.ndarray:
    """An array of numbers as int64.

    Raises:
        InputError: one of them is no whole number.
    """
    values = np.asarray(values)
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.round(values))).all():
        raise InputError(f"{what} has numbers that are not whole.")
    with np.errstate(invalid="ignore"):
        return values.astype(np.int64)


def _told(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].strip("'\"")
