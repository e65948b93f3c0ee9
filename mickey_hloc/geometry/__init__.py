"""Pure geometry: cameras, rigid motions, virtual correspondence errors. Imports nothing else of this package."""

from mickey_hloc.geometry.averaging import chordal_mean, fuse_poses, geometric_median, rotation_median
from mickey_hloc.geometry.camera import backproject, project, resize_intrinsics
from mickey_hloc.geometry.rigid import (
    camera_centres,
    inverse,
    kabsch,
    pose_errors,
    relative_motion,
    rotation_angle_deg,
    transform,
    translations,
)
from mickey_hloc.geometry.vcre import benchmark_grid, virtual_correspondence_errors

__all__ = [
    "backproject",
    "benchmark_grid",
    "camera_centres",
    "chordal_mean",
    "fuse_poses",
    "geometric_median",
    "inverse",
    "kabsch",
    "pose_errors",
    "project",
    "relative_motion",
    "resize_intrinsics",
    "rotation_angle_deg",
    "rotation_median",
    "transform",
    "translations",
    "virtual_correspondence_errors",
]
