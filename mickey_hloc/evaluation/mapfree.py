"""Scoring a Map-free submission exactly as the benchmark does, whose numbers are recorded and reproduced to 1e-9.

Source: Arnold et al., "Map-free visual relocalization", ECCV 2022, and how the published evaluation behaves: frames go
by their number, every 5th (single frame track) is scored, a scene without a file counts with all frames as failures.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pycolmap
import torch

from mickey_hloc.datasets.mapfree import MapFreeScene, find_scenes, parse_frame, read_scene
from mickey_hloc.datasets.tracks import Track
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.metrics import average_median, benchmark_vcre, precision_recall, share_within
from mickey_hloc.evaluation.submission import Estimate, read_submission
from mickey_hloc.geometry import inverse, pose_errors
from mickey_hloc.geometry.pose_arrays import pose_arrays

MAX_VCRE_PX = 90.0
MAX_POSE_ERROR = (0.25, 5.0)  # metres, degrees


@dataclass(frozen=True, eq=False)
class SceneResult:
    """Errors of one scene's estimates; all arrays have one entry an estimated frame.

    Attributes:
        name: the scene.
        frames: the estimated frames.
        translation_m: distance of the camera centres, metres.
        rotation_deg: degrees.
        vcre_px: pixels.
        confidence: as submitted.
        num_failures: scored frames without an estimate.
    """

    name: str
    frames: Sequence[str] = ()
    translation_m: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rotation_deg: np.ndarray = field(default_factory=lambda: np.zeros(0))
    vcre_px: np.ndarray = field(default_factory=lambda: np.zeros(0))
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(0))
    num_failures: int = 0

    @property
    def total(self) -> int:
        return len(self.frames) + self.num_failures

    @property
    def vcre_accepted(self) -> np.ndarray:
        """(N,) bool."""
        return self.vcre_px < MAX_VCRE_PX

    @property
    def pose_accepted(self) -> np.ndarray:
        """(N,) bool."""
        return (self.translation_m < MAX_POSE_ERROR[0]) & (self.rotation_deg < MAX_POSE_ERROR[1])


def evaluate_submission(
    submission: Path, dataset: Path, split: str = "val", track: Track = "single", scenes: Iterable[str] | None = None
) -> list[SceneResult]:
    """Score a zip.

    Args:
        submission: the zip; scenes that are not in the split are ignored, as are lines that cannot be used. Scenes
            that it lacks are named in a warning.
        dataset: the folder with the split in it; the split must have its true poses.
        track: which frames are scored.
        scenes: only these of the split.

    Raises:
        InputError: the zip or the dataset cannot be used, or nothing can be scored.
    """
    estimates = read_submission(submission)
    results = []
    for path in find_scenes(dataset, split, scenes):
        results.append(score_scene(read_scene(path), estimates.get(path.name), track))
    if not {result.name for result in results} & set(estimates):
        names = ", ".join(sorted(estimates)[:3]) or "none"
        raise InputError(f"{submission} has no scene of {dataset}/{split}; its scenes are: {names}.")
    lacking = sorted({result.name for result in results} - set(estimates))
    if lacking:
        warnings.warn(
            f"{submission} lacks {len(lacking)} of {len(results)} scenes, whose frames count as failures: "
            f"{', '.join(lacking[:10])}{', ...' if len(lacking) > 10 else ''}",
            stacklevel=2,
        )
    if not any(len(result.frames) for result in results):
        raise InputError(f"{submission} has no usable pose of a scored frame; `mickey-hloc validate` says why.")
    return results


def score_scene(scene: MapFreeScene, estimates: Mapping[int, Estimate] | None, track: Track = "single") -> SceneResult:
    """Score one scene.

    Args:
        estimates: by frame number; None = the submission has no file of this scene.

    Raises:
        InputError: the scene has no true poses, or a scored estimate has a negative confidence.
    """
    truth = _truth_by_number(scene)
    if estimates is None:
        # The benchmark counts all frames here, not only the scored ones; kept, so that the numbers are the same.
        return SceneResult(scene.name, num_failures=len(truth))
    if track == "single":
        scored = list(truth)[::5]
    else:
        scored = [number for number in (parse_frame(query)[1] for query in scene.queries(track)) if number in truth]
    found = [number for number in scored if number in estimates]
    if not found:
        return SceneResult(scene.name, num_failures=len(scored))
    names = [truth[number][0] for number in found]
    chosen = [estimates[number] for number in found]
    for name, estimate in zip(names, chosen, strict=True):
        if estimate.confidence < 0:
            raise InputError(f"{scene.name}/{name} has a negative confidence, which the benchmark refuses; use >= 0.")
    translation, rotation, vcre = _errors(scene, names, [e.cam_from_world for e in chosen], truth, found)
    confidence = np.array([estimate.confidence for estimate in chosen])
    return SceneResult(scene.name, names, translation, rotation, vcre, confidence, len(scored) - len(found))


def _truth_by_number(scene: MapFreeScene) -> dict[int, tuple[str, pycolmap.Rigid3d]]:
    """True poses by frame number in the file's order; the reference gives way to the query of the same number."""
    truth: dict[int, tuple[str, pycolmap.Rigid3d]] = {}
    for frame, pose in scene.poses.items():
        if pose is not None:
            truth[parse_frame(frame)[1]] = (frame, pose)
    if len(truth) < 2:
        raise InputError(f"{scene.path}/poses.txt has no true poses of queries (those of test are withheld); use val.")
    return truth


