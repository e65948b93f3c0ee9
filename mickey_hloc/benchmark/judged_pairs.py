"""Estimates of pairs whose truth is known: pairs of one place with their true poses, and pairs of different places."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
from tqdm import tqdm

from mickey_hloc.confidence.fit import Judgement
from mickey_hloc.confidence.judging import judge
from mickey_hloc.datasets.mapfree import REFERENCE, MapFreeScene, find_scenes, frame_path, read_overlaps, read_scene
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.images import ExifTurn, read_image
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.method import Method
from mickey_hloc.two_view.result import Photo

_Frame = tuple[MapFreeScene, str]
_Pair = tuple[_Frame, _Frame, pycolmap.Rigid3d | None]
_MIN_OVERLAP = 0.25  # of pairs of training scenes
_PAIRS_A_SCENE = 2  # of them: more photos of one room say little more


@dataclass(frozen=True, eq=False)
class JudgedPair:
    """A solver's estimate of a pair, judged by the method's own acceptance, and what is true of it."""

    estimate: RelativePose
    judgement: Judgement


def judged_pairs(
    methods: Sequence[Method],
    places: Sequence[Path],
    split: str = "val",
    num_unrelated: int = 500,
    progress: bool = True,
) -> Iterator[list[JudgedPair]]:
    """Estimate pairs with true poses, and pairs of photos of different places.

    The former are the reference and each query of a scene; of a training scene, 2 pairs that overlap by 25 % or more.

    Args:
        methods: features and matches that several of them use are made once.
        places: folders in Map-free layout that show different places. The scenes of a single one count as places.
        split: of each; a place without "val" gives its training scenes.
        num_unrelated: pairs of one photo of each of two places, all different, drawn by the first method's seed; 0 for
            none.
        progress: show a bar on stderr.

    Yields:
        The estimates of all methods for one pair; a pair whose photos cannot be read is left out with a warning.

    Raises:
        InputError: no such folder, no true poses, or too few photos for as many unrelated pairs.
    """
    root = Path(os.path.commonpath([Path(place).resolve() for place in places]))
    cache: dict[Any, Any] = {}
    estimators = [TwoViewEstimator(method, root, cache) for method in methods]
    pairs = _pairs_of_places(places, split, num_unrelated, methods[0].seed)
    photo = lru_cache(maxsize=256)(partial(_photo, root, methods[0].exif_turn))
    for (scene0, frame0), (scene1, frame1), truth in tqdm(pairs, desc="pairs", disable=not progress):
        try:
            photos = photo(scene0.path, frame0), photo(scene1.path, frame1)
        except InputError as error:  # costs the pairs of this photo only
            warnings.warn(f"a pair is left out: {error}", UserWarning, stacklevel=2)
            continue
        yield [_judged(estimator, *photos, truth) for estimator in estimators]


def check_places(groups: Sequence[Sequence[Path]], split: str, num_unrelated: int) -> None:
    """Refuse, before the long work, groups of places that ``judged_pairs`` could not make its pairs of.

    Raises:
        InputError: a place is named twice, is missing or has no such scenes, or a group has too few photos.
    """
    named = [Path(place).resolve() for group in groups for place in group]
    for place in named:
        if named.count(place) > 1:
            raise InputError(f"{place} is named twice: its pairs would count double, or as unrelated ones.")
    for group in groups:
        _pairs_of_places(group, split, num_unrelated, 0)


def _pairs_of_places(places: Sequence[Path], split: str, num_unrelated: int, seed: int) -> list[_Pair]:
    scenes = [[read_scene(path) for path in find_scenes(*_split_of(place, split))] for place in places]
    draw = random.Random(seed)
    return _posed(scenes, draw) + _unrelated(scenes, num_unrelated, draw)


def _split_of(place: Path, split: str) -> tuple[Path, str]:
    place = Path(place).resolve()
    wanted = [split, "train"] if split == "val" else [split]
    found = [name for name in wanted if (place / name).is_dir()]
    if not found:
        raise InputError(
            f"{place} has no folder '{split}'; name a folder in Map-free layout, or its split with --split."
        )
    return place, found[0]


def _posed(scenes: list[list[MapFreeScene]], draw: random.Random) -> list[_Pair]:
    """Pairs of every scene, with their true poses."""
    pairs: list[_Pair] = []
    for scene in [scene for of_place in scenes for scene in of_place]:
        for frame0, frame1 in _pairs_of(scene, draw):
            pose0, pose1 = scene.poses[frame0], scene.poses[frame1]
            if pose0 is None or pose1 is None:
                raise InputError(f"The poses of {scene.path} are withheld; give a split with true poses.")
            pairs.append(((scene, frame0), (scene, frame1), pose1 * pose0.inverse()))
    return pairs


def _pairs_of(scene: MapFreeScene, draw: random.Random) -> list[tuple[str, str]]:
    if not (scene.path / "overlaps.npz").is_file():
        return [(REFERENCE, query) for query in scene.queries("all")]
    indices, overlaps = read_overlaps(scene.path / "overlaps.npz")
    seen = indices[overlaps >= _MIN_OVERLAP].tolist()
    chosen = draw.sample(seen, min(_PAIRS_A_SCENE, len(seen)))
    return [(frame_path(*indices[:2]), frame_path(*indices[2:])) for indices in chosen]


def _unrelated(scenes: list[list[MapFreeScene]], count: int, draw: random.Random) -> list[_Pair]:
    """Different pairs of one photo of each of two places."""
    groups = scenes if len(scenes) > 1 else [[scene] for scene in scenes[0]]
    places = [[(scene, frame) for scene in group for frame in scene.poses] for group in groups]
    sizes = np.array([len(place) for place in places])
    if count > (sizes.sum() ** 2 - (sizes**2).sum()):
        raise InputError(
            "Unrelated pairs need two places or more, with enough photos: give the folder of another place."
        )
    pairs = dict[tuple[Path, str, Path, str], _Pair]()
    while len(pairs) < count:
        (scene0, frame0), (scene1, frame1) = (draw.choice(place) for place in draw.sample(places, 2))
        pairs[scene0.path, frame0, scene1.path, frame1] = ((scene0, frame0), (scene1, frame1), None)
    return list(pairs.values())


def _judged(estimator: TwoViewEstimator, photo0: Photo, photo1: Photo, truth: pycolmap.Rigid3d | None) -> JudgedPair:
    estimate = estimator.estimate(photo0, photo1).pose
    return JudgedPair(estimate, judge(estimate, truth, photo0.K, photo0.size))


def _photo(root: Path, exif_turn: ExifTurn, scene: Path, frame: str) -> Photo:
    """A photo of a scene, named by its path in the folder above all places."""
    path = scene / frame
    name = path.resolve().relative_to(root).as_posix()
    return Photo(name, read_image(path, exif_turn), np.asarray(read_scene(scene).intrinsics[frame].K))
