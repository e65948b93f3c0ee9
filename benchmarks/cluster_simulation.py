"""Where the coordinator of a large run has its limits: Ray with stub models of a given cost, and files of real sizes.

    python benchmarks/cluster_simulation.py                     # every row, about six minutes on two cores
    python benchmarks/cluster_simulation.py --rows schedule --workers 16 --speedup 200

Rows: ``pairs`` reads a pairs file, ``schedule`` has stub workers take shards of images and pairs, ``merge`` joins
shards of features and of matches, ``files`` opens files with many groups, ``poses`` joins journals of poses. Each runs
in a process of its own, whose peak memory is printed with it. Needs the extra ``ray`` for ``schedule``.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mickey_hloc.engine.jobs import Job, ShardResult
from mickey_hloc.engine.shards import Shard, ShardFolder, items_digest, split
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.feature_store import FeatureStore
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import pair_key
from mickey_hloc.io.pair_store import PairStore
from mickey_hloc.io.pairs import read_pairs
from mickey_hloc.io.pose_journal import PoseJournal

ROWS = ("pairs", "schedule", "merge", "files", "poses")
KEYPOINTS, CHANNELS = 1200, 128  # of an image of the bundled model


@dataclass
class StubJob(Job):
    """Takes as long as a model would, without computing."""

    title, unit = "stub", "item"
    seconds_an_item: float

    def run(self, shard: Shard[Any]) -> ShardResult:
        time.sleep(self.seconds_an_item * len(shard.items))
        return ShardResult(len(shard.items))


def main() -> None:
    """Run every row in its own process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=16, help="stub workers (default: %(default)s)")
    parser.add_argument("--image-ms", type=float, default=100.0, help="cost of an image (default: %(default)s)")
    parser.add_argument("--pair-ms", type=float, default=100.0, help="cost of a pair (default: %(default)s)")
    parser.add_argument("--speedup", type=float, default=400.0, help="stubs are faster by this (default: %(default)s)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.child:
        for row in args.rows:
            rest = [word for word in sys.argv[1:] if word not in (*ROWS, "--rows")]
            subprocess.run([sys.executable, __file__, "--rows", row, "--child", *rest], check=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        globals()[args.rows[0]](args, Path(folder))


@contextmanager
def measured(what: str, count: int) -> Iterator[None]:
    """Print time, time an item and the process's peak memory."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = f"{1e6 * cpu / count:.1f} us of CPU each"
    print(f"{what}: {count}, {wall:.1f} s, {cpu:.1f} s of CPU, {each}, peak {peak:.0f} MiB", flush=True)


def names(count: int) -> list[str]:
    """Names of images in folders of a thousand."""
    return [f"part{i // 1000:04d}/image_{i:07d}.jpg" for i in range(count)]


def near_pairs(count: int, images: list[str]) -> list[tuple[str, str]]:
    """Each image with the next ones, as retrieval gives them."""
    each = -(-count // len(images))
    return [(name, images[(i + j) % len(images)]) for i, name in enumerate(images) for j in range(1, each + 1)][:count]


def pairs(args: argparse.Namespace, folder: Path) -> None:
    """Reading a pairs file, and planning its shards."""
    listed = near_pairs(args.pairs, names(args.images))
    (folder / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in listed))
    del listed
    with measured("pairs file read", args.pairs):
        read = read_pairs(folder / "pairs.txt")
    with measured("shards planned", args.pairs):
        items_digest(read)
        split([[pair] for pair in read], -(-len(read) // 2048))


def schedule(args: argparse.Namespace, folder: Path) -> None:
    """Stub workers on a real Ray."""
    import ray

    from mickey_hloc.engine.pool import RayPool

    ray.init(num_cpus=args.workers, log_to_driver=False, logging_level="ERROR")
    pool, place = RayPool(), ShardFolder(folder / "out.h5")
    images = names(args.images)
    work = (
        ("images", [[name] for name in images], 256, args.image_ms),
        ("pairs", [[pair] for pair in near_pairs(args.pairs, images)], 2048, args.pair_ms),
        ("pairs", [[pair] for pair in near_pairs(args.pairs // 10, images)], 16, 0.0),
    )
    with measured("workers started", args.workers):
        list(pool.run(_stub(place, 0.5), split([[i] for i in range(args.workers)], args.workers), 0, place.log))
    for what, units, size, milliseconds in work:
        shards = split(units, -(-len(units) // size))
        job = _stub(place, milliseconds / 1000 / args.speedup)
        ideal = len(units) * milliseconds / 1000 / args.speedup / args.workers
        start = time.perf_counter()
        with measured(f"{what} in shards of {size}, {milliseconds:g} ms each", len(shards)):
            assert sum(result.done for _, result in pool.run(job, shards, 0, place.log)) == len(units)
        wall = time.perf_counter() - start
        print(f"  {ideal:.1f} s are the stubs' own; {1e3 * (wall - ideal) / len(shards):.2f} ms a shard beyond them")
    pool.close()
    ray.shutdown()


def _stub(place: ShardFolder, seconds: float) -> StubJob:
    job = StubJob(seconds)
    job.store = place.store
    return job


def merge(args: argparse.Namespace, folder: Path) -> None:
    """Joining shards of features and of matches of real sizes."""
    random = np.random.default_rng(0)
    features = {
        "keypoints": random.random((KEYPOINTS, 2)).astype(np.float32),
        "descriptors": random.random((CHANNELS, KEYPOINTS)).astype(np.float16),
        "keypoint_scores": random.random(KEYPOINTS).astype(np.float32),
        "depths": random.random(KEYPOINTS).astype(np.float32),
        "image_size": np.array([640, 480]),
    }
    matches = {
        "matches0": np.arange(KEYPOINTS, dtype=np.int32),
        "matching_scores0": random.random(KEYPOINTS).astype(np.float32),
        "features_crc": np.zeros(2, dtype=np.uint32),
    }
    listed = [pair_key(*pair) for pair in near_pairs(20_000, names(2000))]
    for what, keys, arrays, kind in (
        ("images", names(2000), features, FeatureStore),
        ("pairs", listed, matches, PairStore),
    ):
        size = len(keys) // 8
        shards = []
        for i in range(8):
            shards.append(folder / f"{what}{i}.h5")
            with kind(shards[-1], {"by": "stub"}, tuple(arrays)) as store:
                store.add(dict.fromkeys(keys[i * size : (i + 1) * size], arrays))
                store.finish()
        megabytes = sum(shard.stat().st_size for shard in shards) / 1e6
        path = folder / f"{what}.h5"
        with (
            measured(f"{what} merged from 8 shards, {megabytes:.0f} MB", len(keys)),
            kind(path, {"by": "stub"}, tuple(arrays)) as store,
        ):
            store.adopt(shards)
            store.finish()


def files(args: argparse.Namespace, folder: Path) -> None:
    """Opening a features file with many images, and finding some in it."""
    tiny = {"keypoints": np.zeros((1, 2), np.float32), "image_size": np.array([640, 480])}
    for count in (args.images // 100, args.images // 10, args.images // 2):
        path, keys = folder / f"{count}.h5", names(count)
        with FeatureStore(path, {"by": "stub"}, ()) as store:
            store.add(dict.fromkeys(keys, tiny))
            store.finish()
        with measured(f"file of {count} images opened, one read", 1), FeatureFile(path) as file:
            file.read(keys[count // 2])
        with measured("  its images listed", count), FeatureFile(path) as file:
            file.names()
        with measured("  opened to go on writing", count), FeatureStore(path, {"by": "stub"}, ()):
            pass


def poses(args: argparse.Namespace, folder: Path) -> None:
    """Joining journals of poses."""
    listed = near_pairs(args.pairs // 5, names(args.images))
    shards = split([[pair] for pair in listed], -(-len(listed) // 2048))
    failure = RelativePose.failure("stub")
    for shard in shards:
        with PoseJournal(folder / f"{shard.name}.txt", '{"by": "stub"}') as journal:
            journal.add(dict.fromkeys(shard.items, failure), dict.fromkeys(shard.items, "0" * 64))
    with (
        measured(f"poses of {len(shards)} shards joined", len(listed)),
        PoseJournal(folder / "poses.txt", '{"by": "stub"}') as whole,
    ):
        for shard in shards:
            with PoseJournal(folder / f"{shard.name}.txt", '{"by": "stub"}') as journal:
                whole.absorb(journal)
        whole.finish(listed)


if __name__ == "__main__":
    main()
