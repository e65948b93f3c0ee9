"""Writing matches files in hloc's layout with the safety of features files: a ``kill -9`` loses and damages nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py

from mickey_hloc.io.feature_store import FeatureStore
from mickey_hloc.io.matches import pair_key
from mickey_hloc.io.pairs import Pair


class PairStore(FeatureStore):
    """A file with one group a pair that is being written; use it in a ``with`` block. See ``FeatureStore``.

    Args:
        path: the file.
        origin: everything that decides the numbers; a file or parts made with another one are refused.
        required: datasets that a complete pair has.
        overwrite: throw away what is there.
    """

    what = "matches file"

    def __init__(self, path: Path, origin: Mapping[str, Any], required: Iterable[str], overwrite: bool = False) -> None:
        super().__init__(path, origin, (), overwrite=overwrite)
        self.required = frozenset(required)

    def __enter__(self) -> PairStore:
        super().__enter__()
        return self

    def missing(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs that are stored in neither order, each once."""
        done, missing = self.done, dict[Pair, None]()
        for name0, name1 in pairs:
            if not {pair_key(name0, name1), pair_key(name1, name0)} & done and (name1, name0) not in missing:
                missing[name0, name1] = None
        return list(missing)

    def _is_complete(self, group: object) -> bool:
        return isinstance(group, h5py.Group) and self.required <= set(group)
