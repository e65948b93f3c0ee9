"""The sampler: fair to scenes, a function of seed and epoch, and the same for any number of processes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mickey_hloc.training.sampler import PairSampler

SCENES = np.array([0] * 50 + [1] * 3 + [2] * 20 + [0] * 5)


def test_scenes_are_drawn_evenly_and_pairs_without_repetition() -> None:
    draws = list(PairSampler(SCENES, 30, seed=1))
    assert len(draws) == 30
    counts = np.bincount(SCENES[[d.pair for d in draws]])
    assert counts.tolist() == [10, 10, 10]
    for scene, most in ((0, 1), (1, 4), (2, 1)):
        drawn = [d.pair for d in draws if SCENES[d.pair] == scene]
        assert np.bincount(drawn).max() <= most


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 3))
def test_processes_share_an_epoch(world_size: int, length: int, epoch: int) -> None:
    length = max(length // world_size, 1) * world_size
    parts = []
    for rank in range(world_size):
        sampler = PairSampler(SCENES, length, 5, rank, world_size)
        sampler.set_epoch(epoch)
        parts.append(list(sampler))
        assert len(parts[-1]) == len(sampler)
    alone = PairSampler(SCENES, length, 5)
    alone.set_epoch(epoch)
    assert sorted(d for part in parts for d in part) == sorted(alone)
    assert [d for group in zip(*parts, strict=True) for d in group] == list(alone)


def test_epochs_and_seeds_differ_and_repeat() -> None:
    def pairs(seed: int, epoch: int) -> list[int]:
        sampler = PairSampler(SCENES, 12, seed)
        sampler.set_epoch(epoch)
        return [d.pair for d in sampler]

    assert pairs(0, 0) == pairs(0, 0)
    assert len({tuple(pairs(s, e)) for s in (0, 1) for e in (0, 1)}) == 4
    sampler = PairSampler(SCENES, 12, 0)
    seeds = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seeds += [d.seed for d in sampler]
    assert seeds == list(range(36))


def test_endless_source_goes_on_and_starts_over() -> None:
    sampler = PairSampler(10, 4, seed=0)
    sampler.set_epoch(2)
    assert [d.pair for d in sampler] == [8, 9, 0, 1]
