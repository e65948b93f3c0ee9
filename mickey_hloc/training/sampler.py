"""Which pairs an epoch consists of: the same number from every scene, a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from mickey_hloc.datasets.pairs import Draw


class PairSampler(Sampler[Draw]):
    """An epoch of pairs, drawn evenly over scenes and without repetition as long as a scene has pairs.

    Every process gets every world_size-th draw, so that a step of all processes together sees the pairs that one
    process with a larger batch would see. A run that resumes at an epoch draws what the undisturbed run would have.

    Args:
        scenes: (M,) the scene of each pair; or their number M, and they are taken one after the other.
        pairs_per_epoch: over all processes.
        seed: of the draws.
        rank, world_size: of this process.
    """

    def __init__(
        self, scenes: np.ndarray | int, pairs_per_epoch: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.scenes, self.seed = scenes, seed
        self.rank, self.world_size = rank, world_size
        self.pairs_per_epoch = max(pairs_per_epoch // world_size, 1) * world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.pairs_per_epoch // self.world_size

    def __iter__(self) -> Iterator[Draw]:
        first = self.epoch * self.pairs_per_epoch
        pairs = self._pairs_of_epoch()
        for position in range(self.rank, self.pairs_per_epoch, self.world_size):
            yield Draw(int(pairs[position]), first + position)

    def _pairs_of_epoch(self) -> np.ndarray:
        """(pairs_per_epoch,) indices of pairs."""
        if isinstance(self.scenes, int):
            return (np.arange(self.pairs_per_epoch) + self.epoch * self.pairs_per_epoch) % self.scenes
        rng = np.random.default_rng([self.seed, self.epoch])
        members = np.argsort(self.scenes, kind="stable")
        starts = np.flatnonzero(np.diff(self.scenes[members], prepend=-1))
        groups = np.split(members, starts[1:])
        # Scenes take turns in a random order, so that a short epoch still sees as many scenes as it can.
        turns = np.concatenate([rng.permutation(len(groups)) for _ in range(-(-self.pairs_per_epoch // len(groups)))])
        turns = turns[: self.pairs_per_epoch]
        chosen = np.empty(self.pairs_per_epoch, dtype=np.int64)
        for scene, group in enumerate(groups):
            places = np.flatnonzero(turns == scene)
            rounds = -(-len(places) // len(group))
            if rounds:
                chosen[places] = np.concatenate([rng.permutation(group) for _ in range(rounds)])[: len(places)]
        return chosen
