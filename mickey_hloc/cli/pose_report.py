"""A two-view result in words and as json."""

import json
import math
from typing import Any

import numpy as np
import pycolmap
import torch

from mickey_hloc.cli.terminal import say
from mickey_hloc.confidence import strength
from mickey_hloc.geometry import camera_centres, pose_errors, rotation_angle_deg
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.two_view.result import Photo, TwoViewResult


def rotation_deg(pose: RelativePose) -> float:
    """Angle of the rotation, degrees."""
    return float(rotation_angle_deg(torch.from_numpy(pose.R)))


RIGHT = " (right: image error below 10 % of the diagonal)"


def pose_as_text(result: TwoViewResult, photos: tuple[Photo, Photo], verbose: bool = False) -> str:
    """The pose in words and as numbers, or why there is none.

    Args:
        verbose: inliers, scores and times too.
    """
    pose, names = result.pose, (photos[0].name, photos[1].name)
    seconds = ", ".join(f"{stage} {s:.2f}" for stage, s in result.seconds.items())
    details = [f"  seconds       {seconds}"] if verbose else []
    if not pose.success:
        return "\n".join([pose_statement(pose, names), *details])
    if verbose:
        counts = f"{pose.num_inliers} of {len(pose.correspondences)} correspondences"
        details.insert(0, f"  score         {pose.score:.1f} soft inliers; {counts} agree")
    lines = [
        *pose_statement(pose, names).splitlines(),
        "",
        f"Pose of {names[1]} (cam1) relative to {names[0]} (cam0), cam1_from_cam0",
        f"  qw qx qy qz   {' '.join(f'{q:.6f}' for q in pose.quaternion_wxyz)}",
        f"  tx ty tz (m)  {' '.join(f'{t:.4f}' for t in pose.t)}",
        f"  confidence    {pose.confidence:.3f}{RIGHT if verbose else ''}",
        *details,
    ]
    return "\n".join(lines)


def print_pose(result: TwoViewResult, photos: tuple[Photo, Photo], verbose: bool = False) -> None:
    """Print ``pose_as_text``, the words in colour where the terminal has any."""
    words, _, numbers = pose_as_text(result, photos, verbose).partition("\n\n")
    say(words, "good" if result.pose.success else "bad")
    if numbers:
        print(f"\n{numbers}")


def pose_statement(pose: RelativePose, names: tuple[str, str], truth: pycolmap.Rigid3d | None = None) -> str:
    """The result in plain words: a line for the pose, one for its confidence, one for the truth where it is known."""
    if not pose.success:
        return f"No pose of {names[1]} relative to {names[0]}: {pose.reason}"
    low, high = pose.distance_95_m
    lines = [f"Seen from {names[0]}, {pose_in_words(pose).replace('cam1', names[1], 1)}."]
    sure = f"{strength(pose.confidence)} to within a tenth of the picture" + (f" ({pose.note})" if pose.note else "")
    if np.isfinite(high):
        sure += f"; the distance is {low:.2f} to {high:.2f} m in 95 of 100 such cases"
    lines.append(f"{sure[0].upper()}{sure[1:]}.")
    if truth is not None:
        degrees, metres = errors(pose, truth)
        lines.append(f"Against the truth the pose is off by {degrees:.2f} degrees and {100 * metres:.1f} cm.")
    return "\n".join(lines)


def pose_in_words(pose: RelativePose) -> str:
    """Where camera 1 stands and looks, seen from camera 0 (x right, y down, z forward)."""
    centre = camera_centres(pose.R, pose.t)
    steps = [
        f"{abs(value):.2f} m {words[int(value > 0)]}"
        for value, words in zip(centre, (("left", "right"), ("up", "down"), ("back", "forward")), strict=True)
        if abs(value) >= 0.005
    ]
    forward = pose.R.T[:, 2]
    yaw = math.degrees(math.atan2(forward[0], forward[2]))
    pitch = math.degrees(math.asin(float(np.clip(forward[1], -1, 1))))
    turns = [
        f"{abs(value):.1f} degrees {words[int(value > 0)]}"
        for value, words in ((yaw, ("left", "right")), (pitch, ("up", "down")))
        if abs(value) >= 0.1
    ]
    where = f"cam1 stands {np.linalg.norm(centre):.2f} m away" + (f" ({', '.join(steps)})" if steps else "")
    looks = f"is turned by {rotation_deg(pose):.1f} degrees" + (f" (looks {', '.join(turns)})" if turns else "")
    return f"{where} and {looks}"


def pose_as_dict(result: TwoViewResult) -> dict[str, Any]:
    """Plain values; the pose is None on failure, never NaN."""
    pose = result.pose
    found = pose.success
    return {
        "success": found,
        "reason": pose.reason,
        "frame": "cam1_from_cam0",
        "quaternion_wxyz": [float(q) for q in pose.quaternion_wxyz] if found else None,
        "translation_m": [float(t) for t in pose.t] if found else None,
        "distance_m": float(np.linalg.norm(pose.t)) if found else None,
        "rotation_deg": rotation_deg(pose) if found else None,
        "score": pose.score,
        "confidence": pose.confidence,
        "confidence_note": pose.note,
        "covariance": pose.covariance.tolist() if found else None,
        "covariance_68_squared": pose.squared_68 if found else None,
        "distance_68_m": list(pose.distance_68_m) if found else None,
        "distance_95_m": list(pose.distance_95_m) if found else None,
        "cameras": [_camera(view.K) for view in (result.problem.view0, result.problem.view1)],
        "inliers": pose.num_inliers,
        "correspondences": len(pose.correspondences),
        "seconds": {stage: round(s, 4) for stage, s in result.seconds.items()},
    }


def _camera(K: torch.Tensor) -> dict[str, float]:
    """What the pose was computed with, pixels."""
    names = {"fx": (0, 0), "fy": (1, 1), "cx": (0, 2), "cy": (1, 2)}
    return {name: round(float(K[place]), 3) for name, place in names.items()}


def pose_as_json(result: TwoViewResult) -> str:
    """``pose_as_dict`` as text."""
    return json.dumps(pose_as_dict(result), indent=2, allow_nan=False)


def truth_as_text(pose: RelativePose, cam1_from_cam0: pycolmap.Rigid3d) -> str:
    """The true pose, and how far the estimate is from it."""
    x, y, z, w = np.array(cam1_from_cam0.rotation.quat) * (-1 if cam1_from_cam0.rotation.quat[3] < 0 else 1)
    t = cam1_from_cam0.translation
    numbers = f"{w:.6f} {x:.6f} {y:.6f} {z:.6f}  {' '.join(f'{v:.4f}' for v in t)}"
    lines = [f"  truth         {numbers}  ({np.linalg.norm(t):.3f} m)"]
    if pose.success:
        degrees, metres = errors(pose, cam1_from_cam0)
        lines.append(f"  error         {degrees:.3f} degrees, {100 * metres:.2f} cm")
    return "\n".join(lines)


def errors(pose: RelativePose, truth: pycolmap.Rigid3d) -> tuple[float, float]:
    """Degrees between the rotations, metres between the translations."""
    R_gt, t_gt = torch.from_numpy(truth.rotation.matrix()), torch.from_numpy(np.asarray(truth.translation))
    degrees, metres = pose_errors(torch.from_numpy(pose.R), torch.from_numpy(pose.t), R_gt, t_gt)
    return float(degrees), float(metres)
