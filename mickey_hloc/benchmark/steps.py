"""The steps of a method on a task. Each makes what is missing: features once a feature, matches once a matcher, ..."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mickey_hloc import estimate_poses, match_features
from mickey_hloc.benchmark.task import PoseTask
from mickey_hloc.depth import sample_depths
from mickey_hloc.depth.sources import get_depth_source
from mickey_hloc.features import Extractor
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Camera, Cameras
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.io.pair_keypoints import as_features_and_matches
from mickey_hloc.io.pairs import Pair, write_pairs
from mickey_hloc.solvers import PoseProblem
from mickey_hloc.two_view.method import Parts

logger = logging.getLogger(__name__)


def run_method(task: PoseTask, parts: Parts) -> dict[str, Path]:
    """Estimate the poses of all pairs.

    Returns:
        A poses file for each part of the task.

    Raises:
        InputError: see the steps; or what is there was made from other images, with other settings or weights.
    """
    task.check_images()
    for extractor in (parts.extractor, parts.depth_extractor):
        if extractor is not None:
            make_features(task, extractor)
    if not parts.on_descriptors:
        make_matches(task, parts)
    make_depths(task, parts)
    return make_poses(task, parts)


def features_path(task: PoseTask, extractor: Extractor) -> Path:
    """The features file of an extractor."""
    return task.outputs / f"feats-{extractor.tag()}.h5"


def make_features(task: PoseTask, extractor: Extractor) -> Path:
    """Images -> features file."""
    cameras = _cameras(task)
    report = task.engine.extract(
        extractor.copy(),
        task.images,
        features_path(task, extractor),
        image_list=task.names,
        overwrite=task.overwrite,
        num_workers=task.workers,
        progress=task.progress,
        cameras=cameras,
    )
    if report.skipped:
        logger.warning("%s", report.summary())
    return report.path


def matches_path(task: PoseTask, parts: Parts) -> Path:
    """The matches file of a matcher on its features, or the correspondences of a pair model."""
    if parts.pair_model is not None:
        return task.outputs / f"matches-{parts.pair_model.tag()}.h5"
    assert parts.extractor is not None
    assert parts.matcher is not None
    return task.outputs / f"feats-{parts.extractor.tag()}_matches-{parts.matcher.tag()}.h5"


def make_matches(task: PoseTask, parts: Parts) -> Path:
    """Features or images -> matches file."""
    path, how = matches_path(task, parts), {"overwrite": task.overwrite, "progress": task.progress}
    if parts.pair_model is not None:
        cameras = _cameras(task)
        pair_model = parts.pair_model.copy()
        return task.engine.match_images(pair_model, task.pairs, task.images, path, **how, cameras=cameras)
    assert parts.extractor is not None
    assert parts.matcher is not None
    features = features_path(task, parts.extractor)
    return match_features.checked(task.engine.match(parts.matcher.copy(), task.pairs, features, path, **how))


def part_files(task: PoseTask, parts: Parts, part: str) -> tuple[Path, Path | None]:
    """Features and matches of a part: the common ones, or made from correspondences, whose keypoints are of pairs."""
    if parts.extractor is not None:
        matches = None if parts.on_descriptors else matches_path(task, parts)
        return features_path(task, parts.extractor), matches
    correspondences = matches_path(task, parts)
    folder = correspondences.with_suffix("")
    features, matches = folder / f"{part}-features.h5", folder / f"{part}-matches.h5"
    return as_features_and_matches(correspondences, task.parts[part], features, matches)


def needs_sampling(parts: Parts) -> bool:
    """Whether depth is sampled at keypoints beforehand, once for all solvers."""
    return parts.depth is not None and not parts.solver.uses_depth_maps and not parts.on_descriptors


def depths_path(task: PoseTask, parts: Parts, features: Path) -> Path:
    """The file with the depths at the keypoints of a features file."""
    return features.with_name(f"{features.stem}_depth-{parts.depth_tag}.h5")


def make_depths(task: PoseTask, parts: Parts) -> list[Path]:
    """Features -> files with the depth at their keypoints: one, or one a part for pair models."""
    if not needs_sampling(parts):
        return []
    assert parts.depth is not None
    mickey = None if parts.depth_extractor is None else features_path(task, parts.depth_extractor)
    made = []
    for features in dict.fromkeys(part_files(task, parts, part)[0] for part in task.parts):
        source = get_depth_source(
            parts.depth,
            image_dir=task.images,
            features=mickey or features,
            cameras=_cameras(task),
            **parts.method.depth_options,
        )
        output = depths_path(task, parts, features)
        made.append(
            sample_depths.main(
                features, source, output, names=task.names, overwrite=task.overwrite, progress=task.progress
            )
        )
    return made


def pose_conf(task: PoseTask, parts: Parts, part: str) -> dict[str, Any]:
    """The conf of ``estimate_poses`` for a method."""
    conf: dict[str, Any] = {
        "output": part,
        "solver": {"name": parts.solver.name, **parts.method.solver_options},
        "correspondences": "descriptors" if parts.on_descriptors else "matches",
        "focal_correction": parts.method.focal_correction,
        "accept": parts.method.accept,
        "accept_options": dict(parts.method.accept_options),
        "calibration": parts.method.calibration,
        "family": parts.family,
        "seed": parts.method.seed,
    }
    if parts.depth is not None and not needs_sampling(parts):
        conf |= {"depth": parts.depth, "depth_options": dict(parts.method.depth_options)}
        if parts.depth_extractor is not None:
            conf["depth"] = f"mickey:{features_path(task, parts.depth_extractor)}"
    return conf


def make_poses(task: PoseTask, parts: Parts) -> dict[str, Path]:
    """Features, matches and depths -> a poses file a part."""
    folder = task.outputs / f"poses-{task.kind}" / parts.name
    done = {}
    for part, pairs in task.parts.items():
        done[part] = task.engine.poses(
            pose_conf(task, parts, part),
            write_pairs(task.outputs / f"pairs-{task.kind}" / f"{part}.txt", pairs),
            **_inputs(task, parts, part),
            export_dir=folder,
            overwrite=task.overwrite,
            num_workers=task.workers,
            progress=task.progress,
        )
    return done


def solve_again(
    task: PoseTask, parts: Parts, pairs: Sequence[Pair]
) -> Iterator[tuple[Pair, PoseProblem, RelativePose]]:
    """The problems and poses of some pairs once more, after ``run_method``, for pictures of them."""
    for part, of_part in task.parts.items():
        chosen = [pair for pair in dict.fromkeys(pairs) if pair in set(of_part)]
        if chosen:
            yield from estimate_poses.solve_again(pose_conf(task, parts, part), chosen, **_inputs(task, parts, part))


def _inputs(task: PoseTask, parts: Parts, part: str) -> dict[str, Any]:
    """The files that the poses of a part are made from."""
    features, matches = part_files(task, parts, part)
    return {
        "features": depths_path(task, parts, features) if needs_sampling(parts) else features,
        "intrinsics": write_intrinsics(task.outputs / "intrinsics" / f"{part}.txt", _cameras_of(task, part)),
        "matches": matches,
        "image_dir": task.images,
        "device": task.device,
    }


def _cameras(task: PoseTask) -> Cameras:
    return Cameras({name: Camera(K) for name, K in task.cameras.items()}, task.images)


def _cameras_of(task: PoseTask, part: str) -> Iterable[tuple[str, Intrinsics]]:
    names = dict.fromkeys(name for pair in task.parts[part] for name in pair)
    return [(name, task.cameras[name]) for name in names]


def write_intrinsics(path: Path, cameras: Iterable[tuple[str, Intrinsics]]) -> Path:
    """Lines ``name fx fy cx cy w h``, read back bit for bit."""
    lines = []
    for name, camera in cameras:
        K = camera.K
        values = " ".join(repr(float(value)) for value in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
        lines.append(f"{name} {values} {camera.width} {camera.height}\n")
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    return path
