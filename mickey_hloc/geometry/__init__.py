"""Pure geometry: cameras, rigid motions, virtual correspondence errors. Imports nothing else of this package."""

from mickey_hloc.geometry.averaging import chordal_mean, fuse_poses, geometric_median, rotation_median
from mickey_hloc.geometry.camera import backproject, project, resize_intrinsics
from mickey_hloc.geometry.rigid import inverse, kabsch, pose_errors, rotation_angle_deg, transform
from mickey_hloc.geometry.vcre import benchmark_grid, virtual_correspondence_errors

__all__ = [
    "backproject",
    "benchmark_grid",
    "chordal_mean",
    "fuse_poses",
    "geometric_median",
    "inverse",
    "kabsch",
    "pose_errors",
    "project",
    "resize_intrinsics",
    "rotation_angle_deg",
    "rotation_median",
    "transform",
    "virtual_correspondence_errors",
]
