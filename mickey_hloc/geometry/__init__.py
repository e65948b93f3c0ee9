"""Pure geometry: cameras, rigid motions, virtual correspondence errors. Imports nothing else of this package."""

from mickey_hloc.geometry.camera import backproject, project, resize_intrinsics
from mickey_hloc.geometry.rigid import inverse, kabsch, pose_errors, rotation_angle_deg, transform
from mickey_hloc.geometry.vcre import benchmark_grid, virtual_correspondence_errors

__all__ = [
    "backproject",
    "benchmark_grid",
    "inverse",
    "kabsch",
    "pose_errors",
    "project",
    "resize_intrinsics",
    "rotation_angle_deg",
    "transform",
    "virtual_correspondence_errors",
]
