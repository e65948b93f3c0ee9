"""Weights by name: where they come from, the cache they are kept in, and the checksum they are held to.

Environment:
    MICKEY_HLOC_CACHE: the cache folder. Default: ``mickey_hloc`` in the folder of torch.hub.
    MICKEY_HLOC_MIRROR: an address under which the published files lie by their own names
        (``<mirror>/mickey_weights.zip``), asked instead of the publishers.

A file may also be placed into the cache by hand, under the name that ``mickey-hloc weights list`` shows.
"""

import contextlib
import dataclasses
import os
import sys
import zipfile
from pathlib import Path

from mickey_hloc.errors import WeightsError
from mickey_hloc.io.checksum import hold, sha256, verify
from mickey_hloc.io.zip_members import extract_members
from mickey_hloc.registry import unknown_name
from mickey_hloc.weights.download import disk_errors, download, locked
from mickey_hloc.weights.state_file import is_torch_file, load_state_file

__all__ = [
    "NAMES",
    "WEIGHTS",
    "NamedWeights",
    "cache_folder",
    "cached_file",
    "load_state_file",
    "require_name",
    "resolve",
    "sha256",
]

_BUNDLED = Path(__file__).resolve().parent
_MICKEY_URL = "https://storage.googleapis.com/niantic-lon-static/research/mickey/assets/mickey_weights.zip"
_DINOV2_URL = "https://dl.fbaipublicfiles.com/dinov2/{0}/{0}_pretrain.pth"
_NIANTIC_NOTICE = """\
The MicKey weights are copyright of Niantic, Inc. and licensed for NON-COMMERCIAL use only; they may not be passed on.
Work that uses them must cite Barroso-Laguna et al., "Matching 2D Images in 3D", CVPR 2024.
Full terms: https://github.com/nianticlabs/mickey/blob/main/LICENSE
"""


@dataclasses.dataclass(frozen=True)
class NamedWeights:
    """One line of the table.

    Attributes:
        file: its name in the cache, and in the archive where ``url`` is one.
        about: what it is.
        licence: of the weights.
        url: where it is published; None for a file of this package.
        size_mb: about how large it is, where that is known beforehand.
        notice: printed once, before the weights are first used.
    """

    file: str
    about: str
    licence: str
    url: str | None
    size_mb: int | None = None
    notice: str | None = None


def _dinov2(name: str, about: str, size_mb: int) -> NamedWeights:
    url = _DINOV2_URL.format(name)
    return NamedWeights(url.rpartition("/")[2], f"DINOv2 encoder, {about}", "Apache-2.0", url, size_mb)


WEIGHTS = {
    "mickey": NamedWeights(
        "mickey.ckpt", "MicKey heads for ViT-L/14", "non-commercial", _MICKEY_URL, notice=_NIANTIC_NOTICE
    ),
    "mickey_sc": NamedWeights(
        "mickey_sc.ckpt",
        "MicKey heads for ViT-L/14, trained with overlap scores",
        "non-commercial",
        _MICKEY_URL,
        notice=_NIANTIC_NOTICE,
    ),
    "dinov2_vits14": _dinov2("dinov2_vits14", "ViT-S/14", 88),
    "dinov2_vitb14": _dinov2("dinov2_vitb14", "ViT-B/14", 346),
    "dinov2_vitl14": _dinov2("dinov2_vitl14", "ViT-L/14", 1218),
    "small": NamedWeights("small.safetensors", "small MicKey of this package", "Apache-2.0", None),
}
NAMES = tuple(WEIGHTS)

_announced: set[str] = set()  # notices this process has shown


def cache_folder() -> Path:
    """Where downloads are kept; it may not exist yet."""
    chosen = os.environ.get("MICKEY_HLOC_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import torch

    return Path(torch.hub.get_dir()) / "mickey_hloc"


def cached_file(name: str) -> Path:
    """Where the weights of that name are, or will be."""
    entry = WEIGHTS[name]
    return (cache_folder() if entry.url else _BUNDLED) / entry.file


def resolve(name: str | os.PathLike[str], mirror: str | None = None, progress: bool = True) -> Path:
    """The file of some weights: downloaded at first use, its checksum verified each time.

    Args:
        name: one of ``NAMES``, or the path of a local file.
        mirror: see MICKEY_HLOC_MIRROR, whose value is the default.
        progress: show bars on stderr.

    Returns:
        A file that exists. If a ``<file>.sha256`` lies beside it, as it does beside every download, they agree.

    Raises:
        WeightsError: an unknown name, no such file, no download, or a file that is not what it was.
    """
    entry = WEIGHTS.get(os.fspath(name))
    if entry is None:
        path = _local_file(name)
        verify(path)
        return path
    path = cached_file(os.fspath(name))
    if entry.url is None:
        verify(path)
        return path
    _announce(entry)
    if not path.is_file():
        with disk_errors(path), locked(path.with_name(_basename(entry.url) + ".lock")):
            if not path.is_file():
                _fetch(entry, path, mirror, progress)
    hold(path)
    return path


def require_name(name: str) -> NamedWeights:
    """The table's line for a name.

    Raises:
        WeightsError: there is none; the message lists the names.
    """
    if name not in WEIGHTS:
        raise WeightsError(str(unknown_name("weights", name, WEIGHTS)))
    return WEIGHTS[name]


def _local_file(name: str | os.PathLike[str]) -> Path:
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


def _fetch(entry: NamedWeights, path: Path, mirror: str | None, progress: bool) -> None:
    url = entry.url or ""
    zipped = url.endswith(".zip")
    mirror = mirror or os.environ.get("MICKEY_HLOC_MIRROR")
    address = f"{mirror.rstrip('/')}/{_basename(url)}" if mirror else url
    target = path.with_name(_basename(url))
    by_hand = target.exists()
    download(address, target, check=lambda part: _require_kind(part, address, zipped), progress=progress)
    if zipped:
        _unpack(url, target, path, progress)
        if not by_hand:
            target.unlink()
    hold(path)


def _unpack(url: str, archive: Path, path: Path, progress: bool) -> None:
    # Its other named weights come along, so that the archive need not be kept or downloaded twice.
    siblings = {e.file: path.with_name(e.file) for e in WEIGHTS.values() if e.url == url}
    targets = {name: target for name, target in siblings.items() if not target.exists()}
    found = extract_members(archive, targets, progress=progress)
    if path.name not in found:
        raise WeightsError(f"{archive} has no {path.name}; remove it to download it again.")
    for name in found:
        hold(targets[name])


def _require_kind(part: Path, address: str, zipped: bool) -> None:
    """Refuse, before any checksum is recorded, what a login page or a proxy sends in the file's place."""
    fits = zipfile.is_zipfile(part) if zipped else is_torch_file(part)
    if not fits:
        with open(part, "rb") as file:
            start = file.read(24).decode("ascii", "replace")
        raise WeightsError(
            f"What {address} sent is not a {'zip' if zipped else 'torch'} file (it begins with {start!r}); is a proxy "
            f"or a login page in between?"
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
