"""Weights by name: the cache they are kept in, their download, and the checksum they are held to.

DINOv2 comes from the Hugging Face hub (``weights.hub``, with its cache, mirrors and offline mode) and is held to the
checksum of ``table``. MicKey's archive is in no hub; its environment:
    MICKEY_HLOC_CACHE: the cache folder. Default: ``mickey_hloc`` in the folder of torch.hub.
    MICKEY_HLOC_MIRROR: an address with that archive (``<mirror>/mickey_weights.zip``), asked instead of the publisher.

A file may also be placed into the cache by hand, under its publisher's name (``table``).
"""

import contextlib
import os
import sys
import zipfile
from pathlib import Path

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.checksum import hold, sha256, verify
from mickey_hloc.io.zip_members import extract_members
from mickey_hloc.registry import unknown_name
from mickey_hloc.weights.download import DownloadError, disk_errors, download, locked
from mickey_hloc.weights.hub import cached_hub_file, hub_file, is_hub_name
from mickey_hloc.weights.table import NAMES, WEIGHTS, NamedWeights, require_name

__all__ = [
    "NAMES",
    "WEIGHTS",
    "NamedWeights",
    "cache_folder",
    "cached_file",
    "local_file",
    "require_name",
    "resolve",
    "sha256",
]

_BUNDLED = Path(__file__).resolve().parent
_announced: set[str] = set()  # notices this process has shown


def cache_folder() -> Path:
    """Where downloads are kept; it may not exist yet."""
    chosen = os.environ.get("MICKEY_HLOC_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    # Where torch is not loaded, its rule is followed without it: importing it takes longer than all the rest.
    torch = sys.modules.get("torch")
    if torch is not None:
        return Path(torch.hub.get_dir()) / "mickey_hloc"
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", os.path.join(caches, "torch"))).expanduser() / "hub" / "mickey_hloc"


def cached_file(name: str) -> Path:
    """Where the weights of that name are, or will be."""
    entry = WEIGHTS[name]
    by_hand = (cache_folder() if entry.url else _BUNDLED) / entry.file
    if entry.on_hub and not by_hand.is_file():
        return cached_hub_file(entry.url or "") or by_hand
    return by_hand


def resolve(name: str | os.PathLike[str], mirror: str | None = None, progress: bool = True) -> Path:
    """The file of some weights: downloaded at first use, its checksum verified each time.

    Args:
        name: one of ``NAMES``, ``hf:owner/name[@revision]`` (see ``weights.hub``), or the path of a local file.
        mirror: see MICKEY_HLOC_MIRROR, whose value is the default.
        progress: show bars on stderr.

    Returns:
        A file that exists. If a ``<file>.sha256`` lies beside it, or the table has its checksum, they agree.

    Raises:
        WeightsError: an unknown name, no such file, no download, or a file that is not what it was.
    """
    entry = WEIGHTS.get(os.fspath(name))
    if entry is None or entry.url is None:
        path = local_file(name)
        verify(path)
        return path
    path = cache_folder() / entry.file
    if entry.on_hub and not path.is_file():
        return _from_hub(entry)
    _announce(entry)
    if not path.is_file():
        with disk_errors(path), locked(path.with_name(_basename(entry.url) + ".lock")):
            if not path.is_file():
                _fetch(entry, path, mirror, progress)
    hold(path)
    return path


def local_file(name: str | os.PathLike[str]) -> Path:
    """A file that is here: a bundled one by its name, one of the hub, any other by its path; no checksum is read.

    Raises:
        WeightsError: there is none; the message lists the names.
    """
    if is_hub_name(name):
        return hub_file(os.fspath(name))
    entry = WEIGHTS.get(os.fspath(name))
    if entry is not None and entry.url is None:
        return cached_file(os.fspath(name))
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise WeightsError(f"{path} is a folder; name the weights file in it.")
    if path.suffix or len(path.parts) > 1:
        raise WeightsError(f"There is no weights file {path}; give the path of one, or a name: {', '.join(NAMES)}.")
    raise WeightsError(str(unknown_name("weights", os.fspath(name), WEIGHTS)))


def _basename(url: str) -> str:
    return url.rpartition("/")[2]


def _from_hub(entry: NamedWeights) -> Path:
    path = hub_file(entry.url or "")
    if (found := sha256(path)) != entry.sha256:
        raise WeightsError(
            f"{path} is not the published {entry.url}: its sha256 is {found}, not {entry.sha256}; remove it to "
            "download it again."
        )
    return path


def _fetch(entry: NamedWeights, path: Path, mirror: str | None, progress: bool) -> None:
    url = entry.url or ""
    mirror = mirror or os.environ.get("MICKEY_HLOC_MIRROR")
    address = f"{mirror.rstrip('/')}/{_basename(url)}" if mirror else url
    archive = path.with_name(_basename(url))
    by_hand = archive.exists()
    try:
        download(address, archive, check=lambda part: _require_zip(part, address), progress=progress)
    except DownloadError as error:
        raise DownloadError(f"{error}; or choose --weights small, which is bundled and needs no network.") from error
    _unpack(url, archive, path, progress)
    if not by_hand:
        archive.unlink()


def _unpack(url: str, archive: Path, path: Path, progress: bool) -> None:
    # Its other named weights come along, so that the archive need not be kept or downloaded twice.
    siblings = {e.file: path.with_name(e.file) for e in WEIGHTS.values() if e.url == url}
    targets = {name: target for name, target in siblings.items() if not target.exists()}
    found = extract_members(archive, targets, progress=progress)
    if path.name not in found:
        raise WeightsError(f"{archive} has no {path.name}; remove it to download it again.")
    for name in found:
        hold(targets[name])


def _require_zip(part: Path, address: str) -> None:
    """Refuse, before any checksum is recorded, what a login page or a proxy sends in the file's place."""
    if not zipfile.is_zipfile(part):
        with open(part, "rb") as file:
            start = file.read(24).decode("ascii", "replace")
        raise WeightsError(
            f"What {address} sent is not a zip file (it begins with {start!r}); is a proxy or a login page in between?"
        )


def _announce(entry: NamedWeights) -> None:
    if entry.notice is None or entry.notice in _announced:
        return
    _announced.add(entry.notice)
    shown = cache_folder() / f"LICENCE-{_basename(entry.url or entry.file)}.txt"
    if shown.exists():
        return
    print(entry.notice, file=sys.stderr, end="")
    with contextlib.suppress(OSError):  # a folder that cannot be written shows it once a process
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(entry.notice, encoding="utf-8")
