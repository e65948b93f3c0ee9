"""Take named files out of a zip that nobody vouches for."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.files import atomic_path

MAX_MEMBER_BYTES = 4 << 30
_MAX_ENTRIES = 1000
# Weights hardly shrink; deflate reaches 1032. Zeroed optimizer states may shrink a lot, hence the room.
_MAX_RATIO = 200
_CHUNK_BYTES = 1 << 20


def extract_members(
    archive: Path, targets: Mapping[str, Path], max_bytes: int = MAX_MEMBER_BYTES, progress: bool = True
) -> list[str]:
    """Extract the wanted files, in whichever folder of the archive they lie; nothing else is written.

    Args:
        archive: a zip file.
        targets: where to write each wanted file, by its name without folders.
        max_bytes: a member that is larger is refused, whatever size it declares.
        progress: show a bar on stderr.

    Returns:
        The wanted names that the archive has. Their checksums (CRC-32) were verified.

    Raises:
        WeightsError: not a zip file, damaged, or hostile: an entry that points outside of the archive, a link, a bomb.
        OSError: a target cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            entries = file.infolist()
            if len(entries) > _MAX_ENTRIES:
                raise _refused(archive, f"it has {len(entries)} entries")
            for entry in entries:
                _vet(archive, entry)
            chosen = {name: found for name in targets if (found := _find(archive, entries, name)) is not None}
            for name, entry in chosen.items():
                _vet_size(archive, entry, max_bytes)
                _extract(file, entry, targets[name], progress)
    # RuntimeError: encrypted. NotImplementedError: a compression that zipfile does not know.
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError),
        *(LookupError, TypeError, struct.error),
    ) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(
            f"{archive} is not a readable zip file ({error}); remove it to download it again."
        ) from error
    return list(chosen)


def _refused(archive: Path, why: str) -> WeightsError:
    return WeightsError(f"{archive} is refused because {why}; remove it and get it from a source you trust.")


def _vet(archive: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse the whole archive for one entry that no honest archive of weights has."""
    # orig_filename: zipfile itself cuts the other one at a NUL
    name = entry.orig_filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name or (parts and ":" in parts[0]):
        raise _refused(archive, f"its entry {entry.orig_filename!r} points outside of it")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise _refused(archive, f"its entry {entry.filename!r} is a link or a device")


def _find(archive: Path, entries: list[zipfile.ZipInfo], name: str) -> zipfile.ZipInfo | None:
    found = [e for e in entries if not e.is_dir() and PurePosixPath(e.filename).name == name]
    if len(found) > 1:
        raise _refused(archive, f"it has {len(found)} files named {name}")
    return found[0] if found else None


def _vet_size(archive: Path, entry: zipfile.ZipInfo, max_bytes: int) -> None:
    if entry.file_size > max_bytes:
        raise _refused(archive, f"{entry.filename} unpacks to {entry.file_size} bytes, above {max_bytes}")
    if entry.file_size > _MAX_RATIO * max(entry.compress_size, 1):
        raise _refused(archive, f"{entry.filename} unpacks to {entry.file_size} from {entry.compress_size} bytes")


def _extract(file: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, progress: bool) -> None:
    name = PurePosixPath(entry.filename).name
    bar = tqdm(total=entry.file_size, unit="B", unit_scale=True, desc=f"unpacking {name}", disable=not progress)
    with bar, atomic_path(target) as temporary, file.open(entry) as source, open(temporary, "xb") as sink:
        written = 0
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > entry.file_size:  # the declared size was vetted, this is what is really inside
                raise zipfile.BadZipFile(f"{name} is larger than it declares")
            sink.write(chunk)
            bar.update(len(chunk))
        if written != entry.file_size:
            raise zipfile.BadZipFile(f"{name} has {written} bytes and declares {entry.file_size}")
