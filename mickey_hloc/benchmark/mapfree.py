"""Map-free, or a folder laid out like it: the pairs of a split, and the score of their poses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mickey_hloc.benchmark.task import PoseTask
from mickey_hloc.datasets.mapfree import REFERENCE, MapFreeScene, find_scenes, read_scene
from mickey_hloc.datasets.tracks import Track
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.assembly import FusionOptions, assemble
from mickey_hloc.evaluation.mapfree import SceneResult, evaluate_submission
from mickey_hloc.evaluation.submission import write_submission
from mickey_hloc.io.poses import read_all_poses


@dataclass(frozen=True, eq=False)
class MapFreeRun:
    """A split, or a part of it, as a task. Attributes: dataset, split, track, scenes: see ``mapfree_run``."""

    dataset: Path
    split: str
    track: Track
    scenes: tuple[MapFreeScene, ...]
    task: PoseTask

    @property
    def has_truth(self) -> bool:
        """Whether there are true poses to score with (those of test are withheld)."""
        return all(any(pose is not None for pose in list(scene.poses.values())[1:]) for scene in self.scenes)


def mapfree_run(
    dataset: Path, split: str, track: Track, scenes: Iterable[str] | None, outputs: Path, **options: Any
) -> MapFreeRun:
    """The pairs of the reference and each query: in the multi-frame track of all frames of the queries' windows.

    Args:
        dataset: the folder with the splits in it.
        track: which queries.
        scenes: only these of the split.
        outputs: the folder of everything that is made; what is made of one split does not fit another.
        options: further fields of PoseTask.

    Raises:
        InputError: no such folder or scene, or broken files in it.
    """
    found = tuple(read_scene(path) for path in find_scenes(dataset, split, scenes))
    parts, cameras = {}, {}
    for scene in found:
        if track == "multi9":
            scene.device_poses()  # what fuses the frames is missed here, before the long work
        prefix = f"{scene.name}/"
        parts[scene.name] = [(prefix + REFERENCE, prefix + frame) for frame in _frames(scene, track)]
        cameras.update({prefix + frame: intrinsics for frame, intrinsics in scene.intrinsics.items()})
    task = PoseTask(Path(dataset) / split, cameras, parts, Path(outputs) / split, kind=track, **options)
    return MapFreeRun(Path(dataset), split, track, found, task)


def _frames(scene: MapFreeScene, track: Track) -> list[str]:
    queries = scene.queries(track)
    if track != "multi9":
        return queries
    return sorted({frame for query in queries for frame in scene.window(query)})


def submission(
    run: MapFreeRun, poses: Mapping[str, Path], path: Path, fusion: FusionOptions | None = None
) -> tuple[Path, int, int]:
    """Write the submission zip of a run's poses.

    Args:
        poses: poses files by scene.
        path: the zip.

    Returns:
        The zip, and the numbers of scored queries with and without a pose.

    Raises:
        InputError: no query has a pose; nothing is written then.
    """
    estimated = read_all_poses(poses)
    assembled = assemble(estimated, run.scenes, run.track, fusion=fusion)
    count = sum(map(len, assembled.estimates.values()))
    failed = assembled.failed + assembled.absent
    if count == 0:
        raise InputError(f"None of {len(failed)} scored queries has a pose, e.g. {failed[0]}.")
    return write_submission(path, assembled.estimates), count, len(failed)


def score(run: MapFreeRun, zip_path: Path) -> list[SceneResult]:
    """Score a submission on the run's scenes as the benchmark does.

    Raises:
        InputError: the zip cannot be used.
    """
    return evaluate_submission(zip_path, run.dataset, run.split, run.track, [scene.name for scene in run.scenes])
