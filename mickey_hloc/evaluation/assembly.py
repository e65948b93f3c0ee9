"""From a poses file to a Map-free submission: which pose belongs to which query, in either track."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
import pycolmap
import torch

from mickey_hloc.datasets.mapfree import REFERENCE, MapFreeScene, parse_frame
from mickey_hloc.datasets.tracks import Track
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.submission import Estimate
from mickey_hloc.geometry import fuse_poses
from mickey_hloc.geometry.relative_pose import RelativePose

Pair = tuple[str, str]
Ranking = Literal["confidence", "score"]


@dataclass(frozen=True)
class FusionOptions:
    """How the estimates of a window's frames become one pose (multi-frame track).

    Attributes:
        max_rotation_deg: estimates further apart do not support each other.
        max_distance_m: metres between camera positions, likewise.
    """

    max_rotation_deg: float = 10.0
    max_distance_m: float = 0.5


@dataclass(eq=False)
class Assembled:
    """What a submission is made of.

    Attributes:
        estimates: by scene and frame; scenes that the poses file does not have are not in it.
        failed: ``scene/frame: reason`` of scored queries whose pose estimation failed.
        absent: ``scene/frame`` of scored queries that the poses file does not have.
    """

    estimates: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def assemble(
    poses: Mapping[Pair, RelativePose],
    scenes: Iterable[MapFreeScene],
    track: Track = "single",
    ranking: Ranking = "confidence",
    fusion: FusionOptions | None = None,
) -> Assembled:
    """Choose, and in the multi-frame track fuse, the poses of the scored queries.

    Args:
        poses: pairs of a reference ``<scene>/seq0/frame_00000.jpg`` and a query, in either order; names may have
            further folders in front.
        ranking: which number of a pose becomes the submission's confidence and weighs the frames of a window.

    Raises:
        InputError: a pair without the reference, a query twice, or a scene without device poses (multi-frame track).
    """
    by_scene = poses_by_query(poses)
    assembled = Assembled()
    for scene in scenes:
        found = by_scene.get(scene.name)
        if found is None:
            assembled.absent += [f"{scene.name}/{query}" for query in scene.queries(track)]
            continue
        device = scene.device_poses() if track == "multi9" else {}
        estimates = assembled.estimates.setdefault(scene.name, {})
        for query in scene.queries(track):
            window = scene.window(query) if track == "multi9" else [query]
            tried = {frame: found[frame] for frame in window if frame in found}
            if track == "multi9":
                tried = _carry_to_query(tried, query, device)
            estimate = fuse_window(tried.values(), len(window), ranking, fusion or FusionOptions())
            if estimate is not None:
                estimates[query] = estimate
            elif tried:
                reasons = "; ".join(sorted({pose.reason for pose in tried.values()}))
                assembled.failed.append(f"{scene.name}/{query}: {reasons}")
            else:
                assembled.absent.append(f"{scene.name}/{query}")
    return assembled


def poses_by_query(poses: Mapping[Pair, RelativePose]) -> dict[str, dict[str, RelativePose]]:
    """query_from_reference by scene and frame, from pairs in either order.

    Raises:
        InputError: see ``assemble``.
    """
    by_scene: dict[str, dict[str, RelativePose]] = {}
    for (name0, name1), pose in poses.items():
        (scene0, frame0), (scene1, frame1) = split_name(name0), split_name(name1)
        if scene0 != scene1 or (frame0 == REFERENCE) == (frame1 == REFERENCE):
            raise InputError(
                f"The pair '{name0}' '{name1}' is not a scene's reference ({REFERENCE}) and one of its queries."
            )
        query = frame1 if frame0 == REFERENCE else frame0
        found = by_scene.setdefault(scene0, {})
        if query in found:
            raise InputError(f"The poses have {scene0}/{query} twice; keep one of the two pairs.")
        found[query] = pose if frame0 == REFERENCE else inverted(pose)
    return by_scene


def split_name(name: str) -> tuple[str, str]:
    """Scene and frame of ``[...]/s00460/seq1/frame_00005.jpg``.

    Raises:
        InputError: the name has another form.
    """
    parts = PurePosixPath(name).parts
    if len(parts) < 3:
        raise InputError(f"'{name}' does not say its scene; expected a name like s00460/seq1/frame_00005.jpg.")
    frame = "/".join(parts[-2:])
    parse_frame(frame)
    return parts[-3], frame


def inverted(pose: RelativePose) -> RelativePose:
    """The same estimate with the two cameras exchanged."""
    if not pose.success:
        return pose
    return RelativePose(True, pose.cam1_from_cam0.inverse(), score=pose.score, confidence=pose.confidence)


def _carry_to_query(
    poses: Mapping[str, RelativePose], query: str, device: Mapping[str, pycolmap.Rigid3d | None]
) -> dict[str, RelativePose]:
    """Turn frame_from_reference of a window's frames into query_from_reference by the device's tracking."""
    carried = {}
    query_from_world = device.get(query)
    for frame, pose in poses.items():
        frame_from_world = device.get(frame)
        if frame == query or not pose.success:
            carried[frame] = pose
        elif query_from_world is not None and frame_from_world is not None:
            query_from_frame = query_from_world * frame_from_world.inverse()
            carried[frame] = RelativePose(
                True, query_from_frame * pose.cam1_from_cam0, score=pose.score, confidence=pose.confidence
            )
    return carried


def fuse_window(
    poses: Iterable[RelativePose], window: int, ranking: Ranking = "confidence", options: FusionOptions | None = None
) -> Estimate | None:
    """One query_from_reference from several estimates of it; None if all failed.

    The estimate's confidence is the sum over the agreeing frames divided by the window's size: frames that failed or
    disagree lower it.

    Args:
        poses: successful or not; each is weighed by its ``ranking``.
        window: the number of frames that could have given an estimate.
    """
    usable = [pose for pose in poses if pose.success]
    if not usable:
        return None
    options = options or FusionOptions()
    weights = np.array([max(getattr(pose, ranking), 0.0) for pose in usable])
    if len(usable) == 1:
        return Estimate(usable[0].cam1_from_cam0, float(weights[0] / window))
    R, t, agree = fuse_poses(
        torch.from_numpy(np.stack([pose.R for pose in usable])),
        torch.from_numpy(np.stack([pose.t for pose in usable])),
        torch.from_numpy(weights if weights.any() else np.ones_like(weights)),
        options.max_rotation_deg,
        options.max_distance_m,
    )
    fused = pycolmap.Rigid3d(pycolmap.Rotation3d(R.numpy()), t.numpy())
    return Estimate(fused, float(weights[agree.numpy()].sum() / window))
