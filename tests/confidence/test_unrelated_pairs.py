"""Photos of different places get no pose, right poses are kept: the bundled model on rooms, and on real photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from support.solver_scenes import FINDING

from mickey_hloc.confidence import accept, shipped_calibrations
from mickey_hloc.confidence.judging import judge
from mickey_hloc.datasets.mapfree import REFERENCE, find_scenes, read_scene
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.images import image_to_tensor, read_image
from mickey_hloc.model.matching import mutual_nearest_neighbours
from mickey_hloc.model.mickey import MetricKeypoints, MicKey
from mickey_hloc.rooms.cameras import PairOptions
from mickey_hloc.rooms.pairs import sample_pair
from mickey_hloc.solvers import PoseProblem, View, get_solver
from mickey_hloc.weights.checkpoints import load_model

ROOMS = 12
SIZE = (640, 480)


@dataclass(frozen=True, eq=False)
class Seen:
    """What the model finds in one photo."""

    found: MetricKeypoints
    view: View
    K: np.ndarray


@pytest.fixture(scope="module")
def see() -> Callable[[np.ndarray, np.ndarray], Seen]:
    """A function of (image, K)."""
    model = load_model("small", device="cpu", precision="fp32")

    def of(image: np.ndarray, K: np.ndarray) -> Seen:
        with torch.inference_mode():
            found = model(image_to_tensor(image))
        view = View(found.keypoints[0].clone(), found.depths[0].clone(), torch.from_numpy(K).float(), SIZE)
        return Seen(found, view, K)

    of.model = model  # type: ignore[attr-defined]
    return of


def problem_of(model: MicKey, a: Seen, b: Seen) -> PoseProblem:
    with torch.inference_mode():
        matches, scores = mutual_nearest_neighbours(model.match(a.found, b.found)[0])
        probability = model.correspondence_probability(a.found, b.found)[0]
    return PoseProblem(a.view, b.view, matches.clone(), scores.clone(), probability.clone())


def accepted(name: str, problems: Iterable[PoseProblem]) -> list[tuple[RelativePose, RelativePose]]:
    """Estimates and what acceptance makes of them."""
    solver, calibration = get_solver(name), shipped_calibrations().find("small", name)
    estimates = [solver.solve(problem, seed) for seed, problem in enumerate(problems)]
    return [(estimate, accept(estimate, calibration)) for estimate in estimates]


def kept_and_right(results, truths, Ks) -> tuple[int, int]:
    rows = zip(results, truths, Ks, strict=True)
    right = [judge(estimate, truth, K, SIZE).is_correct for (estimate, _), truth, K in rows]
    return sum(pose.success for (_, pose), good in zip(results, right, strict=True) if good), sum(right)


@pytest.fixture(scope="module")
def rooms(see):
    pairs = [sample_pair(5_000_000 + i, SIZE, PairOptions(fov_deg=(60, 66))) for i in range(ROOMS)]
    views = [[see(view.image, view.K) for view in (pair.view0, pair.view1)] for pair in pairs]
    return pairs, views


@pytest.mark.parametrize("name", FINDING)
def test_rooms(name: str, rooms, see) -> None:
    pairs, views = rooms
    results = accepted(name, (problem_of(see.model, *pair) for pair in views))
    kept, right = kept_and_right(results, [p.cam1_from_cam0 for p in pairs], [p.view0.K for p in pairs])
    assert right >= ROOMS // 2
    assert kept >= 0.7 * right
    unrelated = [problem_of(see.model, views[i][0], views[(i + 1) % ROOMS][1]) for i in range(ROOMS)]
    assert sum(pose.success for _, pose in accepted(name, unrelated)) <= 1


@pytest.mark.parametrize("name", ["joint", "probabilistic"])
def test_the_true_distance_lies_in_its_interval(name: str, rooms, see) -> None:
    pairs, views = rooms
    results = accepted(name, (problem_of(see.model, *pair) for pair in views))
    true = [float(np.linalg.norm(pair.cam1_from_cam0.translation)) for pair in pairs]
    found = [(pose, length) for (_, pose), length in zip(results, true, strict=True) if pose.success]
    inside = {
        95: np.mean([pose.distance_95_m[0] <= length <= pose.distance_95_m[1] for pose, length in found]),
        68: np.mean([pose.distance_68_m[0] <= length <= pose.distance_68_m[1] for pose, length in found]),
    }
    assert inside[95] >= 0.75
    assert 0.3 <= inside[68] <= inside[95]


@pytest.mark.parametrize("name", FINDING)
def test_real_photos(name: str, data: Path, see) -> None:
    """Every second query of two places, and photos of the one against photos of the other."""
    places: list[list[tuple[Seen, list[tuple[Seen, pycolmap.Rigid3d]]]]] = []
    for place in ("redkitchen", "fr1_rpy"):
        if not (data / place).is_dir():
            pytest.skip(f"{place} is not in the folder of real images")
        scenes = []
        for folder in find_scenes(data / place, "val")[:1]:
            scene = read_scene(folder)

            def photo(frame: str, folder=folder, scene=scene) -> Seen:
                return see(read_image(folder / frame), scene.intrinsics[frame].K)

            queries = scene.queries("all")[::2][:10]
            scenes.append((photo(REFERENCE), [(photo(q), scene.poses[q]) for q in queries]))
        places.append(scenes)
    related = [
        (reference, query, pose) for scenes in places for reference, queries in scenes for query, pose in queries
    ]
    results = accepted(name, (problem_of(see.model, a, b) for a, b, _ in related))
    kept, right = kept_and_right(results, [pose for *_, pose in related], [a.K for a, *_ in related])
    assert right >= 5
    assert kept >= 0.6 * right
    here, there = ([seen for _, queries in scenes for seen, _ in queries] for scenes in places)
    unrelated = [problem_of(see.model, a, there[(i + s) % len(there)]) for i, a in enumerate(here) for s in (0, 3)]
    assert sum(pose.success for _, pose in accepted(name, unrelated)) <= 1
