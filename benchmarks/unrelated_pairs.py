"""How many unrelated pairs get a pose, and how many right poses are kept, for every solver.

    python benchmarks/unrelated_pairs.py PLACE OTHER_PLACE [--pairs 500] [--feature sift --depth png:sensor]

PLACE and OTHER_PLACE are folders in Map-free layout that show different places. Unrelated pairs are one photo of each;
the reference-query pairs of both validation splits have true poses. Poses are accepted with the shipped calibrations.
"""

import argparse
import os
import random
from pathlib import Path

import numpy as np
import torch

from mickey_hloc.cli.pose import load_photos
from mickey_hloc.confidence import AcceptanceOptions, accept, shipped_calibrations
from mickey_hloc.confidence.judging import judge
from mickey_hloc.confidence.reliability import expected_calibration_error
from mickey_hloc.datasets.mapfree import REFERENCE, find_scenes, read_scene
from mickey_hloc.solvers import SOLVERS, get_solver
from mickey_hloc.two_view.estimator import Photo, TwoViewEstimator, TwoViewOptions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", type=Path, nargs=2)
    parser.add_argument("--split", default="val")
    parser.add_argument("--pairs", type=int, default=500, help="unrelated ones (default: %(default)s)")
    parser.add_argument("--feature", default="small", help="small or sift (default: %(default)s)")
    parser.add_argument("--depth", default="mickey", help="a depth source (default: %(default)s)")
    parser.add_argument("--solver", action="append", help="repeatable; default: all")
    parser.add_argument("--min-confidence", type=float, default=0.0, help="default: %(default)s")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'solver':16}{'unrelated':>10}{'accepted':>10}{'correct':>9}{'kept':>8}{'precision':>11}{'ECE':>7}")
    for name in args.solver or SOLVERS.names:
        measure(name, args)


def measure(name: str, args: argparse.Namespace) -> None:
    """Print one solver's line."""
    root = Path(os.path.commonpath([place.resolve() for place in args.places]))
    calibration = shipped_calibrations().find(args.feature, name)
    options, solver = AcceptanceOptions(min_confidence=args.min_confidence), get_solver(name)
    model = {"feature": "sift", "weights": "small"} if args.feature == "sift" else {"weights": args.feature}
    estimator = TwoViewEstimator(TwoViewOptions(**model, depth=args.depth, solver=name), image_dir=root)
    posed, photos = [], []
    for place in args.places:
        photos.append([])
        for folder in find_scenes(place.resolve(), args.split):
            scene = read_scene(folder)
            reference = photo(root, folder / REFERENCE)
            for query in scene.queries("all"):
                photos[-1].append(photo(root, folder / query))
                estimate = solver.solve(estimator.estimate(reference, photos[-1][-1]).problem)
                row = judge(estimate, scene.poses[query], reference.K, reference.size)
                posed.append((accept(estimate, calibration, options=options), row.is_correct))
    draw, unrelated = random.Random(0), []
    for _ in range(args.pairs):
        problem = estimator.estimate(*(draw.choice(of_place) for of_place in photos)).problem
        unrelated.append(accept(solver.solve(problem), calibration, options=options).success)
    right = np.array([is_correct for _, is_correct in posed])
    accepted = np.array([pose.success for pose, _ in posed])
    ece = expected_calibration_error(np.array([pose.confidence for pose, _ in posed]), right)
    print(
        f"{name:16}{len(unrelated):10d}{np.mean(unrelated):10.4f}{right.sum():9d}{accepted[right].mean():8.3f}"
        f"{right[accepted].mean():11.3f}{ece:7.3f}",
        flush=True,
    )


def photo(root: Path, path: Path) -> Photo:
    """A photo of a scene, named by its path in the folder above both places."""
    found, _ = load_photos((path, path), path.parents[1] / "intrinsics.txt", None, path.parents[1])
    return Photo(str(path.relative_to(root)), found[0].image, found[0].K)


if __name__ == "__main__":
    main()
