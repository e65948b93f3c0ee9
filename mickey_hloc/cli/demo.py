"""``mickey-hloc demo``: the pose of two views of a rendered room, beside the truth. Needs no files."""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import pycolmap
import torch

from mickey_hloc.cli.pose import add_method_arguments, estimate, load_photos
from mickey_hloc.cli.pose_report import pose_as_json, pose_as_text, save_pictures
from mickey_hloc.errors import InputError
from mickey_hloc.geometry import pose_errors
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.files import atomic_path
from mickey_hloc.rooms import PairOptions, RenderedPair, RoomError, sample_pair
from mickey_hloc.visualization import save_image

BUNDLED = "small"
VIEWS = PairOptions(fov_deg=(60.0, 66.0), baseline_m=(0.1, 1.0))  # like those that the bundled model was trained on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the arguments of ``demo``."""
    parser.add_argument(
        "--room", type=int, default=7, metavar="SEED", help="which room and views; default: %(default)s"
    )
    add_method_arguments(parser)
    # A small model's depths are off by a scale of their own in every image; this solver estimates it.
    parser.set_defaults(weights=BUNDLED, solver="joint", out=Path("mickey-hloc-demo"))


def run(args: argparse.Namespace) -> int:
    """Render, write the files a user would have, estimate from them, compare; 1 when there is no pose."""
    try:
        pair = sample_pair(args.room, options=VIEWS)
    except RoomError as error:
        raise InputError(str(error)) from error
    paths = write_pair(pair, args.out)
    intrinsics = args.out / "intrinsics.txt"
    photos, image_dir = load_photos(paths, intrinsics, None)
    result = estimate(args, photos, image_dir)
    if args.json:
        print(pose_as_json(result))
    else:
        print(pose_as_text(result, photos))
        print(truth_as_text(result.pose, pair.cam1_from_cam0))
    saved = save_pictures(result, photos, args.out)
    print(f"pictures: {', '.join(str(path) for path in saved)}", file=sys.stderr)
    method = f"--feature {args.feature} --depth {args.depth} --weights {args.weights} --solver {args.solver}"
    files = f"{paths[0]} {paths[1]} --intrinsics {intrinsics}"
    print(f"the same from files: mickey-hloc pose {files} {method}", file=sys.stderr)
    return 0 if result.pose.success else 1


def write_pair(pair: RenderedPair, folder: Path) -> tuple[Path, Path]:
    """Save both images, their exact depth (16-bit PNG, millimetres) and intrinsics.txt; return the image paths."""
    paths, lines = [], ["# name fx fy cx cy w h"]
    for name, view in (("reference", pair.view0), ("query", pair.view1)):
        path = folder / f"{name}.png"
        save_image(path, view.image)
        millimetres = np.clip(np.round(view.depth * 1000), 0, 65534).astype(np.uint16)
        with atomic_path(folder / f"{name}.exact.png") as temporary:
            temporary.write_bytes(cv2.imencode(".png", millimetres)[1].tobytes())
        height, width = view.depth.shape
        K = view.K
        lines.append(f"{path.name} {K[0, 0]:.6f} {K[1, 1]:.6f} {K[0, 2]:.6f} {K[1, 2]:.6f} {width} {height}")
        paths.append(path)
    with atomic_path(folder / "intrinsics.txt") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    return paths[0], paths[1]


def truth_as_text(pose: RelativePose, cam1_from_cam0: pycolmap.Rigid3d) -> str:
    """The true pose, and how far the estimate is from it."""
    x, y, z, w = np.array(cam1_from_cam0.rotation.quat) * (-1 if cam1_from_cam0.rotation.quat[3] < 0 else 1)
    t = cam1_from_cam0.translation
    numbers = f"{w:.6f} {x:.6f} {y:.6f} {z:.6f}  {' '.join(f'{v:.4f}' for v in t)}"
    lines = [f"  truth         {numbers}  ({np.linalg.norm(t):.3f} m)"]
    if pose.success:
        R_gt, t_gt = torch.from_numpy(cam1_from_cam0.rotation.matrix()), torch.from_numpy(np.asarray(t))
        rotation_deg, translation_m = pose_errors(torch.from_numpy(pose.R), torch.from_numpy(pose.t), R_gt, t_gt)
        lines.append(f"  error         {float(rotation_deg):.3f} degrees, {100 * float(translation_m):.2f} cm")
    return "\n".join(lines)
