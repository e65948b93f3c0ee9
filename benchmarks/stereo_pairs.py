"""Poses and depths of stereo pairs in the layout of Middlebury's evaluation, version 3: their baseline is known.

    python benchmarks/stereo_pairs.py MiddEval3/trainingQ MiddEval3/testQ --weights small

A folder a scene: im0.png, im1.png, calib.txt, and disp0GT.pfm where the disparity is known. The arguments of the method
are those of ``mickey-hloc pose``, with --accept all and --focal-correction depth unless they say otherwise. Scenes that
show another one in other light or with other calibration (MotorcycleE, PianoL, ...) are left out.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image

from mickey_hloc.cli.pose import add_pose_arguments
from mickey_hloc.cli.vocabulary import chosen_method
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.metrics import benchmark_vcre, median_of_all, relative_pose_errors
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.result import Photo, TwoViewResult

VARIANTS = {"MotorcycleE", "PianoL", "Playtable", "AustraliaP", "Classroom2E", "CrusadeP", "DjembeL"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of scenes")
    add_pose_arguments(parser)
    parser.set_defaults(accept="all", focal_correction="depth", device="cpu")
    args = parser.parse_args()
    scenes = sorted(path.parent for root in args.folders for path in root.glob("*/calib.txt"))
    if not scenes:
        parser.error("no folder there has a calib.txt; name folders like MiddEval3/trainingQ")
    estimator = TwoViewEstimator(chosen_method(args))
    poses, depths = [], []
    for folder in (scene for scene in scenes if scene.name not in VARIANTS):
        K0, K1, baseline_m = read_calibration(folder / "calib.txt")
        images = [np.asarray(Image.open(folder / f"im{i}.png").convert("RGB")) for i in (0, 1)]
        try:
            photos = [Photo(f"{folder.name}/im{i}.png", images[i], K) for i, K in enumerate((K0, K1))]
        except InputError as error:  # a principal point outside the image
            print(f"{folder.name:14s} left out: {error}")
            continue
        result = estimator.estimate(photos[0], photos[1])
        poses.append(pose_errors(result, photos[1], baseline_m))
        print(f"{folder.name:14s} baseline {baseline_m:.3f} m: {poses[-1][1]:.3f} m, {poses[-1][2]:.2f} deg", end="")
        truth = folder / "disp0GT.pfm"
        if truth.is_file():
            disparity = read_pfm(truth)
            depth = baseline_m * K0[0, 0] / (disparity + K1[0, 2] - K0[0, 2])
            depths.append(depth_errors(result, np.where(np.isfinite(disparity), depth, np.nan)))
            print(f"; depth {100 * depths[-1][:, 0].mean():+.0f} %", end="")
        print()
    report(np.array(poses), depths)


def read_calibration(path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Intrinsics of both images and the baseline in metres."""
    text = path.read_text(encoding="utf-8")

    def numbers(key: str) -> list[float]:
        found = re.search(rf"{key}=\s*(\[[^]]*\]|[-\d.]+)", text)
        assert found is not None, f"{path} has no {key}"
        return [float(x) for x in re.findall(r"-?[\d.]+", found[1])]

    K0, K1 = (np.array(numbers(f"cam{i}")).reshape(3, 3) for i in (0, 1))
    return K0, K1, numbers("baseline")[0] / 1000.0


def read_pfm(path: Path) -> np.ndarray:
    """(H, W) float32 of a grey PFM file; inf where nothing is known."""
    with path.open("rb") as file:
        assert file.readline().strip() == b"Pf", f"{path} is no grey PFM"
        width, height = map(int, file.readline().split())
        order = "<f4" if float(file.readline()) < 0 else ">f4"
        return np.fromfile(file, order, width * height).reshape(height, width)[::-1]


def pose_errors(result: TwoViewResult, photo1: Photo, baseline_m: float) -> tuple[float, float, float]:
    """VCRE as a share of the diagonal, metres, degrees; infinite without a pose."""
    if not result.pose.success:
        return np.inf, np.inf, np.inf
    R, t = result.pose.R[None], result.pose.t[None]
    truth = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-baseline_m, 0, 0]))
    R_gt, t_gt = truth.rotation.matrix()[None], np.asarray(truth.translation)[None]
    errors = relative_pose_errors(R, t, R_gt, t_gt)
    world = [(r.transpose(0, 2, 1), -(r.transpose(0, 2, 1) @ s[..., None])[..., 0]) for r, s in ((R, t), (R_gt, t_gt))]
    vcre = benchmark_vcre(*world[0], *world[1], photo1.K[None], [photo1.size])
    return float(vcre[0] / np.hypot(*photo1.size)), float(errors.translation_m[0]), float(errors.rotation_deg[0])


def depth_errors(result: TwoViewResult, truth: np.ndarray) -> np.ndarray:
    """(n, 3) log of estimated by true depth, and both logs, at the keypoints with at least the median score."""
    view, scores = result.problem.view0, result.features[0].keypoint_scores
    u, v = view.keypoints.round().long().numpy().T
    true = truth[v.clip(0, len(truth) - 1), u.clip(0, truth.shape[1] - 1)]
    assert view.depths is not None
    estimated = view.depths.numpy()
    usable = np.isfinite(true) & (true > 0) & np.isfinite(estimated) & (estimated > 0)
    if scores is not None:
        usable &= (scores > 0) & (scores >= np.median(scores[scores > 0]))
    logs = np.log(estimated[usable]), np.log(true[usable])
    return np.column_stack([logs[0] - logs[1], *logs])


def report(poses: np.ndarray, depths: list[np.ndarray]) -> None:
    """Figures of all scenes."""
    vcre, t, R = poses.T
    print(f"{len(poses)} scenes: VCRE < 10 % {np.mean(vcre < 0.1):.3f}, ", end="")
    print(f"medians {median_of_all(t):.3f} m, {median_of_all(R):.2f} deg")
    if depths:
        every, bias = np.concatenate(depths), np.array([rows[:, 0].mean() for rows in depths])
        inside = np.mean([np.corrcoef(rows[:, 1], rows[:, 2])[0, 1] for rows in depths])
        relative = np.abs(np.expm1(every[:, 0])).mean()
        scale = np.exp(np.median(every[:, 0]))
        print(f"depth of {len(depths)} scenes: relative error {relative:.3f}, scale {scale:.3f}, ", end="")
        print(f"scale from scene to scene {bias.std():.3f} (log), correlation inside an image {inside:.3f}")


if __name__ == "__main__":
    main()
