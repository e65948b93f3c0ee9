"""All solvers side by side, on the same matches: made-up scenes, or the pairs of a Map-free folder.

    python benchmarks/solvers.py
    python benchmarks/solvers.py --dataset DATASET --split val --depth png:sensor
    python benchmarks/solvers.py --solver pnp --solver pnp:refine=true,backend=poselib

Real pairs are matched once with RootSIFT and mutual nearest neighbours under a ratio test. Failed pairs count as
infinitely wrong, in the medians too.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.cli.pose import load_photos
from mickey_hloc.datasets.mapfree import find_scenes, read_scene
from mickey_hloc.geometry import backproject, pose_errors, project, transform, virtual_correspondence_errors
from mickey_hloc.geometry.rigid import skew
from mickey_hloc.registry import parse_assignments
from mickey_hloc.solvers import PoseProblem, Solver, View, get_solver
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.method import Method

DEFAULT = [
    "procrustes",
    "procrustes:refine=true",
    "procrustes:icp=true",
    "pnp",
    "pnp:refine=true",
    "pnp:backend=poselib",
]
DEFAULT += ["essential", "essential:refine=true", "essential:backend=poselib", "joint", "joint:free_shifts=true"]
NOISE = [(0.5, 0.01, 0.3), (1.0, 0.03, 0.5), (3.0, 0.1, 0.5)]  # px, relative depth, share of outliers


@dataclass(frozen=True)
class Pair:
    """A problem with its true cam1_from_cam0: R (3, 3) and t (3,) metres."""

    problem: PoseProblem
    R: Tensor
    t: Tensor


def main() -> None:
    """Print one table for each set of pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="a folder in Map-free layout; default: made-up scenes")
    parser.add_argument("--split", default="val")
    parser.add_argument("--depth", default="png:sensor")
    parser.add_argument("--max-ratio", type=float, default=0.8)
    parser.add_argument("--solver", action="append", metavar="NAME[:KEY=VALUE,...]", help="repeatable; default: all")
    parser.add_argument("--seeds", type=int, default=20, help="made-up scenes of each kind")
    args = parser.parse_args()
    names = args.solver or DEFAULT
    if args.dataset is not None:
        table(names, list(real_pairs(args)), f"{args.dataset} {args.split}, {args.depth}")
        return
    names = [name for name in names if "icp" not in name]  # scenes of points have no dense depth
    for noise in NOISE:
        pairs = [made_up_pair(*noise, seed) for seed in range(args.seeds)]
        table(names, pairs, "noise {} px, depth {:.0%}, outliers {:.0%}".format(*noise))


def real_pairs(args: argparse.Namespace) -> Iterator[Pair]:
    """Every reference-query pair of a Map-free folder, with dense depth."""
    method = Method(
        feature="sift",
        matcher_options={"max_ratio": args.max_ratio},
        depth=args.depth,
        solver="procrustes",
        solver_options={"icp": True},
    )
    for folder in find_scenes(args.dataset, args.split):
        scene, estimator = read_scene(folder), TwoViewEstimator(method, image_dir=folder)
        for query in scene.queries("all"):
            paths = folder / "seq0/frame_00000.jpg", folder / query
            photos, _ = load_photos(paths, folder / "intrinsics.txt", None, folder)
            truth = scene.poses[query]
            R, t = np.array(truth.rotation.matrix()), np.array(truth.translation)
            yield Pair(estimator.estimate(*photos).problem, torch.from_numpy(R), torch.from_numpy(t))


def made_up_pair(noise_px: float, depth_noise: float, outliers: float, seed: int) -> Pair:
    """100 right matches of points 1.5 to 5 m away, and wrong ones, between two 640 x 480 images."""
    g = torch.Generator().manual_seed(seed)
    size = torch.tensor([640.0, 480.0], dtype=torch.float64)
    K = torch.tensor([[525.0, 0, 319.5], [0, 525, 239.5], [0, 0, 1]], dtype=torch.float64)
    R = torch.linalg.matrix_exp(skew(0.2 * torch.randn(3, generator=g, dtype=torch.float64)))
    t = 0.4 * torch.randn(3, generator=g, dtype=torch.float64)
    num, wrong = 100, round(100 * outliers / (1 - outliers))
    keypoints = [torch.rand(num + wrong, 2, generator=g, dtype=torch.float64) * size for _ in range(2)]
    depths = [1.5 + 3.5 * torch.rand(num + wrong, generator=g, dtype=torch.float64) for _ in range(2)]
    moved = transform(R, t, backproject(keypoints[0][:num], depths[0][:num], K))
    keypoints[1][:num], depths[1][:num] = project(moved, K), moved[:, 2]

    def noisy(values: Tensor, sigma: float | Tensor) -> Tensor:
        return values + sigma * torch.randn(values.shape, generator=g, dtype=torch.float64)

    view0, view1 = (
        View(noisy(kp, noise_px), noisy(z, depth_noise * z), K, (640, 480))
        for kp, z in zip(keypoints, depths, strict=True)
    )
    index = torch.arange(num + wrong)
    return Pair(PoseProblem(view0, view1, torch.stack([index, index], dim=-1)), R, t)


def table(names: list[str], pairs: list[Pair], title: str) -> None:
    """Run the solvers and print their figures."""
    print(f"\n{title}: {len(pairs)} pairs")
    heads = ["VCRE<10%", "<10 px", "med px", "med m", "med deg", "failed", "wrong", "ms"]
    print(f"{'solver':32}" + "".join(f"{head:>9}" for head in heads))
    for name in names:
        method, _, options = name.partition(":")
        solver = get_solver(method, **parse_assignments(options.split(",") if options else []))
        start = time.perf_counter()
        errors = np.array([pair_errors(solver, pair, seed) for seed, pair in enumerate(pairs)])
        milliseconds = 1000 * (time.perf_counter() - start) / len(pairs)
        vcre, limit, metres, degrees = errors.T
        failed = int(np.isinf(vcre).sum())
        wrong = int(((vcre >= limit) & np.isfinite(vcre)).sum())
        medians = np.median(vcre), np.median(metres), np.median(degrees)
        print(
            f"{name:32}{(vcre < limit).mean():9.3f}{(vcre < 10).mean():9.3f}{medians[0]:9.2f}{medians[1]:9.4f}"
            f"{medians[2]:9.3f}{failed:9d}{wrong:9d}{milliseconds:9.0f}",
            flush=True,
        )


def pair_errors(solver: Solver, pair: Pair, seed: int) -> tuple[float, float, float, float]:
    """VCRE and 10 % of the image diagonal in pixels, metres, degrees; inf for a failure."""
    size = pair.problem.view0.image_size
    assert size is not None
    limit = 0.1 * float(np.hypot(*size))
    pose = solver.solve(pair.problem, seed)
    if not pose.success:
        return np.inf, limit, np.inf, np.inf
    R, t = torch.from_numpy(pose.R), torch.from_numpy(np.array(pose.t))
    degrees, metres = pose_errors(R, t, pair.R, pair.t)
    vcre = virtual_correspondence_errors(R, t, pair.R, pair.t, pair.problem.view0.K.double(), size)
    return float(vcre), limit, float(metres), float(degrees)


if __name__ == "__main__":
    main()
