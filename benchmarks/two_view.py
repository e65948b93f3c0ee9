"""Accuracy of ``mickey-hloc pose`` on every reference-query pair of a Map-free folder, pair by pair.

    python benchmarks/two_view.py DATASET --split val --feature sift --depth png:sensor

The arguments of the method are those of ``mickey-hloc pose``, and so is the code that runs.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import pycolmap

from mickey_hloc.cli.pose import add_pose_arguments, load_photos
from mickey_hloc.cli.vocabulary import chosen_method
from mickey_hloc.datasets.mapfree import find_scenes, read_scene
from mickey_hloc.evaluation.metrics import benchmark_vcre, relative_pose_errors
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.result import Photo


def main() -> None:
    """Run all pairs and print one line of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="a folder in Map-free layout")
    parser.add_argument("--split", default="val")
    add_pose_arguments(parser)
    parser.set_defaults(feature="sift", depth="png:sensor")
    args = parser.parse_args()
    errors, failures, seconds = [], [], []
    for folder in find_scenes(args.dataset, args.split):
        scene = read_scene(folder)
        estimator = TwoViewEstimator(chosen_method(args), folder)
        for query in scene.queries("all"):
            paths = folder / "seq0/frame_00000.jpg", folder / query
            photos, _ = load_photos(paths, folder / "intrinsics.txt", None, folder)
            result = estimator.estimate(*photos)
            seconds.append(sum(result.seconds.values()))
            if not result.pose.success:
                failures.append(f"{scene.name}/{query}: {result.pose.reason}")
                errors.append((math.inf, 0.0, math.inf, math.inf))
                continue
            errors.append(pair_errors(result.pose, scene.poses[query], photos[1]))
    report(np.array(errors).reshape(-1, 4), failures, seconds)


def pair_errors(pose: RelativePose, truth: pycolmap.Rigid3d, query: Photo) -> tuple[float, float, float, float]:
    """VCRE and 10 % of the image diagonal in pixels, metres, degrees of one pair."""
    R_gt, t_gt = truth.rotation.matrix(), np.asarray(truth.translation)
    errors = relative_pose_errors(pose.R[None], pose.t[None], R_gt[None], t_gt[None])
    centres = [-(R.T @ t)[None] for R, t in ((pose.R, pose.t), (R_gt, t_gt))]
    vcre = benchmark_vcre(pose.R.T[None], centres[0], R_gt.T[None], centres[1], query.K[None], [query.size])
    return float(vcre[0]), 0.1 * math.hypot(*query.size), float(errors.translation_m[0]), float(errors.rotation_deg[0])


def report(errors: np.ndarray, failures: list[str], seconds: list[float]) -> None:
    """Print the figures of all pairs; a failed pair counts as infinitely wrong."""
    total = len(errors)
    for failure in failures:
        print(f"failed {failure}")
    vcre, threshold, translation_m, rotation_deg = errors.T
    print(f"{total} pairs, {len(failures)} failures, median {np.median(seconds):.2f} s a pair")
    print(f"VCRE < 10 % of the diagonal: {float((vcre < threshold).sum()) / total:.3f} of all pairs")
    medians = [float(np.median(values)) for values in (vcre, translation_m, rotation_deg)]
    print("medians: VCRE {:.1f} px, {:.3f} m, {:.2f} deg".format(*medians))


if __name__ == "__main__":
    main()
