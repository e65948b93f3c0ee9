"""Step: relative poses of queries to references with known poses -> absolute poses of the queries, in hloc's format.

Every reference gives one estimate of the query's pose. Estimates that contradict the majority are rejected; of the
others the weighted mean is taken. A pair weighs by its confidence, and less the further apart its two cameras are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pycolmap
import torch

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.averaging import chordal_mean, fuse_poses
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.geometry.rigid import camera_centres, translations
from mickey_hloc.io.poses import Pair, read_poses, write_absolute_poses
from mickey_hloc.io.reference_poses import read_reference_poses
from mickey_hloc.io.text import read_rows


@dataclass(frozen=True)
class LocalizeOptions:
    """Options of the fusion.

    Attributes:
        max_references: maximum number of pairs of a query, the first ones of the poses file; in hloc's pairs the
            most similar come first. None: all.
        min_confidence: pairs below it are left out.
        max_rotation_deg, max_distance_m: estimates further apart do not support each other.
        min_inliers: references that must agree; otherwise the query has no pose.
    """

    max_references: int | None = None
    min_confidence: float = 0.0
    max_rotation_deg: float = 10.0
    max_distance_m: float = 0.5
    min_inliers: int = 1

    def __post_init__(self) -> None:
        if self.max_references is not None and self.max_references < 1:
            raise InputError(f"max_references is {self.max_references}; it must be at least 1.")
        if self.min_inliers < 1:
            raise InputError(f"min_inliers is {self.min_inliers}; it must be at least 1.")
        if not (self.max_rotation_deg > 0 and self.max_distance_m > 0):
            raise InputError("max_rotation_deg and max_distance_m must be positive.")


@dataclass(frozen=True)
class AbsolutePose:
    """A query's pose, or an honest failure.

    Attributes:
        cam_from_world: None on failure.
        references: those that gave an estimate.
        inliers: those of them that the pose agrees with.
        confidence: summed over the inliers, divided by the number of references tried: in [0, 1].
        reason: why it failed; empty on success.
    """

    cam_from_world: pycolmap.Rigid3d | None
    references: list[str] = field(default_factory=list)
    inliers: list[str] = field(default_factory=list)
    confidence: float = 0.0
    reason: str = ""


def main(
    poses: Path,
    references: Path,
    results: Path,
    queries: Path | Collection[str] | None = None,
    options: LocalizeOptions | None = None,
    prepend_camera_name: bool | None = None,
) -> dict[str, AbsolutePose]:
    """Localize all queries of a poses file and write the results.

    Args:
        poses: poses file of ``estimate_poses``; a pair is a query and a reference, in either order.
        references: what ``read_reference_poses`` understands.
        results: hloc's results file to write, ``name qw qx qy qz tx ty tz`` of cam_from_world; failed queries are
            left out.
        queries: a file with a name a line or the names; needed where the queries have poses among the references (as
            in data sets with ground truth). None: the images without reference pose.
        options: see LocalizeOptions.
        prepend_camera_name: how names are written: hloc's two ways, False "frame.jpg" and True "folder/frame.jpg";
            None: as in the poses file.

    Returns:
        All queries in the order of the poses file, failures included.

    Raises:
        InputError: wrong input, or no pair of a query and a reference.
    """
    known = read_reference_poses(Path(references))
    found = localize(read_poses(Path(poses)), known, _query_names(queries), options)
    names = {query: _written_name(query, prepend_camera_name) for query in found}
    if len(set(names.values())) < len(names):
        raise InputError("Several queries have the same name once their folders are cut off; write the whole names.")
    located = {names[q]: pose.cam_from_world for q, pose in found.items() if pose.cam_from_world is not None}
    write_absolute_poses(Path(results), located)
    return found


def localize(
    poses: Mapping[Pair, RelativePose],
    references: Mapping[str, pycolmap.Rigid3d],
    queries: Collection[str] | None = None,
    options: LocalizeOptions | None = None,
) -> dict[str, AbsolutePose]:
    """Absolute poses of queries from relative poses to references.

    Args:
        poses: cam1_from_cam0 by pair, failures included.
        references: cam_from_world by name.
        queries: names; None: the images of pairs that are no references.

    Raises:
        InputError: a pair has two references and ``queries`` is None, or no pair has a query and a reference.

    Returns:
        By query, also of those that no pair can pose: they say why.
    """
    chosen = options or LocalizeOptions()
    by_query: dict[str, list[tuple[str, Pair]]] = {}
    for pair in poses:
        query, reference = _roles(pair, references, queries)
        if query is not None and reference is not None:
            by_query.setdefault(query, []).append((reference, pair))
    if not by_query:
        raise InputError("No pair has a query and a reference with known pose; do the names agree?")
    found = {}
    for query, candidates in by_query.items():
        tried = candidates[: chosen.max_references]
        estimates = [
            (ref, poses[pair], absolute_pose(poses[pair], references[ref], ref == pair[0]))
            for ref, pair in tried
            if poses[pair].success
        ]
        found[query] = _fuse(estimates, len(tried), chosen)
    return found | without_reference(poses, references, queries, set(found))


def without_reference(
    poses: Iterable[Pair], references: Collection[str], queries: Collection[str] | None, posed: Collection[str]
) -> dict[str, AbsolutePose]:
    """The queries that no pair joins with a reference of known pose, as failures with their reason.

    Args:
        posed: the other queries.
    """
    partners: dict[str, list[str]] = {} if queries is None else {name: [] for name in sorted(queries)}
    for pair in poses:
        for name, other in (pair, pair[::-1]):
            if name in partners if queries is not None else name not in references:
                partners.setdefault(name, []).append(other)
    failures = {}
    for name, others in partners.items():
        if name not in posed:
            paired = f"none of the {len(others)} images it is paired with is a reference with a known pose, e.g. "
            reason = paired + others[0] if others else "it is in no pair"
            failures[name] = AbsolutePose(None, reason=reason)
    return failures


def absolute_pose(
    relative: RelativePose, reference_from_world: pycolmap.Rigid3d, reference_is_first: bool
) -> pycolmap.Rigid3d:
    """``query_from_world`` through one reference: with cam1_from_cam0 where the reference is image 0, else inverted."""
    motion = relative.cam1_from_cam0
    return (motion if reference_is_first else motion.inverse()) * reference_from_world


def _roles(
    pair: Pair, references: Mapping[str, pycolmap.Rigid3d], queries: Collection[str] | None
) -> tuple[str | None, str | None]:
    """Which image of a pair is the query and which the reference; None where it is neither."""
    if queries is None:
        unknown = [name for name in pair if name not in references]
        if not unknown:
            raise InputError(
                f"Both images of the pair {' '.join(pair)} have a reference pose; name the queries with --queries FILE."
            )
        query = unknown[0] if len(unknown) == 1 else None
    else:
        asked = [name for name in pair if name in queries]
        query = asked[0] if len(asked) == 1 else None
    if query is None:
        return None, None
    other = pair[1] if query == pair[0] else pair[0]
    return query, other if other in references else None


def _fuse(
    estimates: list[tuple[str, RelativePose, pycolmap.Rigid3d]], num_tried: int, options: LocalizeOptions
) -> AbsolutePose:
    names = [name for name, _, _ in estimates]
    trusted = [pose if pose.confidence >= options.min_confidence else None for _, pose, _ in estimates]
    weights = torch.tensor([0.0 if pose is None else pair_weight(pose) for pose in trusted], dtype=torch.float64)
    if not estimates:
        return AbsolutePose(None, reason=f"none of {num_tried} pairs has a pose")
    if not bool((weights > 0).any()):
        return AbsolutePose(None, names, reason=f"none of {len(names)} poses has the confidence that is needed")
    R = torch.tensor(np.stack([pose.rotation.matrix() for _, _, pose in estimates]))
    t = torch.tensor(np.stack([pose.translation for _, _, pose in estimates]))
    _, _, agree = fuse_poses(R, t, weights, options.max_rotation_deg, options.max_distance_m)
    inliers = [name for name, ok in zip(names, agree.tolist(), strict=True) if ok]
    if len(inliers) < options.min_inliers:
        reason = f"{len(inliers)} of {len(names)} references agree, {options.min_inliers} are needed"
        return AbsolutePose(None, names, inliers, reason=reason)
    confidence = sum(pose.confidence for (_, pose, _), ok in zip(estimates, agree.tolist(), strict=True) if ok)
    return AbsolutePose(_mean_pose(R[agree], t[agree], weights[agree]), names, inliers, confidence / num_tried)


def pair_weight(relative: RelativePose) -> float:
    """How much a pair counts: its confidence over the square of the error to expect.

    Errors of metric relative poses grow with the motion between the images: less overlap, and an error of the depths'
    scale is one of the translation's length. A rotation by 10 degrees counts as 1 m; below 0.3 m nothing is gained.
    """
    motion_m = np.linalg.norm(relative.t)
    turn_deg = np.degrees(relative.cam1_from_cam0.rotation.angle())
    return float(relative.confidence / (0.3**2 + motion_m**2 + (turn_deg / 10.0) ** 2))


def _mean_pose(R: torch.Tensor, t: torch.Tensor, weights: torch.Tensor) -> pycolmap.Rigid3d:
    """Weighted mean of (N, 3, 3), (N, 3) that agree: the outliers are gone, and a mean uses the others better than a
    median does (of two it would be one of them).
    """
    position = (weights[:, None] * camera_centres(R, t)).sum(dim=0) / weights.sum()
    R_mean = chordal_mean(R, weights)
    return pycolmap.Rigid3d(pycolmap.Rotation3d(R_mean.numpy()), translations(R_mean, position).numpy())


def _query_names(queries: Path | Collection[str] | None) -> set[str] | None:
    if queries is None:
        return None
    if isinstance(queries, (str, Path)):
        return {fields[0] for _, fields in read_rows(Path(queries), "list of queries")}
    return set(queries)


def _written_name(name: str, prepend_camera_name: bool | None) -> str:
    if prepend_camera_name is None:
        return name
    return "/".join(name.split("/")[-2 if prepend_camera_name else -1 :])
