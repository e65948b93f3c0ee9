"""What a worker does with a shard: the step itself, on the shard's images or pairs and its file."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from mickey_hloc import extract_features, match_features, match_images
from mickey_hloc.engine.shards import Shard
from mickey_hloc.engine.store import Place, Store, fetched, file_system
from mickey_hloc.errors import InputError
from mickey_hloc.features import Extractor
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.image_batches import check_inside
from mickey_hloc.io.images import is_depth_image
from mickey_hloc.io.pairs import Pair
from mickey_hloc.matching import Matcher
from mickey_hloc.pair_models import PairModel
from mickey_hloc.two_view.pose_run import PoseConf, PoseFiles, PoseRun


@dataclass(frozen=True)
class ShardResult:
    """What a worker reports of a shard.

    Attributes:
        done: images or pairs that have their result.
        skipped: why others have none, by image, pair or reason.
        left_out: depth images among the photos.
    """

    done: int
    skipped: dict[Any, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


class Job(ABC):
    """A step on shards. Workers keep it, with the network that it loads, from shard to shard."""

    title: ClassVar[str]
    unit: ClassVar[str]
    end: ClassVar[str] = ".h5"  # of a shard's file
    kept: ClassVar[str] = ".h5"  # of the file that holds its work
    store: Store  # set when the run begins

    def publish(self) -> None:
        """Make the inputs of this machine readable for workers; nothing to do where they are in a shared folder."""
        return

    @abstractmethod
    def run(self, shard: Shard[Any]) -> ShardResult:
        """Make what is missing in the shard's file, or check what is there."""


@dataclass
class ExtractJob(Job):
    """Features of images. ``photos_only``: depth images among them are left out; else the list is of a user."""

    title, unit = "features", "image"
    extractor: Extractor
    images: Place
    how: dict[str, Any]
    photos_only: bool = False

    def run(self, shard: Shard[str]) -> ShardResult:
        with self.store.working(shard.name + self.end, shard.name + self.kept) as path:
            if isinstance(self.images, Path):
                return self._extract(self.images, shard.items, path)
            with tempfile.TemporaryDirectory(prefix="mickey-hloc-images-") as folder:
                _fetch_images(self.images, shard.items, Path(folder))
                return self._extract(Path(folder), shard.items, path)

    def _extract(self, images: Path, names: Sequence[str], path: Path) -> ShardResult:
        left_out = [name for name in names if is_depth_image(images / name)] if self.photos_only else []
        names = [name for name in names if name not in set(left_out)]
        if not names:
            return ShardResult(0, left_out=left_out)
        report = extract_features.extract(self.extractor, images, path, image_list=names, progress=False, **self.how)
        return ShardResult(report.extracted + report.existing, report.skipped, left_out)


def _fetch_images(url: str, names: Sequence[str], folder: Path) -> None:
    """Fetch images of an object store into a folder, under their names."""
    check_inside(folder, names)
    fs, root = file_system(url)

    def fetch(name: str) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            fs.get_file(f"{root}/{name}", str(target))
        except FileNotFoundError:
            raise InputError(f"No image '{name}' in {url}, but the list of images has it.") from None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, names))


@dataclass
class MatchJob(Job):
    """Matches of pairs from a features file."""

    title, unit = "matches", "pair"
    matcher: Matcher
    features: Place

    def publish(self) -> None:
        self.features = self.store.publish(self.features)

    def run(self, shard: Shard[Pair]) -> ShardResult:
        features = fetched(self.features)
        with self.store.working(shard.name + self.end, shard.name + self.kept) as path:
            report = match_features.match(self.matcher, list(shard.items), features, path, progress=False)
        return ShardResult(report.matched + report.existing, report.skipped)


@dataclass
class MatchImagesJob(Job):
    """Correspondences of pairs of images by a pair model."""

    title, unit = "matches", "pair"
    model: PairModel
    images: Path
    cameras: Cameras | None

    def run(self, shard: Shard[Pair]) -> ShardResult:
        with self.store.working(shard.name + self.end, shard.name + self.kept) as path:
            unreadable = match_images.match(
                self.model, list(shard.items), self.images, path, progress=False, cameras=self.cameras
            )
        return ShardResult(len(shard.items) - sum(unreadable.values()), unreadable)


@dataclass
class PoseJob(Job):
    """Poses of pairs, as a journal."""

    title, unit = "poses", "pair"
    end, kept = ".txt", ".txt.journal"
    conf: PoseConf
    files: dict[str, Any]
    batch_size: int

    def publish(self) -> None:
        given = self.files["intrinsics"]
        intrinsics = list(given) if isinstance(given, (list, tuple)) else [given]
        kept = {key: self.files[key] for key in ("features", "features_ref", "matches")}
        self.files |= {key: None if place is None else self.store.publish(place) for key, place in kept.items()}
        if not isinstance(given, Cameras):
            self.files["intrinsics"] = [self.store.publish(place) for place in intrinsics]
        if self.files["image_dir"] is not None:
            self.files["image_dir"] = Path(self.files["image_dir"]).absolute()

    @cached_property
    def _files(self) -> PoseFiles:
        """The inputs, fetched once a worker."""
        places = dict(self.files)
        for key in ("features", "features_ref", "matches"):
            places[key] = None if places[key] is None else fetched(places[key])
        if not isinstance(places["intrinsics"], Cameras):
            places["intrinsics"] = [fetched(place) for place in places["intrinsics"]]
        return PoseFiles(**places)

    def run(self, shard: Shard[Pair]) -> ShardResult:
        pairs = list(shard.items)
        with (
            self.store.working(shard.name + self.end, shard.name + self.kept) as path,
            PoseRun(self.conf, self._files, path) as run,
        ):
            unusable: dict[Pair, RelativePose] = run.solve(run.missing(pairs), self.batch_size, 1, _nothing)
        return ShardResult(len(pairs) - len(unusable), unusable)


def _nothing(count: int) -> None:
    """No bar on a worker."""
