"""The photos in a zip that somebody uploads; everything else in it is left where it is."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from mickey_hloc.errors import InputError
from mickey_hloc.io.image_batches import Preprocessing

SUFFIXES = tuple(pattern.removeprefix("*") for pattern in Preprocessing().globs)
_CHUNK_BYTES = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, struct.error)


def unpack_photos(archive: Path, folder: Path, max_photos: int, max_bytes: int) -> list[Path]:
    """Write the photos of a zip into a folder, under their names without folders.

    Args:
        folder: exists and is empty.
        max_photos: more are refused.
        max_bytes: of one photo, unpacked.

    Returns:
        The files, in the order of their names in the zip.

    Raises:
        InputError: no zip or a damaged one, no photos in it, too many or too large ones.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = sorted((one for one in file.infolist() if _is_photo(one)), key=lambda one: one.filename)
            if not members:
                raise InputError(f"{archive.name} has no photos ({', '.join(SUFFIXES)}).")
            if len(members) > max_photos:
                raise InputError(f"{archive.name} has {len(members)} photos; at most {max_photos} are taken.")
            return [_unpack(file, member, folder, i, max_bytes) for i, member in enumerate(members)]
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{archive.name} is not a zip file that can be read ({error}).") from error


def _is_photo(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return not member.is_dir() and not hidden and path.suffix.lower() in SUFFIXES


def _unpack(file: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, number: int, max_bytes: int) -> Path:
    name = PurePosixPath(member.filename.replace("\\", "/")).name
    target = folder / name
    if target.exists():  # the same name in another folder of the zip
        target = folder / f"{number}-{name}"
    size = 0
    with file.open(member) as source, open(target, "xb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)  # what is really inside, whatever it declares
            if size > max_bytes:
                raise InputError(f"{name} in the zip is larger than {max_bytes / 1e6:.0f} MB.")
            sink.write(chunk)
    return target