def _errors(
    scene: MapFreeScene,
    names: Sequence[str],
    poses: Sequence[pycolmap.Rigid3d],
    truth: Mapping[int, tuple[str, pycolmap.Rigid3d]],
    numbers: Sequence[int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Translation (metres), rotation (degrees) and VCRE (pixels) of the estimates."""
    R, centre = inverse(*pose_arrays(poses))
    R_gt, centre_gt = inverse(*pose_arrays(truth[number][1] for number in numbers))
    rotation, translation = pose_errors(*(torch.from_numpy(a) for a in (R, centre, R_gt, centre_gt)))
    last = list(scene.intrinsics.values())[-1]  # the benchmark takes the size from the file's last line
    K = np.stack([scene.intrinsics[name].K for name in names])
    vcre = benchmark_vcre(R, centre, R_gt, centre_gt, K, [(last.width, last.height)] * len(names))
    return translation.numpy(), rotation.numpy(), vcre


def summarise(results: Sequence[SceneResult]) -> dict[str, float]:
    """The benchmark's numbers under the benchmark's names, and the number of failures.

    Source: the names are those of the published evaluation; the areas are by falling confidence.
    """
    failures = sum(result.num_failures for result in results)
    total = sum(result.total for result in results)
    everything = {
        name: np.concatenate([getattr(result, name) for result in results])
        for name in ("translation_m", "rotation_deg", "confidence", "vcre_accepted", "pose_accepted")
    }
    medians = {
        name: average_median({result.name: getattr(result, name) for result in results})
        for name in ("translation_m", "rotation_deg", "vcre_px")
    }
    confidence = everything["confidence"]
    pose = f"Pose Error < ({MAX_POSE_ERROR[0] * 100}cm, {MAX_POSE_ERROR[1]:.0f}deg)"
    vcre = f"VCRE < {MAX_VCRE_PX:.0f}px"
    return {
        "Average Median Translation Error": medians["translation_m"],
        "Average Median Rotation Error": medians["rotation_deg"],
        "Average Median Reprojection Error": medians["vcre_px"],
        f"Precision @ {pose}": share_within(
            everything["translation_m"], everything["rotation_deg"], MAX_POSE_ERROR, total
        ),
        f"AUC @ {pose}": precision_recall(everything["pose_accepted"], confidence, failures)[2],
        f"Precision @ {vcre}": float(everything["vcre_accepted"].sum() / total),
        f"AUC @ {vcre}": precision_recall(everything["vcre_accepted"], confidence, failures)[2],
        "Estimates for % of frames": len(confidence) / total,
        "failures": failures,
    }
