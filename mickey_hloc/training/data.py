"""The data of a run: training and validation pairs, with cached features where the encoder is frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mickey_hloc.datasets.pairs import PairAugmentation, PairDataset
from mickey_hloc.errors import InputError
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.model.regression import PoseRegressor
from mickey_hloc.training.feature_cache import CachedPairDataset, FeatureCache
from mickey_hloc.training.options import DataOptions
from mickey_hloc.training.sampler import PairSampler


class PairData(lightning.LightningDataModule):
    """Loaders of training and validation pairs.

    Args:
        options: the ``data`` part of the configuration.
        model: whose frozen encoder fills the cache.
        seed: of the draws.
    """

    def __init__(self, options: DataOptions, model: MicKey | PoseRegressor, seed: int) -> None:
        super().__init__()
        self.options, self.model, self.seed = options, model, seed
        augmentation = PairAugmentation(options.mirror, options.photometric, options.variants)
        self.train_data = options.train.open(options.size_wh, augmentation)
        self.val_data = options.val.open(options.size_wh) if options.val is not None else None
        self.caches: list[FeatureCache] = []
        if options.cache is not None:
            self.train_data = self._cached(self.train_data, with_images=False)
            self.val_data = self._cached(self.val_data, with_images=True) if self.val_data is not None else None

    def _cached(self, data: Dataset[dict[str, Any]], with_images: bool) -> Dataset[dict[str, Any]]:
        if not isinstance(data, PairDataset):
            raise InputError("data.cache needs images on disk; synthetic rooms are made anew each time.")
        assert self.options.cache is not None
        cache = FeatureCache(Path(self.options.cache), self.model, data)
        self.caches.append(cache)
        return CachedPairDataset(data, cache, with_images)

    def prepare_data(self) -> None:
        """Fill the caches; Lightning calls this in one process of each machine."""
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        for cache in self.caches:
            cache.build(device, workers=self.options.workers)

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """An epoch; the sampler is told its number before each."""
        scenes: np.ndarray | int = len(self.train_data)  # type: ignore[arg-type]
        if isinstance(self.train_data, PairDataset):
            scenes = self.train_data.table.scenes
        world_size = self.trainer.world_size if self.trainer is not None else 1
        rank = self.trainer.global_rank if self.trainer is not None else 0
        sampler = PairSampler(scenes, self.options.pairs_per_epoch, self.seed, rank, world_size)
        return self._loader(self.train_data, batch_size=self.options.batch_size, sampler=sampler, drop_last=True)

    def val_dataloader(self) -> DataLoader[dict[str, Any]] | list[Any]:
        """All validation pairs, one at a time, spread over the processes by their number."""
        if self.val_data is None:
            return []
        world_size = self.trainer.world_size if self.trainer is not None else 1
        rank = self.trainer.global_rank if self.trainer is not None else 0
        mine = list(range(rank, len(self.val_data), world_size))  # type: ignore[arg-type]
        return self._loader(self.val_data, batch_size=1, sampler=mine)

    def _loader(self, data: Dataset[dict[str, Any]], **how: Any) -> DataLoader[dict[str, Any]]:
        workers = self.options.workers
        return DataLoader(
            data,
            num_workers=workers,
            persistent_workers=False,
            pin_memory=torch.cuda.is_available(),
            **how,
        )
