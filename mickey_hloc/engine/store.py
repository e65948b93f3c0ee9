"""Where shards are kept: a folder that all machines see, or an object store at a URL that fsspec knows (s3://, gs://).

In a folder a shard is written in place, and what a killed worker had stored of it stays. In an object store it is
written on the worker's own disk and uploaded when it is whole: a killed worker's shard begins anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mickey_hloc.errors import BusyError, InputError, MissingDependencyError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.locks import file_lock

Place = Path | str  # a path that all machines see, or a URL


def is_url(place: Place) -> bool:
    """Whether a place is the URL of an object store."""
    return isinstance(place, str) and "://" in place


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in it.

    Raises:
        InputError: fsspec does not know this kind of URL.
        MissingDependencyError: it needs a package for it.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except ImportError as error:
        raise MissingDependencyError(f"{url} needs a package that is not installed ({error}).") from error
    except ValueError as error:
        raise InputError(f"{url} is no URL that can be read ({error}).") from error


@dataclass(frozen=True)
class Store:
    """A place of shards. ``where``: an absolute path, or a URL."""

    where: Place

    @contextlib.contextmanager
    def working(self, name: str, kept: str) -> Iterator[Path]:
        """A path for a step to write an output to; of a URL, the file ``kept`` beside it is fetched and uploaded.

        Args:
            name: of the output.
            kept: name of the file that holds the work: the output itself, or its journal.
        """
        if isinstance(self.where, Path):
            self.where.mkdir(parents=True, exist_ok=True)
            yield self.where / name
            return
        with tempfile.TemporaryDirectory(prefix="mickey-hloc-") as scratch:
            if self.has(kept):
                self._get(kept, Path(scratch) / kept)
            yield Path(scratch) / name
            if (Path(scratch) / kept).is_file():
                self._put(Path(scratch) / kept, kept)

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        if isinstance(self.where, Path):
            return (self.where / name).is_file()
        fs, path = file_system(f"{self.where}/{name}")
        return bool(fs.exists(path))

    def local(self, name: str, scratch: Path) -> Path:
        """A file as a path of this machine, in ``scratch`` where it is fetched."""
        if isinstance(self.where, Path):
            return self.where / name
        self._get(name, scratch / name)
        return scratch / name

    def read_text(self, name: str) -> str | None:
        """A small file's text; None where there is none."""
        if not self.has(name):
            return None
        if isinstance(self.where, Path):
            return (self.where / name).read_text(encoding="utf-8")
        fs, path = file_system(f"{self.where}/{name}")
        return bytes(fs.cat_file(path)).decode()

    def write_text(self, name: str, text: str) -> None:
        """Write a small file, whole or not at all."""
        if isinstance(self.where, Path):
            with atomic_path(self.where / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
            return
        fs, path = file_system(f"{self.where}/{name}")
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(path, text.encode())

    def remove(self) -> None:
        """Remove everything in it."""
        if isinstance(self.where, Path):
            shutil.rmtree(self.where, ignore_errors=True)
            return
        fs, path = file_system(self.where)
        with contextlib.suppress(FileNotFoundError):
            fs.rm(path, recursive=True)

    def publish(self, file: Place) -> Place:
        """A place where workers find a file of this machine: itself in a shared folder, else its upload."""
        if is_url(file) or isinstance(self.where, Path) or not Path(file).is_file():
            return file if is_url(file) else Path(file).absolute()
        state = Path(file).stat()
        name = f"inputs/{state.st_size}-{state.st_mtime_ns}-{Path(file).name}"
        if not self.has(name):
            self._put(Path(file), name)
        return f"{self.where}/{name}"

    def _get(self, name: str, target: Path) -> None:
        fs, path = file_system(f"{self.where}/{name}")
        fs.get_file(path, str(target))

    def _put(self, source: Path, name: str) -> None:
        """Upload a file. Object stores show it when it is whole; folders behind a URL, after a renaming."""
        fs, path = file_system(f"{self.where}/{name}")
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)):
            with atomic_path(Path(path)) as temporary:
                shutil.copyfile(source, temporary)
            return
        fs.put_file(str(source), path)


def fetched(place: Place) -> Path:
    """A file as a path of this machine: one at a URL is fetched once a machine."""
    if isinstance(place, Path):
        return place
    fs, path = file_system(place)
    state = f"{place} {fs.info(path).get('size')}"
    folder = Path(tempfile.gettempdir()) / "mickey-hloc-inputs" / hashlib.sha256(state.encode()).hexdigest()[:16]
    target = folder / PurePosixPath(path).name
    folder.mkdir(parents=True, exist_ok=True)
    while not target.is_file():
        try:
            with file_lock(folder / "lock", str(target)), atomic_path(target) as temporary:
                fs.get_file(path, str(temporary))
        except BusyError:  # another worker of this machine fetches it
            time.sleep(0.2)
    return target
