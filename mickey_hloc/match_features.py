"""Step: features and pairs -> matches file, in hloc's layout, by our matchers or hloc's; crash-safe and resumable.

hloc itself is only needed for its own matchers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from mickey_hloc.errors import InputError
from mickey_hloc.io.hdf5 import open_for_reading
from mickey_hloc.io.matches import pair_key
from mickey_hloc.io.origin import ORIGIN_KEY
from mickey_hloc.io.pair_store import PairStore
from mickey_hloc.io.pairs import Pair, read_pairs
from mickey_hloc.io.stored_arrays import StoredArrays
from mickey_hloc.matching import FeatureMatcher, get_feature_matcher
from mickey_hloc.registry import make_options, unknown_name

BATCH = 8  # pairs between two writings
REQUIRED = ("matches0", "matching_scores0", "features_crc")


@dataclass(frozen=True)
class MatchConf:
    """A named conf of this step, as in hloc. Attributes: output: name of the file. model: matcher and options."""

    output: str
    model: Mapping[str, Any]

    @classmethod
    def from_dict(cls, conf: Mapping[str, Any]) -> MatchConf:
        """From a plain mapping; unknown or missing keys are errors.

        Raises:
            InputError: see above.
        """
        for key in ("output", "model"):
            if key not in conf:
                raise InputError(f"The matching conf has no '{key}'.")
        return make_options(cls, conf, where="the matching conf")

    def matcher(self) -> FeatureMatcher:
        """The matcher that the conf names."""
        return get_feature_matcher(**self.model)


# As in hloc, by name.
confs: dict[str, dict[str, Any]] = {
    "mickey": {"output": "matches-mickey", "model": {"name": "mickey"}},
    "nn-mutual": {"output": "matches-nn-mutual", "model": {"name": "nearest", "max_ratio": None}},
    "nn-ratio": {"output": "matches-nn-ratio.9", "model": {"name": "nearest", "max_ratio": 0.9}},
}


def get_conf(name: str) -> dict[str, Any]:
    """A named conf.

    Raises:
        InputError: an unknown name; the message lists the known ones.
    """
    if name not in confs:
        raise unknown_name("matching conf", name, confs)
    return {**confs[name], "model": dict(confs[name]["model"])}


def main(
    conf: Mapping[str, Any],
    pairs: Path | Sequence[Pair],
    features: Path,
    matches: Path,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Match pairs of images by their features.

    Args:
        conf: as in ``confs``.
        pairs: hloc's pairs file, or the pairs.
        features: features file in hloc's layout.
        matches: the matches file. Pairs that it has in either order are not matched again.
        overwrite: throw away an existing file.
        progress: show a bar on stderr.

    Returns:
        The matches file. Pairs whose images have no features are missing from it.

    Raises:
        InputError: wrong input; or the file was made with another matcher or from other features.
    """
    matcher = MatchConf.from_dict(conf).matcher()
    wanted = list(read_pairs(pairs) if isinstance(pairs, Path) else pairs)
    with (
        StoredArrays(Path(features)) as stored,
        PairStore(Path(matches), _origin(conf, matcher, stored), REQUIRED, overwrite) as store,
    ):
        todo = [pair for pair in store.missing(wanted) if all(name in stored for name in pair)]
        _check_unchanged(Path(matches), wanted, stored)
        if todo:
            matcher.prepare(stored.attributes)
        with tqdm(total=len(wanted), initial=len(wanted) - len(todo), desc="matches", disable=not progress) as bar:
            for start in range(0, len(todo), BATCH):
                batch = todo[start : start + BATCH]
                store.add({pair_key(*pair): _match(matcher, stored, pair, bar) for pair in batch})
        store.finish()
    return Path(matches)


def _match(matcher: FeatureMatcher, stored: StoredArrays, pair: Pair, bar: tqdm[Any]) -> dict[str, np.ndarray]:
    matches0, scores0 = matcher.match(*(stored.read(name) for name in pair))
    bar.update()
    return {
        "matches0": matches0.numpy().astype(np.int32),
        "matching_scores0": scores0.numpy().astype(np.float32),
        "features_crc": np.array([stored.checksum(name) for name in pair], dtype=np.uint32),
    }


def _origin(conf: Mapping[str, Any], matcher: FeatureMatcher, stored: StoredArrays) -> dict[str, Any]:
    told = stored.attributes.get(ORIGIN_KEY)
    return {
        "matcher": conf["model"]["name"],
        **matcher.identity(),
        "features": json.loads(told) if isinstance(told, str) else None,
    }


def _check_unchanged(matches: Path, pairs: Sequence[Pair], stored: StoredArrays) -> None:
    """Refuse matches that were made from other features; one pair tells.

    Raises:
        InputError: they were.
    """
    if not matches.exists():
        return
    with open_for_reading(matches, "matches file") as file:
        for pair in pairs:
            group = file.get(pair_key(*pair))
            if isinstance(group, h5py.Group) and all(name in stored for name in pair):
                if group["features_crc"][()].tolist() != [stored.checksum(name) for name in pair]:
                    raise InputError(
                        f"{matches} was made from other features (those of {' '.join(pair)} have changed); "
                        "choose another output or overwrite it."
                    )
                return
