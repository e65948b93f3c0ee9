"""Features of a frozen encoder on disk: computed once, then training costs only the heads.

``<folder>/<fingerprint>/``: ``features.npy`` (rows, C, h, w) float16, ``done.npy`` (rows,) bool, ``about.json``. The
fingerprint covers the encoder's weights, the images and what is done to them, so a stale cache is never used. Work is
kept when it is interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from mickey_hloc.datasets.pairs import PairAugmentation, PairDataset
from mickey_hloc.errors import InputError
from mickey_hloc.io.files import atomic_path
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.model.regression import PoseRegressor

_FLUSH_EVERY = 64  # batches


class FeatureCache:
    """The features of all versions of all images of a data set.

    Args:
        folder: where caches live; this one gets a folder of its own in it.
        model: whose encoder is frozen.
        dataset: the images.

    Raises:
        InputError: the encoder is trained, so that its features change.
    """

    def __init__(self, folder: Path, model: MicKey | PoseRegressor, dataset: PairDataset) -> None:
        if not model.encoder.frozen:
            raise InputError("data.cache is for frozen encoders; this one is trained, so leave the cache out.")
        self.model, self.dataset = model, dataset
        o = dataset.augmentation
        self.versions = o.versions
        self.mirrors = 2 if o.mirror else 1
        self.about = _describe(model, dataset)
        fingerprint = hashlib.sha256(json.dumps(self.about, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = Path(folder) / fingerprint
        w, h = dataset.size_wh
        stride = model.encoder.stride
        self.shape = (self.num_rows, model.encoder.channels, h // stride, w // stride)
        self._features: np.ndarray | None = None

    @property
    def num_rows(self) -> int:
        """Images times their versions."""
        return len(self.dataset.table.names) * len(self.versions) * self.mirrors

    def row(self, image: int, mirrored: bool, version: int) -> int:
        """Where the features of a version of an image lie."""
        return (image * self.mirrors + int(mirrored)) * len(self.versions) + self.versions.index(version)

    def build(self, device: torch.device | str = "cpu", batch_size: int = 8, workers: int = 0) -> None:
        """Compute what is missing; the model is on its own device again afterwards.

        Args:
            device: of the encoder. batch_size: images at a time. workers: processes that read the images.

        Raises:
            InputError: the disk has no room.
        """
        features, done = self._open_for_writing()
        missing = np.flatnonzero(~done)
        if not len(missing):
            return
        before = self.model.device
        self.model.encoder.to(device)
        # Without a terminal, a line a minute.
        shown: dict[str, Any] = {"desc": "encoder features", "mininterval": 0.1 if sys.stderr.isatty() else 60.0}
        with torch.no_grad(), tqdm(total=self.num_rows, initial=int(done.sum()), **shown) as progress:
            loader = DataLoader(_Images(self, missing), batch_size=batch_size, num_workers=workers)
            for number, images in enumerate(loader):
                rows = missing[number * batch_size :][: len(images)]
                features[rows] = self.model.encode(images.to(device)).half().cpu().numpy()
                done[rows] = True
                progress.update(len(rows))
                if number % _FLUSH_EVERY == _FLUSH_EVERY - 1:
                    features.flush()
                    done.flush()
        features.flush()
        done.flush()
        self.model.encoder.to(before)

    def read(self, image: int, mirrored: bool = False, version: int = 0) -> Tensor:
        """(C, h, w) float32."""
        if self._features is None:  # opened by each loading process for itself
            self._features = np.load(self.folder / "features.npy", mmap_mode="r")
        return torch.from_numpy(self._features[self.row(image, mirrored, version)].astype(np.float32))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "model": None, "_features": None}

    def image(self, row: int) -> Tensor:
        """The image whose features lie in a row: (3, H, W) float32 in [0, 1]."""
        rest, version = divmod(row, len(self.versions))
        image, mirrored = divmod(rest, self.mirrors)
        return self.dataset.image(image, bool(mirrored), self.versions[version])

    def _open_for_writing(self) -> tuple[np.memmap, np.memmap]:
        """The features and which rows of them are done. The files are whole, or there are none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place, marks = self.folder / "features.npy", self.folder / "done.npy"
        if not marks.is_file():
            needed = 2 * int(np.prod(self.shape))
            free = shutil.disk_usage(self.folder).free
            if needed > 0.95 * free:
                raise InputError(
                    f"The features need {needed / 2**30:.1f} GiB and {self.folder} has {free / 2**30:.1f} GiB left; "
                    "choose another data.cache, fewer variants, or no cache."
                )
            for path, dtype, shape in ((place, np.float16, self.shape), (marks, np.bool_, self.shape[:1])):
                with atomic_path(path) as temporary:
                    np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape).flush()
                    _reserve(temporary)
            with atomic_path(self.folder / "about.json") as temporary:
                temporary.write_text(json.dumps(self.about, indent=1), encoding="utf-8")
        return np.lib.format.open_memmap(place, mode="r+"), np.lib.format.open_memmap(marks, mode="r+")


def _reserve(path: Path) -> None:
    """Take the whole of a sparse file's room now: a disk that is full later ends a process that maps it (SIGBUS)."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


class _Images(Dataset[Tensor]):
    """The images of some rows of a cache."""

    def __init__(self, cache: FeatureCache, rows: np.ndarray) -> None:
        self.cache, self.rows = cache, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor:
        return self.cache.image(int(self.rows[index]))


def weights_sha256(network: torch.nn.Module) -> str:
    """Of all names and values of a network's state."""
    weights = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        weights.update(name.encode())
        weights.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return weights.hexdigest()


def _describe(model: MicKey | PoseRegressor, dataset: PairDataset) -> dict[str, Any]:
    """Everything that the features depend on."""
    images = hashlib.sha256()
    for name in dataset.table.names:
        status = (dataset.table.root / name).stat()
        images.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    o: PairAugmentation = dataset.augmentation
    return {
        "encoder": model.options.encoder,
        "weights": weights_sha256(model.encoder),
        "precision": model.encoder.settled(model.precision),
        "images": images.hexdigest(),
        "count": len(dataset.table.names),
        "size_wh": list(dataset.size_wh),
        "mirror": o.mirror,
        "photometric": repr(o.photometric),
        "variants": o.variants,
    }


class CachedPairDataset(PairDataset):
    """A ``PairDataset`` whose items have ``features0``, ``features1`` (C, h, w) in place of, or beside, the images.

    Args:
        dataset: the pairs. cache: built. with_images: give the images too, for pictures.
    """

    def __init__(self, dataset: PairDataset, cache: FeatureCache, with_images: bool = False) -> None:
        super().__init__(dataset.table, dataset.size_wh, dataset.augmentation, dataset.judge, dataset.exif_turn)
        self.cache, self.with_images = cache, with_images

    def view(self, image: int, mirrored: bool, version: int) -> dict[str, Tensor]:
        """What an item has of one image."""
        if self.with_images:
            out = super().view(image, mirrored, version)
        else:
            out = {"K": self.K(image, mirrored)}
        if version not in self.cache.versions:
            version = self.cache.versions.start  # without photometric versions the draw means nothing
        out["features"] = self.cache.read(image, mirrored, version)
        return out
