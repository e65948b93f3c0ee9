"""Estimates of pairs whose truth is known: pairs of one place with their true poses, and pairs of different places."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from tqdm import tqdm

from mickey_hloc.confidence.fit import Judgement
from mickey_hloc.confidence.judging import judge
from mickey_hloc.datasets.mapfree import REFERENCE, MapFreeScene, find_scenes, read_scene
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.images import read_image
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.method import Method
from mickey_hloc.two_view.result import Photo


@dataclass(frozen=True, eq=False)
class JudgedPair:
    """A solver's estimate of a pair, before acceptance, and what is true of it."""

    estimate: RelativePose
    judgement: Judgement


def judged_pairs(
    method: Method, places: Sequence[Path], split: str = "val", num_unrelated: int = 500, progress: bool = True
) -> Iterator[JudgedPair]:
    """Estimate the reference-query pairs of all scenes, and pairs of photos of different places.

    Args:
        places: folders in Map-free layout that show different places.
        split: of each.
        num_unrelated: pairs of one photo of each of two places, drawn by the method's seed; 0 for none.
        progress: show a bar on stderr.

    Raises:
        InputError: no such folder, no true poses, or a single place where unrelated pairs are wanted.
    """
    if num_unrelated and len(places) < 2:
        raise InputError("Unrelated pairs need two places or more: give the folder of another place.")
    root = Path(os.path.commonpath([Path(place).resolve() for place in places]))
    estimator = TwoViewEstimator(method, root)
    scenes = [[read_scene(path) for path in find_scenes(Path(place).resolve(), split)] for place in places]
    posed = [(scene, query) for of_place in scenes for scene in of_place for query in scene.queries("all")]
    with tqdm(total=len(posed) + num_unrelated, desc="pairs", disable=not progress) as bar:
        for scene, query in posed:
            truth = scene.poses[query]
            if truth is None:
                raise InputError(f"The poses of {scene.path} are withheld; give a split with true poses.")
            yield _judged(estimator, _photo(root, scene, REFERENCE), _photo(root, scene, query), truth)
            bar.update()
        draw = random.Random(method.seed)
        for _ in range(num_unrelated):
            of_places = draw.sample(scenes, 2)
            chosen = [draw.choice(of_place) for of_place in of_places]
            photos = [_photo(root, scene, draw.choice(scene.queries("all"))) for scene in chosen]
            yield _judged(estimator, photos[0], photos[1], None)
            bar.update()


def _judged(estimator: TwoViewEstimator, photo0: Photo, photo1: Photo, truth: pycolmap.Rigid3d | None) -> JudgedPair:
    problem = estimator.estimate(photo0, photo1).problem
    estimate = estimator.parts.solver.solve(problem, estimator.method.seed)
    return JudgedPair(estimate, judge(estimate, truth, photo0.K, photo0.size))


def _photo(root: Path, scene: MapFreeScene, frame: str) -> Photo:
    """A photo of a scene, named by its path in the folder above all places."""
    path = scene.path / frame
    name = path.resolve().relative_to(root).as_posix()
    return Photo(name, read_image(path, "ignore"), np.asarray(scene.intrinsics[frame].K))
