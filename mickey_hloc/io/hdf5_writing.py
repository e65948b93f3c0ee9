"""Writing HDF5 files that appear whole or not at all, on full disks too.

The HDF5 library cannot be told that a disk is full: closing a file that cannot be written fails, and the library, which
keeps it open, ends the whole process with a segmentation fault later. So it writes to a file object of ours, which
keeps what the disk does not take in memory; the library then ends in order, and the error is raised afterwards.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import h5py

from mickey_hloc.errors import InputError
from mickey_hloc.io.files import NO_ROOM

FORMAT = ("v110", "v110")  # hloc's own setting, "latest", depends on the installed library; this any since 2016 reads


@contextmanager
def new_hdf5_file(path: Path, temporary: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """A new HDF5 file in the block, renamed to ``path`` when it ends well; ``temporary`` is removed when it does not.

    Yields:
        The file, and a function that ends the block early where the disk is full; to be called now and then, because
        what the disk does not take is kept in memory.

    Raises:
        InputError: the disk is full.
        OSError: it cannot be written for another reason.
    """
    try:
        with temporary.open("w+b", buffering=0) as disk:
            sink = _Sink(disk)
            with h5py.File(sink, "w", libver=FORMAT) as file:
                yield file, sink.raise_if_unwritten
            sink.raise_if_unwritten()
            os.fsync(disk.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise InputError(
                f"The disk of {path} is full; what is finished is kept: make room and run the same again."
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


class _Sink(io.RawIOBase):
    """A file for the HDF5 library: from the first error on nothing more is written, and what was not is remembered."""

    def __init__(self, disk: IO[bytes]) -> None:
        super().__init__()
        self._disk = disk
        self._position = 0
        self._end = 0
        self._unwritten: list[tuple[int, bytes]] = []  # place and content
        self._error: OSError | None = None

    def raise_if_unwritten(self) -> None:
        """Raise the error of the disk, if there was one."""
        if self._error is not None:
            raise self._error

    def write(self, content: Any) -> int:
        data = bytes(content)
        if self._error is None:
            try:
                self._write_to_disk(data)
            except OSError as error:
                self._error = error
        if self._error is not None:
            self._unwritten.append((self._position, data))
        self._position += len(data)
        self._end = max(self._end, self._position)
        return len(data)

    def _write_to_disk(self, data: bytes) -> None:
        self._disk.seek(self._position)
        written = 0
        while written < len(data):  # a disk takes what there is room for, and refuses the rest
            written += self._disk.write(data[written:])

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = min(len(view), max(self._end - self._position, 0))
        view[:count] = bytes(count)
        self._disk.seek(self._position)
        got = self._disk.read(count)
        view[: len(got)] = got
        for place, data in self._unwritten:
            start, stop = max(place, self._position), min(place + len(data), self._position + count)
            if start < stop:
                view[start - self._position : stop - self._position] = data[start - place : stop - place]
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int | None = None) -> int:
        self._end = self._position if size is None else size
        if self._error is None:
            try:
                self._disk.truncate(self._end)
            except OSError as error:
                self._error = error
        return self._end

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
