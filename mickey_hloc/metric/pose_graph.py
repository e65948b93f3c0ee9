"""Absolute poses in metres from metric relative poses, without points: rotations first, then positions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.geometry.rigid import camera_centres
from mickey_hloc.metric.positions import solve_positions
from mickey_hloc.registry import CheckedOptions, require

Pair = tuple[str, str]


@dataclass(frozen=True)
class PoseGraphOptions(CheckedOptions):
    """Options of the pose graph.

    Attributes:
        min_confidence: pairs below it are left out.
        max_rotation_deg: pairs whose rotation is further off the averaged ones are left out.
        base_std_m, relative_std: standard deviation of a pair's translation where no covariance is known: a part that
            does not grow with its length, and one that does. Doubled at a confidence of 1/4.
        seed: of the rotation averaging.
    """

    min_confidence: float = 0.0
    max_rotation_deg: float = 10.0
    base_std_m: float = 0.02
    relative_std: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "min_confidence", 0 <= self.min_confidence <= 1, "in [0, 1]")
        require(self, "max_rotation_deg", 0 < self.max_rotation_deg <= 180, "in (0, 180] degrees")
        require(self, "base_std_m", 0 < self.base_std_m < math.inf, "a positive number of metres")
        require(self, "relative_std", 0 <= self.relative_std < math.inf, "at least 0")
        require(self, "seed", 0 <= self.seed < 2**31, "at least 0 and below 2^31")


@dataclass(frozen=True)
class CycleErrors:
    """How far the poses around triangles of pairs are from closing.

    Attributes:
        count: of triangles.
        rotation_deg, translation_m: medians; NaN where there is no triangle.
        rotation_deg_90, translation_m_90: nine of ten triangles close better.
    """

    count: int
    rotation_deg: float
    translation_m: float
    rotation_deg_90: float
    translation_m_90: float


@dataclass(frozen=True, eq=False)
class AbsolutePoses:
    """Poses of images in one metric world.

    Attributes:
        cam_from_world: by name, metres; the first image by name is at the origin.
        position_covariances: (3, 3) by name, square metres, of the camera's place in the world, given the first's.
        outliers: pairs that contradict the result.
        unconnected: names of images that no chain of pairs connects to the others.
        cycles: closing errors of the pairs that went in.
    """

    cam_from_world: dict[str, pycolmap.Rigid3d]
    position_covariances: dict[str, np.ndarray]
    outliers: tuple[Pair, ...]
    unconnected: tuple[str, ...]
    cycles: CycleErrors


def average_poses(poses: Mapping[Pair, RelativePose], options: PoseGraphOptions | None = None) -> AbsolutePoses:
    """Absolute poses of all images that pairs connect.

    Rotations by pycolmap's rotation averaging, which leaves out pairs that contradict; then positions from the pairs'
    translations in metres, by their covariances where the poses have one.

    Args:
        poses: cam1_from_cam0 by pair, failures included, which are left out.

    Raises:
        InputError: no pair has a pose, or the rotations cannot be averaged.
    """
    chosen = options or PoseGraphOptions()
    used = {
        pair: pose
        for pair, pose in poses.items()
        if pose.success and pose.confidence >= chosen.min_confidence and pair[0] != pair[1]
    }
    if not used:
        raise InputError(
            f"None of {len(poses)} pairs has a pose with a confidence of {chosen.min_confidence:g}; give "
            "the poses file of more pairs, or a lower confidence."
        )
    everyone = sorted({name for pair in poses for name in pair})
    rotations, contradicting = _average_rotations(used, everyone, chosen)
    names = sorted(rotations)
    index = {name: place for place, name in enumerate(names)}
    edges = [pair for pair in used if pair not in contradicting and set(pair) <= set(names)]
    vectors, covariances = [], []
    for pair in edges:
        world_from_cam0 = rotations[pair[0]].T
        vectors.append(world_from_cam0 @ camera_centres(used[pair].R, used[pair].t))
        # Of camera 1's place, seen in its own frame and turned to the world.
        covariances.append(_turned(_covariance(used[pair], chosen), rotations[pair[1]].T))
    names, edges, kept = _connected(names, edges)
    if len(names) < 2:
        raise InputError("The pairs contradict each other: no two images are left that agree.")
    index = {name: place for place, name in enumerate(names)}
    found = solve_positions(
        np.array([[index[a], index[b]] for a, b in edges]),
        np.array(vectors)[kept],
        np.array(covariances)[kept],
        len(names),
    )
    return AbsolutePoses(
        {
            name: pycolmap.Rigid3d(pycolmap.Rotation3d(rotations[name]), -rotations[name] @ found.centres[index[name]])
            for name in names
        },
        {name: found.covariances[index[name]] for name in names},
        tuple(sorted({*contradicting, *(pair for pair, ok in zip(edges, found.inliers, strict=True) if not ok)})),
        tuple(name for name in everyone if name not in index),
        cycle_errors(used),
    )


def _average_rotations(
    used: Mapping[Pair, RelativePose], names: Sequence[str], options: PoseGraphOptions
) -> tuple[dict[str, np.ndarray], set[Pair]]:
    """(3, 3) cam_from_world by name, the first being the identity, and the pairs that contradict them."""
    ids = {name: number for number, name in enumerate(names, start=1)}
    model = images_only(names)
    graph = pycolmap.PoseGraph()
    for (name0, name1), pose in used.items():
        if graph.has_edge(ids[name0], ids[name1]):  # both directions were estimated: the surer one stands
            other = used[name1, name0]
            if other.confidence >= pose.confidence:
                continue
            graph.delete_edge(ids[name0], ids[name1])
        weight = max(1, round(100 * pose.confidence))
        graph.add_edge(
            ids[name0], ids[name1], pycolmap.PoseGraphEdge(cam2_from_cam1=pose.cam1_from_cam0, num_matches=weight)
        )
    how = pycolmap.RotationEstimatorOptions(random_seed=options.seed, max_rotation_error_deg=options.max_rotation_deg)
    if not pycolmap.run_rotation_averaging(how, graph, model, []):
        raise InputError("The rotations of the pairs contradict each other too much to be averaged.")
    found = {
        image.name: np.asarray(image.cam_from_world().rotation.matrix())
        for image in model.images.values()
        if image.has_pose
    }
    first = found[min(found)].T
    found = {name: R @ first for name, R in found.items()}
    limit = math.cos(math.radians(options.max_rotation_deg))
    contradicting = {
        pair
        for pair, pose in used.items()
        if set(pair) <= set(found) and (np.trace(pose.R.T @ found[pair[1]] @ found[pair[0]].T) - 1) / 2 < limit
    }
    return found, contradicting


def images_only(names: Sequence[str]) -> pycolmap.Reconstruction:
    """A model with images of these names, without poses and points; ids 1, 2, ... in their order."""
    model = pycolmap.Reconstruction()
    model.add_camera_with_trivial_rig(
        pycolmap.Camera(model="SIMPLE_PINHOLE", width=1, height=1, params=[1.0, 0.5, 0.5], camera_id=1)
    )
    for number, name in enumerate(names, start=1):
        model.add_image_with_trivial_frame(pycolmap.Image(name=name, camera_id=1, image_id=number))
    return model


def _covariance(pose: RelativePose, options: PoseGraphOptions) -> np.ndarray:
    """(3, 3) of the translation, in the frame of camera 1, square metres."""
    known = pose.covariance[3:, 3:]
    least = options.base_std_m**2 * np.eye(3)
    if np.isfinite(known).all():
        return known + least
    std = options.relative_std * float(np.linalg.norm(pose.t))
    return (least + std**2 * np.eye(3)) / max(pose.confidence, 0.05)


def _turned(covariance: np.ndarray, R: np.ndarray) -> np.ndarray:
    return R @ covariance @ R.T


def _connected(names: Sequence[str], edges: Sequence[Pair]) -> tuple[list[str], list[Pair], list[int]]:
    """The largest set of names that edges connect, its edges, and their places in the list."""
    group = {name: name for name in names}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for a, b in edges:
        group[root(a)] = root(b)
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(root(name), []).append(name)
    largest = max(members.values(), key=len)
    kept = [place for place, (a, _) in enumerate(edges) if a in largest]
    return sorted(largest), [edges[place] for place in kept], kept


def cycle_errors(poses: Mapping[Pair, RelativePose]) -> CycleErrors:
    """Closing errors of all triangles of pairs."""
    motion: dict[Pair, pycolmap.Rigid3d] = {}
    for (a, b), pose in poses.items():
        motion[a, b] = pose.cam1_from_cam0
        motion.setdefault((b, a), pose.cam1_from_cam0.inverse())
    neighbours: dict[str, set[str]] = {}
    for a, b in motion:
        neighbours.setdefault(a, set()).add(b)
    angles, lengths = [], []
    for a in sorted(neighbours):
        for b in sorted(name for name in neighbours[a] if name > a):
            for c in sorted(name for name in neighbours[a] & neighbours[b] if name > b):
                closed = motion[c, a] * motion[b, c] * motion[a, b]
                angles.append(math.degrees(closed.rotation.angle()))
                lengths.append(float(np.linalg.norm(closed.translation)))
    if not angles:
        return CycleErrors(0, math.nan, math.nan, math.nan, math.nan)
    (angle, angle_90), (length, length_90) = (np.quantile(v, [0.5, 0.9]) for v in (angles, lengths))
    return CycleErrors(len(angles), float(angle), float(length), float(angle_90), float(length_90))
