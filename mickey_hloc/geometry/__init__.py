"""Pure functions of cameras and rigid motions, batched; nothing else of this package is known here.

- ``camera``: back-projection, projection, intrinsics under resize, and the convention of pixels.
- ``rigid``: inverse motions and camera centres (the one place for them), Kabsch alignment, angles, pose errors.
- ``averaging``: robust medians and the consensus of several poses of one camera.
- ``epipolar``: fundamental matrices, distances from epipolar lines, triangulated depths.
- ``vcre``: virtual correspondence reprojection errors, the metric of Map-free and a loss of MicKey.
- ``relative_pose``: a metric relative pose, or an honest failure; ``pose_arrays``: pycolmap's poses as arrays.
"""

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
