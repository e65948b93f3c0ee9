"""The steps on a Ray cluster: shards for workers, a merge at the end, and the bytes of one machine.

Shards grow in ``<output>.shards/``, each the resumable file of the step: a lost worker or node costs what it had under
way, and a run that was killed with its driver goes on when the same command is given again. The output is written when
all shards are done.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mickey_hloc import estimate_poses, extract_features, match_features, match_images
from mickey_hloc.engine.images import image_units, listed_images
from mickey_hloc.engine.jobs import ExtractJob, Job, MatchImagesJob, MatchJob, PoseJob, ShardResult
from mickey_hloc.engine.local import Engine
from mickey_hloc.engine.pool import RayPool
from mickey_hloc.engine.shards import Shard, ShardFolder, items_digest, split
from mickey_hloc.engine.store import Place, is_url
from mickey_hloc.errors import InputError
from mickey_hloc.extract_features import BATCH_SIZES, ExtractionReport
from mickey_hloc.features import Extractor
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.feature_store import FeatureStore
from mickey_hloc.io.matches import check_distinct, pair_key
from mickey_hloc.io.pair_store import PairStore
from mickey_hloc.io.pairs import Pair
from mickey_hloc.io.pose_journal import PoseJournal
from mickey_hloc.io.stored_arrays import StoredArrays
from mickey_hloc.match_features import MatchReport
from mickey_hloc.matching import Matcher
from mickey_hloc.pair_models import PairModel
from mickey_hloc.two_view.pose_run import PoseRun

SHARD_ITEMS = {"image": 256, "pair": 2048}  # at most, where no number of shards is asked for
SHARDS_A_WORKER = 4  # at least: few workers are idle while the last shards are made
Units = Sequence[Sequence[Any]]


class RayEngine(Engine):
    """Runs the steps on a Ray cluster; use it in a ``with`` block.

    Args:
        address: of the cluster, see ``RayPool``.
        shards: how many; default: by the number of workers and of images or pairs.
        store: where they are kept, a folder that all machines see or a URL; default: beside the output.
    """

    def __init__(self, address: str | None = None, shards: int | None = None, store: Place | None = None) -> None:
        if shards is not None and shards < 1:
            raise InputError(f"The number of shards is {shards}; it is at least 1.")
        self.shards, self.store = shards, store
        self._pool = RayPool(address)

    def __exit__(self, *exc: object) -> None:
        self._pool.close()

    def extract(
        self,
        extractor: Extractor,
        images: Place,
        features: Path,
        as_half: bool = True,
        image_list: Path | Sequence[str | Path] | None = None,
        overwrite: bool = False,
        batch_size: int | None = None,
        num_workers: int = 4,
        progress: bool = True,
        cameras: Cameras | None = None,
    ) -> ExtractionReport:
        """See ``extract_features.extract``. ``images`` may be a folder of an object store."""
        gpus = int(self._pool.has_gpus() and str(getattr(extractor.options, "device", None)) != "cpu")
        batch_size = BATCH_SIZES["cuda" if gpus else "cpu"] if batch_size is None else batch_size
        together = batch_size if gpus else 1
        names, depth_images = listed_images(images, extractor, image_list)
        images = images if isinstance(images, str) else images.absolute()
        origin = extract_features.origin_of(extractor, as_half, together)
        with FeatureStore(features, origin, extractor.datasets, extractor.attributes, overwrite) as stored:
            existing = stored.done & set(names)
            if isinstance(images, Path):
                extract_features.check_images(stored, images, existing)

            def missing() -> Units:
                return image_units(images, names, stored.done, extractor, together, cameras)

            how = {"as_half": as_half, "batch_size": batch_size, "num_workers": num_workers, "cameras": cameras}
            job = ExtractJob(extractor.copy(), images, how, is_url(images) and image_list is None)
            results = self._fill(stored, missing, job, len(names), gpus, progress)
            extracted = len(stored.done & set(names)) - len(existing)
        skipped = {name: why for result in results for name, why in result.skipped.items() if name not in existing}
        depth_images += [name for result in results for name in result.left_out]
        return ExtractionReport(features, extracted, len(existing), skipped, sorted(depth_images))

    def match(
        self,
        matcher: Matcher,
        pairs: Sequence[Pair],
        features: Path,
        matches: Path,
        overwrite: bool = False,
        progress: bool = True,
    ) -> MatchReport:
        """See ``match_features.match``."""
        check_distinct(pairs)
        required = match_features.REQUIRED
        with StoredArrays(features) as arrays:
            origin = match_features.origin_of(matcher, arrays)
            with PairStore(matches, origin, required, overwrite) as stored:
                count = len(stored.missing(pairs))
                match_features.check_unchanged(matches, pairs, arrays)
                job = MatchJob(matcher.copy(), features)
                results = self._fill(stored, partial(_pair_units, stored, pairs), job, len(pairs), 0, progress)
        skipped = {pair: why for result in results for pair, why in result.skipped.items()}
        return MatchReport(matches, count - len(skipped), len(pairs) - count, skipped)

    def match_images(
        self,
        model: PairModel,
        pairs: Sequence[Pair],
        images: Path,
        correspondences: Path,
        overwrite: bool = False,
        progress: bool = True,
        cameras: Cameras | None = None,
    ) -> Path:
        """See ``match_images.main``."""
        check_distinct(pairs)
        gpus = int(self._pool.has_gpus())
        unreadable: dict[str, int] = {}
        with PairStore(correspondences, match_images.origin_of(model), match_images.REQUIRED, overwrite) as stored:
            match_images.missing_pairs(stored, model, pairs, images, cameras)
            job = MatchImagesJob(model.copy(), images.absolute(), cameras)
            for result in self._fill(stored, partial(_pair_units, stored, pairs), job, len(pairs), gpus, progress):
                for reason, count in result.skipped.items():
                    unreadable[reason] = unreadable.get(reason, 0) + count
        return match_images.checked(correspondences, unreadable)

    def poses(self, conf: Mapping[str, Any], pairs: Path, **how: Any) -> Path:
        """See ``estimate_poses.main``."""
        solve = partial(self._solve, batch_size=how.get("batch_size", 32), progress=how.get("progress", True))
        return estimate_poses.main(conf, pairs, **how, solve=solve)

    def _fill(
        self,
        stored: FeatureStore,
        missing: Callable[[], Units],
        job: Job,
        total: int,
        gpus: int,
        progress: bool,
    ) -> list[ShardResult]:
        """Bring what is missing into an HDF5 output by shards."""

        def collect(place: ShardFolder, shards: Sequence[Shard[Any]]) -> None:
            with tempfile.TemporaryDirectory(dir=stored.path.absolute().parent, prefix=".shards-") as scratch:
                files = [shard.name + job.kept for shard in shards]
                stored.adopt([place.store.local(f, Path(scratch)) for f in files if place.store.has(f)])
                stored.finish()

        place = ShardFolder(stored.path, self.store)
        if stored.overwrite:
            place.remove()
        with self._planned(place, missing, collect, job.unit) as shards:
            done = total - sum(len(shard.items) for shard in shards)
            results = self._run(job, shards, place, gpus, tqdm(total=total, initial=done, disable=not progress))
            collect(place, shards)
        return results

    def _solve(self, run: PoseRun, pairs: Sequence[Pair], batch_size: int, progress: bool) -> dict[Pair, RelativePose]:
        """Solve pairs by shards and store their results in the run's journal; those without input are returned."""

        def collect(place: ShardFolder, shards: Sequence[Shard[Any]]) -> None:
            with tempfile.TemporaryDirectory(prefix="mickey-hloc-") as scratch:
                for shard in shards:
                    if place.store.has(shard.name + job.kept):
                        path = place.store.local(shard.name + job.kept, Path(scratch))
                        with PoseJournal(path.with_name(shard.name + job.end), run.journal.origin) as journal:
                            run.journal.absorb(journal)

        def missing() -> Units:
            return [[pair] for pair in pairs if pair not in run.journal.reasons or pair in again]

        again = {pair for pair in pairs if pair in run.journal.reasons}  # without input in an earlier run
        place = ShardFolder(run.journal.path, self.store)
        if run.journal.overwrite:
            place.remove()
        job = PoseJob(run.inputs.conf, dict(vars(run.files)), batch_size)
        gpus = int(run.files.device != "cpu")
        with self._planned(place, missing, collect, job.unit) as shards:
            bar = tqdm(total=sum(len(shard.items) for shard in shards), disable=not progress)
            results = self._run(job, shards, place, gpus, bar)
            collect(place, shards)
        return {pair: pose for result in results for pair, pose in result.skipped.items()}

    @contextmanager
    def _planned(
        self,
        place: ShardFolder,
        missing: Callable[[], Units],
        collect: Callable[[ShardFolder, Sequence[Shard[Any]]], None],
        unit: str,
    ) -> Iterator[list[Shard[Any]]]:
        """The shards of what is missing, as an earlier run planned them if it did; removed when all went well."""
        units, old = missing(), place.old_plan()
        digest = items_digest(item for unit_ in units for item in unit_)
        if old is not None and old[1] != digest:  # of other images or pairs: their results are kept
            collect(place, [Shard(number, ()) for number in range(old[0])])
            place.store.remove()
            units, old = missing(), None
            digest = items_digest(item for unit_ in units for item in unit_)
        count = self._count(units, unit) if old is None else old[0]
        if old is not None and self.shards not in (None, count):
            print(f"note: going on with the {count} shards of the run before", file=sys.stderr)
        shards = split(units, count) if units else []
        place.write_plan(count, digest)
        place.log(f"{len(shards)} shards of {sum(map(len, units))} {unit}s")
        yield shards
        place.remove()

    def _count(self, units: Units, unit: str) -> int:
        if self.shards is not None:
            return self.shards
        items = sum(len(u) for u in units)
        return max(SHARDS_A_WORKER * self._pool.slots(), -(-items // SHARD_ITEMS[unit]))

    def _run(
        self, job: Job, shards: Sequence[Shard[Any]], place: ShardFolder, gpus: int, bar: tqdm[Any]
    ) -> list[ShardResult]:
        """Have the workers make the shards; progress is shown, and what happens is in the shards' log."""
        job.store = place.store
        job.publish()
        results = []
        with bar:
            bar.set_description(job.title)
            for shard, result in self._pool.run(job, shards, gpus, place.log) if shards else ():
                results.append(result)
                bar.update(len(shard.items))
        return results


def _pair_units(stored: PairStore, pairs: Sequence[Pair]) -> Units:
    """The pairs that are missing, in the order in which the file has them: the merge then reads file after file."""
    return [[pair] for pair in sorted(stored.missing(pairs), key=lambda pair: pair_key(*pair))]
