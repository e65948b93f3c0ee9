"""Writing features files so that a ``kill -9`` at any moment loses and damages nothing.

HDF5 cannot be written in place safely: a process killed inside a write leaves a file whose tables point to nowhere, and
the whole collection is lost. So nothing here ever writes to the features file itself:

- every batch goes to a small file of its own in ``<features>.h5.parts/``. It is written under a temporary name and
  renamed, and a rename is atomic: a batch is there whole or not at all;
- from time to time the features file and the parts are copied to a new file, which is then renamed over the features
  file. So ``<features>.h5`` is at any moment either absent (before the first batch) or a closed, readable file. This
  happens whenever the parts have outgrown the file and at the end, so that all copying together costs about two
  more writings of it. The images are always written in the order of their names: the final bytes depend neither on
  the order of work nor on how often the run was killed and started again.

A kill between two of these steps leaves images in the parts and in the file; they are the same images, and the part's
copy is used. The disk needs room for the file twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from mickey_hloc.errors import InputError
from mickey_hloc.io.features import image_names, is_complete
from mickey_hloc.io.hdf5 import DAMAGE, find_group, open_for_reading, read_attributes
from mickey_hloc.io.hdf5_writing import new_hdf5_file
from mickey_hloc.io.locks import file_lock
from mickey_hloc.io.origin import ORIGIN_KEY, check_origin, origin_text

Arrays = Mapping[str, np.ndarray]
IMAGE_CRC = "image_crc"  # attribute of a group: the checksum of the image's file, which tells another image


class FeatureStore:
    """A features file that is being written; use it in a ``with`` block.

    Args:
        path: the features file.
        origin: everything that decides the numbers (method, options, checksum of the weights), as plain values.
            A file or parts made with another one are refused.
        required: datasets that a complete image has; an image without them is made again.
        attributes: gives further attributes of the file, plain values; called before anything is written.
        overwrite: throw away what is there.

    Raises:
        InputError: the file was made otherwise or cannot be read, or another process is writing it.
    """

    what: ClassVar[str] = "features file"

    def __init__(
        self,
        path: Path,
        origin: Mapping[str, Any],
        required: Iterable[str],
        attributes: Callable[[], Mapping[str, float | str]] = dict,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.origin = origin_text(origin)
        self.required = frozenset(required) | {"keypoints", "image_size"}
        self.attributes = attributes
        self.overwrite = overwrite
        self.parts_dir = self.path.with_name(self.path.name + ".parts")
        self._in_file: dict[str, bool] = {}  # name: whether it is complete
        self._in_parts: dict[str, Path] = {}
        self._next_number = 0
        self._parts_bytes = 0
        self._stack = ExitStack()

    def __enter__(self) -> FeatureStore:
        self.parts_dir.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(file_lock(self.parts_dir / "lock", str(self.path)))
            stack.callback(self._tidy_up)
            if self.overwrite:
                self.path.unlink(missing_ok=True)
                for part in self.parts_dir.glob("*.h5"):
                    part.unlink()
            self._look_around()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _tidy_up(self) -> None:
        if not any(self.parts_dir.glob("*.h5")):
            shutil.rmtree(self.parts_dir, ignore_errors=True)

    @property
    def done(self) -> set[str]:
        """Names of the images that are safely stored."""
        return {name for name, complete in self._in_file.items() if complete} | set(self._in_parts)

    def attributes_of(self, names: Iterable[str], key: str) -> dict[str, Any]:
        """An attribute of the groups of stored images; None where one has none."""
        found: dict[str, Any] = {}
        by_file: dict[Path, list[str]] = {}
        for name in names:
            by_file.setdefault(self._in_parts.get(name, self.path), []).append(name)
        for path, images in by_file.items():
            with open_for_reading(path, self.what) as file:
                found |= {name: read_attributes(file[name]).get(key) for name in images}
        return found

    def add(self, images: Mapping[str, Arrays]) -> None:
        """Store a batch of images for good, all or none of them.

        Args:
            images: by name; every array becomes a dataset. ``keypoints`` gets hloc's attribute ``uncertainty`` from an
                entry ``uncertainty`` (pixels), and the group its attribute ``image_crc``, if there are such.

        Raises:
            InputError: the disk is full.
        """
        if not images:
            return
        part = self.parts_dir / f"{self._next_number:06d}.h5"
        self._next_number += 1
        with self._new_file(part) as (file, check_room):
            for name, arrays in images.items():
                write_image(file, name, arrays)
                check_room()
        self._in_parts.update(dict.fromkeys(images, part))
        self._parts_bytes += part.stat().st_size
        if self._parts_bytes > (self.path.stat().st_size if self.path.exists() else 0):
            self._merge()

    def adopt(self, files: Iterable[Path]) -> None:
        """Take over the images of finished files of the same origin, like parts; ``finish`` moves them into this one.

        Raises:
            InputError: a file was made otherwise, or cannot be read.
        """
        for path in files:
            with open_for_reading(path, self.what) as file:
                check_origin(_origin_of(file), self.origin, path)
                self._in_parts.update(dict.fromkeys(image_names(file), path))

    def finish(self) -> None:
        """Bring what is still in parts into the file."""
        if self._in_parts:
            self._merge()

    def _look_around(self) -> None:
        for leftover in self.parts_dir.glob("*.tmp"):
            leftover.unlink()
        if self.path.exists():
            with open_for_reading(self.path, self.what) as file:
                self.origin = check_origin(_origin_of(file), self.origin, self.path)
                self._in_file = {name: self._is_complete(find_group(file, name)) for name in image_names(file)}
        parts = sorted(self.parts_dir.glob("*.h5"))
        for part in parts:
            with open_for_reading(part, f"part of a {self.what}") as file:
                check_origin(_origin_of(file), self.origin, part)
                self._in_parts.update(dict.fromkeys(image_names(file), part))
        self._next_number = 1 + max((int(p.stem) for p in parts), default=-1)
        self._parts_bytes = sum(part.stat().st_size for part in parts)

    def _is_complete(self, group: object) -> bool:
        return is_complete(group, self.required)

    def _merge(self) -> None:
        """Write the file anew from itself and the parts, rename it into place, remove the parts."""
        sources: dict[str, Path] = dict.fromkeys(self._in_file, self.path)
        sources.update(self._in_parts)  # a part is as new as the file or newer
        with self._new_file(self.path, temporary=self.parts_dir / "merged.tmp") as (merged, check_room):
            for path, names in _runs(sorted(sources), sources):
                with open_for_reading(path, self.what) as source:
                    for name in names:
                        _copy_group(source, name, merged)
                        check_room()
        self._in_file.update(dict.fromkeys(self._in_parts, True))
        for part in set(self._in_parts.values()):
            part.unlink()
        self._in_parts, self._parts_bytes = {}, 0

    @contextmanager
    def _new_file(self, path: Path, temporary: Path | None = None) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
        with new_hdf5_file(path, temporary or path.with_suffix(".tmp")) as (file, check_room):
            file.attrs[ORIGIN_KEY] = self.origin
            for key, value in sorted(self.attributes().items()):
                file.attrs[key] = value
            yield file, check_room


def _origin_of(file: h5py.File) -> str | None:
    told = read_attributes(file).get(ORIGIN_KEY)
    return told if isinstance(told, str) else None


def write_image(file: h5py.File, name: str, arrays: Arrays) -> None:
    """Write one image's group in hloc's layout."""
    group = _folder_of(file, name).create_group(name.rpartition("/")[2])
    for key in sorted(arrays):
        if key not in ("uncertainty", IMAGE_CRC):
            group.create_dataset(key, data=arrays[key])
    if "uncertainty" in arrays:
        group["keypoints"].attrs["uncertainty"] = float(arrays["uncertainty"])
    if IMAGE_CRC in arrays:
        group.attrs[IMAGE_CRC] = int(arrays[IMAGE_CRC])


def _folder_of(file: h5py.File, name: str) -> h5py.Group:
    """The group that an image's group lies in. Left to the HDF5 library, it would contain the time of its creation."""
    folder: h5py.Group = file
    for part in name.split("/")[:-1]:
        folder = folder[part] if part in folder else folder.create_group(part)
    return folder


def _copy_group(source: h5py.File, name: str, target: h5py.File) -> None:
    """Copy a group, byte by byte; what a damaged file has lost is an InputError."""
    try:
        source.copy(source[name], _folder_of(target, name), name=name.rpartition("/")[2])
    except DAMAGE as error:
        raise InputError(
            f"'{name}' in {source.filename} cannot be copied; the file is damaged: remove it and make it again."
        ) from error


def _runs(names: list[str], sources: Mapping[str, Path]) -> Iterator[tuple[Path, list[str]]]:
    """Neighbouring names that come from the same file, so that files are not opened once an image."""
    run: list[str] = []
    for name in names:
        if run and sources[name] != sources[run[0]]:
            yield sources[run[0]], run
            run = []
        run.append(name)
    if run:
        yield sources[run[0]], run
