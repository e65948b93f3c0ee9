"""Step: features and pairs -> matches file, in hloc's layout, by our matchers or hloc's; crash-safe and resumable.

hloc itself is only needed for its own matchers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mickey_hloc.errors import InputError
from mickey_hloc.features.base import MATCHER_KEY
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile, check_distinct, pair_key
from mickey_hloc.io.memory import release_free_memory
from mickey_hloc.io.origin import origin_values
from mickey_hloc.io.pair_store import PairStore
from mickey_hloc.io.pairs import Pair, read_pairs
from mickey_hloc.io.stored_arrays import StoredArrays
from mickey_hloc.matching import MATCHERS, Matcher, get_matcher
from mickey_hloc.registry import CheckedOptions, ConfTable, make_options

logger = logging.getLogger(__name__)

BATCH = 8  # pairs between two writings
REQUIRED = ("matches0", "matching_scores0", "features_crc")


@dataclass(frozen=True)
class MatchConf(CheckedOptions):
    """A conf of this step, as in hloc. Attributes: output: name of the file. model: matcher and options."""

    output: str
    model: Mapping[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        if "name" not in self.model:
            raise InputError("The matching conf's model has no 'name'.")

    def matcher(self) -> Matcher:
        """The matcher that the conf describes."""
        options = dict(self.model)
        return get_matcher(str(options.pop("name")), **options)


def get_conf(name: str, hloc: str = "hloc", **options: Any) -> dict[str, Any]:
    """The conf of a matcher by name.

    Args:
        name: of ours, a dotted path, or of hloc's ``match_features``.
        hloc: the hloc whose confs are meant where the name is not ours.
        options: changes to the matcher's options.

    Raises:
        InputError: an unknown name or option; the message lists the known ones.
    """
    matcher = get_matcher(name, hloc, **options)
    host = {} if name in MATCHERS.names else {"host": hloc}
    return {"output": f"matches-{matcher.tag()}", "model": {"name": name, **host, **options}}


def default_matcher(features: Path) -> str:
    """The name of the matcher that suits a features file: what the file says, else "nn-ratio".

    Raises:
        InputError: no such file.
    """
    with FeatureFile(Path(features)) as file:
        told = file.attributes.get(MATCHER_KEY)
    return str(told) if told in MATCHERS.names else "nn-ratio"


confs = ConfTable(MATCHERS, get_conf)  # as in hloc, by name


@dataclass(frozen=True)
class MatchReport:
    """What a run did.

    Attributes:
        path: the matches file.
        matched: pairs that were matched now.
        existing: pairs that were there, in either order.
        skipped: pair -> why it cannot be matched.
    """

    path: Path
    matched: int
    existing: int
    skipped: dict[Pair, str]


def main(
    conf: Mapping[str, Any] | Matcher,
    pairs: Path | Sequence[Pair],
    features: Path,
    matches: Path,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Match pairs of images by their features.

    Args:
        conf: as in ``confs``, or the matcher itself.
        pairs: hloc's pairs file, or the pairs.
        features: features file in hloc's layout.
        matches: the matches file. Pairs that it has in either order are not matched again.
        overwrite: throw away an existing file.
        progress: show a bar on stderr.

    Returns:
        The matches file. Pairs whose images have no usable features are missing from it and are named in a warning.

    Raises:
        InputError: wrong input, no pair that can be matched, names that the matches file cannot tell apart; or the
            file was made with another matcher or from other features.
    """
    return checked(match(conf, pairs, features, matches, overwrite, progress))


def checked(report: MatchReport) -> Path:
    """The matches file of a run; what could not be matched is named in a warning.

    Raises:
        InputError: no pair can be matched.
    """
    if report.skipped and not report.path.exists():
        raise InputError(
            f"None of the {len(report.skipped)} pairs can be matched: {next(iter(report.skipped.values()))}"
        )
    for reason, skipped in by_reason(report.skipped).items():
        logger.warning("%d pairs are not matched, e.g. %s: %s", len(skipped), " ".join(skipped[0]), reason)
    return report.path


def match(
    conf: Mapping[str, Any] | Matcher,
    pairs: Path | Sequence[Pair],
    features: Path,
    matches: Path,
    overwrite: bool = False,
    progress: bool = True,
) -> MatchReport:
    """The same as ``main``, with a report of what was done and skipped."""
    matcher = conf if isinstance(conf, Matcher) else make_options(MatchConf, conf, "the matching conf").matcher()
    wanted = list(read_pairs(pairs) if isinstance(pairs, Path) else pairs)
    check_distinct(wanted)
    with (
        StoredArrays(Path(features)) as stored,
        PairStore(Path(matches), origin_of(matcher, stored), REQUIRED, overwrite) as store,
    ):
        missing = stored.in_reading_order(store.missing(wanted))
        check_unchanged(Path(matches), wanted, stored)
        if missing:
            matcher.prepare(stored.attributes)
        skipped: dict[Pair, str] = {}
        with tqdm(total=len(wanted), initial=len(wanted) - len(missing), desc="matches", disable=not progress) as bar:
            for start in range(0, len(missing), BATCH):
                found: dict[str, dict[str, np.ndarray]] = {}
                for pair in missing[start : start + BATCH]:
                    try:
                        found[pair_key(*pair)] = _match(matcher, stored, pair)
                    except InputError as error:  # costs this pair only
                        skipped[pair] = str(error)
                    bar.update()
                store.add(found)
                release_free_memory()
        store.finish()
    return MatchReport(Path(matches), len(missing) - len(skipped), len(wanted) - len(missing), skipped)


def by_reason(skipped: Mapping[Pair, str]) -> dict[str, list[Pair]]:
    """Pairs by the reason why they were skipped: a missing image is missing in all of its pairs."""
    pairs: dict[str, list[Pair]] = {}
    for pair, reason in skipped.items():
        pairs.setdefault(reason, []).append(pair)
    return pairs


def _match(matcher: Matcher, stored: StoredArrays, pair: Pair) -> dict[str, np.ndarray]:
    matches0, scores0 = matcher.match(*(stored.read(name) for name in pair))
    return {
        "matches0": matches0.numpy().astype(np.int32),
        "matching_scores0": scores0.numpy().astype(np.float32),
        "features_crc": np.array([stored.checksum(name) for name in pair], dtype=np.uint32),
    }


def origin_of(matcher: Matcher, stored: StoredArrays) -> dict[str, Any]:
    """What decides the matches of a pair besides its features, as the file keeps it."""
    return {
        "matcher": matcher.name,
        **matcher.identity(),
        "features": origin_values(stored.attributes) or None,
    }


def check_unchanged(matches: Path, pairs: Sequence[Pair], stored: StoredArrays) -> None:
    """Refuse matches that were made from other features.

    Raises:
        InputError: they were; the message names a pair.
    """
    if not matches.exists():
        return
    with MatchFile(matches) as file:
        for pair in pairs:
            if pair not in file or not all(name in stored for name in pair):
                continue
            if file.features_checksums(*pair) != tuple(stored.checksum(name) for name in pair):
                raise InputError(
                    f"{matches} was made from other features (those of {' '.join(pair)} have changed); "
                    "choose another output or --overwrite it."
                )
