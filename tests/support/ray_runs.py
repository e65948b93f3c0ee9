"""A small Ray cluster on this machine, and steps that wait, so that workers and nodes can be killed in the middle."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mickey_hloc import estimate_poses
from mickey_hloc.engine import Engine
from mickey_hloc.features import Extractor, get_extractor
from mickey_hloc.matching import get_matcher
from support.own_parts import CornerExtractor, CornerOptions
from support.posed_scenes import Scene

GATED = "support.ray_runs:GatedCorners"
GATED_SIZE = (96, 96)  # of the images that wait for the gate


@dataclass(frozen=True)
class GateOptions(CornerOptions):
    """Attributes: gate: a file; small images wait until it is there."""

    gate: str = ""


class GatedCorners(CornerExtractor):
    """Corners, of small images not before a file is there: a run lasts as long as a test wants."""

    Options = GateOptions

    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        while images.shape[-2:] == GATED_SIZE and not Path(self.options.gate).exists():
            time.sleep(0.05)
        return super()._extract(images)


class KillingCorners(CornerExtractor):
    """Ends the process that runs it, as one without memory left does."""

    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        os.kill(os.getpid(), signal.SIGKILL)
        return super()._extract(images)


def extract_all(engine: Engine, images: Path, output: Path, extractor: Extractor | str = "sift", **how: Any) -> Path:
    """All images of a folder."""
    part = get_extractor(extractor) if isinstance(extractor, str) else extractor
    with engine:
        return engine.extract(part, images, output, progress=False, **how).path


def all_steps(engine: Engine, images: Path, scene: Scene, pairs: Sequence[tuple[str, str]], out: Path) -> list[Path]:
    """Features and matches of images, and poses of a scene."""
    with engine:
        features = engine.extract(get_extractor("sift"), images, out / "feats.h5", progress=False).path
        matches = engine.match(get_matcher("nn-mutual"), pairs, features, out / "matches.h5", progress=False).path
        files: Mapping[str, Any] = {"intrinsics": scene.intrinsics, "matches": scene.matches}
        conf = estimate_poses.get_conf("procrustes")
        how = {"features": scene.features, "output": out / "poses.txt", "progress": False}
        return [features, matches, engine.poses(conf, scene.pairs, **files, **how)]


@contextmanager
def two_nodes(cpus: int = 1) -> Iterator[Any]:
    """A cluster with a head without CPUs and two nodes; ray is connected to it."""
    os.environ.setdefault("RAY_worker_niceness", "0")  # else workers have the leftovers of a busy machine's time
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=cpus)
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """Run something in a thread beside the block, wait for its end, and raise what it raised."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        yield
        done.result()


def wait_for(log: Path, pattern: str, count: int = 1, seconds: float = 240) -> list[str]:
    """What a log has of a pattern, as soon as it has that often.

    Raises:
        TimeoutError: it never has.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = re.findall(pattern, log.read_text()) if log.is_file() else []
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{log} has '{pattern}' less than {count} times")


def busy_worker(log: Path, killed: Collection[int], seconds: float = 240) -> int:
    """The process of a worker that is at a shard now, and was not killed before.

    Raises:
        TimeoutError: there is none.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = log.read_text() if log.is_file() else ""
        done = set(re.findall(r"shard (\d+) done", text))
        begun = re.findall(r"shard (\d+) begun by .*\(process (\d+)\)", text)
        busy = [int(pid) for shard, pid in begun if shard not in done and int(pid) not in killed]
        if busy:
            return busy[-1]
        time.sleep(0.05)
    raise TimeoutError(f"{log} names no busy worker")


def wait_for_ends(log: Path, seconds: float = 120) -> None:
    """Until no worker that a log names is there any more: Ray ends those of a driver that was killed.

    Raises:
        TimeoutError: one still is.
    """
    pids, end = re.findall(r"worker .*\(process (\d+)\)", log.read_text()), time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > end:
            raise TimeoutError("workers of a killed driver go on")
        time.sleep(0.05)
