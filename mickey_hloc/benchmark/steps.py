"""The steps of a plan. Each makes what is missing: features once a feature, matches once a matcher, and so on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mickey_hloc import estimate_poses, extract_features, match_features, match_images
from mickey_hloc.benchmark.methods import Plan
from mickey_hloc.benchmark.task import PoseTask
from mickey_hloc.depth import sample_depths
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.intrinsics import Intrinsics
from mickey_hloc.io.pair_keypoints import as_features_and_matches
from mickey_hloc.io.pairs import write_pairs

logger = logging.getLogger(__name__)


def run_plan(task: PoseTask, plan: Plan) -> dict[str, Path]:
    """Estimate the poses of all pairs.

    Returns:
        A poses file a part.

    Raises:
        InputError: see the steps; or what is there was made from other images, with other settings or weights.
    """
    task.check_images()
    for conf in (plan.feature, plan.depth_feature):
        if conf is not None:
            make_features(task, conf)
    if plan.matching is not None:
        make_matches(task, plan)
    make_depths(task, plan)
    return make_poses(task, plan)


def features_path(task: PoseTask, conf: Mapping[str, Any]) -> Path:
    """The features file of a feature."""
    return task.outputs / f"{conf['output']}.h5"


def make_features(task: PoseTask, conf: Mapping[str, Any]) -> Path:
    """Images -> features file."""
    report = extract_features.extract(
        conf,
        task.images,
        features_path(task, conf),
        image_list=task.names,
        overwrite=task.overwrite,
        num_workers=task.workers,
        progress=task.progress,
    )
    if report.skipped:
        logger.warning("%s", report.summary())
    return report.path


def matches_path(task: PoseTask, plan: Plan) -> Path:
    """The matches file of a matcher on its features, or its correspondences on images."""
    assert plan.matching is not None
    output = plan.matching.conf["output"]
    return task.outputs / (f"{output}.h5" if plan.feature is None else f"{plan.feature['output']}_{output}.h5")


def make_matches(task: PoseTask, plan: Plan) -> Path:
    """Features or images -> matches file."""
    assert plan.matching is not None
    path = matches_path(task, plan)
    if plan.matching.on_images:
        return match_images.main(
            plan.matching.conf, task.pairs, task.images, path, overwrite=task.overwrite, progress=task.progress
        )
    assert plan.feature is not None
    return match_features.main(
        plan.matching.conf, task.pairs, features_path(task, plan.feature), path, task.overwrite, task.progress
    )


def part_files(task: PoseTask, plan: Plan, part: str) -> tuple[Path, Path | None]:
    """Features and matches of a part: the common ones, or made from correspondences, whose keypoints are of pairs."""
    if plan.feature is not None:
        matches = None if plan.matching is None else matches_path(task, plan)
        return features_path(task, plan.feature), matches
    correspondences = matches_path(task, plan)
    folder = correspondences.with_suffix("")
    features, matches = folder / f"{part}-features.h5", folder / f"{part}-matches.h5"
    return as_features_and_matches(correspondences, task.parts[part], features, matches)


def needs_sampling(plan: Plan) -> bool:
    """Whether depth is sampled at keypoints beforehand, once for all solvers."""
    return plan.depth is not None and not plan.dense_depth and plan.pose["correspondences"] == "matches"


def depths_path(task: PoseTask, plan: Plan, features: Path) -> Path:
    """The file with the depths at the keypoints of a features file."""
    return features.with_name(f"{features.stem}_depth-{plan.depth_tag}.h5")


def make_depths(task: PoseTask, plan: Plan) -> list[Path]:
    """Features -> files with the depth at their keypoints: one, or one a part for matchers of images."""
    if not needs_sampling(plan):
        return []
    assert plan.depth is not None
    mickey = None if plan.depth_feature is None else features_path(task, plan.depth_feature)
    made = []
    for features in dict.fromkeys(part_files(task, plan, part)[0] for part in task.parts):
        output = depths_path(task, plan, features)
        made.append(
            sample_depths.main(
                features, plan.depth, output, task.images, mickey, task.names, task.overwrite, task.progress
            )
        )
    return made


def make_poses(task: PoseTask, plan: Plan) -> dict[str, Path]:
    """Features, matches and depths -> a poses file a part."""
    folder = task.outputs / f"poses-{task.kind}" / plan.name
    done = {}
    for part, pairs in task.parts.items():
        features, matches = part_files(task, plan, part)
        conf = {**plan.pose, "output": part}
        if needs_sampling(plan):
            features = depths_path(task, plan, features)
        elif plan.depth is not None:
            conf["depth"] = plan.depth
            if plan.depth_feature is not None:
                conf["depth"] = f"mickey:{features_path(task, plan.depth_feature)}"
        done[part] = estimate_poses.main(
            conf,
            write_pairs(task.outputs / f"pairs-{task.kind}" / f"{part}.txt", pairs),
            features,
            write_intrinsics(task.outputs / "intrinsics" / f"{part}.txt", _cameras_of(task, part)),
            matches,
            image_dir=task.images,
            export_dir=folder,
            overwrite=task.overwrite,
            num_workers=task.workers,
            device=task.device,
            progress=task.progress,
        )
    return done


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
