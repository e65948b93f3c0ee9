"""Pairs of several sources as one, each with its share of the draws."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mickey_hloc.datasets.pair_sources import TableSource, make_source
from mickey_hloc.datasets.pairs import PairTable, join_tables
from mickey_hloc.errors import InputError


@dataclass(frozen=True)
class MixedSource(TableSource):
    """Several sources whose images lie on the disk.

    Attributes:
        sources: the configuration of each, with its ``kind``.
        shares: of the draws, for each source; empty = as many draws as it has scenes. They need not sum to 1.
        max_pairs: of each source, evenly spread over its pairs; 0 = all.
        judge: see ``TableSource``; it must know the images of all sources.
    """

    sources: tuple[Mapping[str, Any], ...] = ()
    shares: tuple[float, ...] = ()
    max_pairs: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sources:
            raise InputError("The kind mixed needs sources: a list of configurations, each with its kind.")
        if self.shares and (len(self.shares) != len(self.sources) or min(self.shares) <= 0):
            raise InputError(f"The kind mixed needs as many positive shares as sources, got {self.shares}.")

    def table(self) -> PairTable:
        """The pairs of all sources; names are relative to the folder that they have in common."""
        tables = [self._table(number) for number in range(len(self.sources))]
        if self.max_pairs:
            tables = [_spread(table, self.max_pairs) for table in tables]
        if self.shares:
            scenes = sum(_scenes(table) for table in tables)
            counts = [max(round(scenes * share / sum(self.shares)), 1) for share in self.shares]
            tables = [regroup(table, count) for table, count in zip(tables, counts, strict=True)]
        root = Path(os.path.commonpath([table.root.resolve() for table in tables]))
        return join_tables([_moved(table, root) for table in tables])

    def _table(self, number: int) -> PairTable:
        source = make_source(self.sources[number], f"source {number + 1} of the mixed pairs")
        if not isinstance(source, TableSource):
            raise InputError(
                f"Source {number + 1} of the mixed pairs has no images on disk; write rooms to disk with 'mickey-hloc "
                "rooms' and take the kind mapfree."
            )
        return source.table()


def regroup(table: PairTable, count: int) -> PairTable:
    """The same pairs in ``count`` groups that the sampler draws from evenly: scenes are joined, or split, evenly."""
    scenes = _scenes(table)
    if count <= scenes:
        return replace(table, scenes=table.scenes % count)
    groups = np.empty_like(table.scenes)
    first = 0
    for scene in range(scenes):
        members = np.flatnonzero(table.scenes == scene)
        parts = min(count // scenes + int(scene < count % scenes), len(members))
        groups[members] = first + np.arange(len(members)) % parts
        first += parts
    return replace(table, scenes=groups)


def _scenes(table: PairTable) -> int:
    return int(table.scenes.max()) + 1


def _spread(table: PairTable, most: int) -> PairTable:
    kept = np.unique(np.linspace(0, len(table) - 1, min(most, len(table))).round().astype(np.int64))
    _, scenes = np.unique(table.scenes[kept], return_inverse=True)
    return replace(table, pairs=table.pairs[kept], overlaps=table.overlaps[kept], scenes=scenes.reshape(-1))


def _moved(table: PairTable, root: Path) -> PairTable:
    where = table.root.resolve().relative_to(root)
    return replace(table, root=root, names=[(where / name).as_posix() for name in table.names])
