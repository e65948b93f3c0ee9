"""The folder of somebody who follows the documents: photos, depth, models and data sets under the names used there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mickey_hloc.datasets.example import FOLDER, NAMES
from mickey_hloc.datasets.mapfree import read_scene
from mickey_hloc.datasets.room_models import room_model
from mickey_hloc.depth.export import write_depth_png
from mickey_hloc.evaluation.submission import Estimate, write_submission
from mickey_hloc.io.poses import format_numbers
from mickey_hloc.rooms import RenderedView
from mickey_hloc.rooms.walk import sample_walk
from support.rendered_scenes import write_scene

SIZE = (840, 630)
WALK = ("table.jpg", *(f"{number}.jpg" for number in range(1, 8)))
KNOWN_PX, KNOWN_M = ((210, 340), (815, 362)), 1.60  # what the documents say of table.jpg
FOCAL_35MM = 29  # of the shipped photos: 517 px


def write_folder(folder: Path) -> Path:
    """Everything that commands and snippets of the documents take as given."""
    folder.mkdir(parents=True, exist_ok=True)
    _two_photos(folder)
    views = _walk(folder / "photos")
    shutil.copytree(folder / "photos", folder / "walk")
    (folder / "model").mkdir()
    room_model(views, WALK, points_per_view=600, units_per_metre=0.5).write(str(folder / "model"))
    _pairs(folder, views)
    _map_free(folder)
    _scannet(folder)
    return folder


def _two_photos(folder: Path) -> None:
    """The shipped pair with a focal length in the EXIF data, its depth and its intrinsics."""
    exif = Image.Exif()
    exif[0x8769] = {0xA405: FOCAL_35MM}
    for path in FOLDER.iterdir():
        if path.name in NAMES:
            Image.open(path).save(folder / path.name, exif=exif, quality=95)
        elif path.name != "poses.txt":  # the truth; a page writes a file of this name
            shutil.copy(path, folder)


def _walk(folder: Path) -> list[RenderedView]:
    """Photos with depth of a rendered room, so large that the line in table.jpg is as long as the documents say."""
    views, _ = sample_walk(0, len(WALK), SIZE)
    ends = [np.linalg.solve(views[0].K, [x, y, 1.0]) * float(views[0].depth[y, x]) for x, y in KNOWN_PX]
    larger = KNOWN_M / float(np.linalg.norm(ends[1] - ends[0]))
    folder.mkdir()
    made: list[RenderedView] = []
    for name, view in zip(WALK, views, strict=True):
        pose = view.cam_from_world.copy()
        pose[:, 3] *= larger
        made.append(replace(view, depth=view.depth * larger, cam_from_world=pose))
        Image.fromarray(view.image).save(folder / name, quality=95)
        write_depth_png((folder / name).with_suffix(".sensor.png"), torch.from_numpy(made[-1].depth))
    return made


def _pairs(folder: Path, views: Sequence[RenderedView]) -> None:
    """Pairs of all photos but the last, pairs of the last one with the others, and the cameras."""
    known, query = WALK[:-1], WALK[-1]
    pairs = [f"{a} {b}\n" for i, a in enumerate(known) for b in known[i + 1 :]]
    (folder / "pairs.txt").write_text("".join(pairs))
    (folder / "query-pairs.txt").write_text("".join(f"{query} {name}\n" for name in known))
    K = views[0].K
    camera = f"{format_numbers([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])} {SIZE[0]} {SIZE[1]}"
    with open(folder / "intrinsics.txt", "a", encoding="utf-8") as file:
        file.writelines(f"{name} {camera}\n" for name in WALK)


def _map_free(folder: Path) -> None:
    """Two data sets in Map-free's layout, one with the depth of another network, and two submissions."""
    dataset = folder / "datasets" / "mapfree"
    scene = read_scene(write_scene(dataset / "val" / "s00460", 3))
    for path in dataset.rglob("*.sensor.png"):
        shutil.copy(path, path.with_name(path.name.replace("sensor", "dptkitti")))
    shutil.copytree(dataset, folder / "redkitchen")
    estimates = {frame: Estimate(scene.poses[frame], 1.0) for frame in scene.frames()}
    for name in ("mine", "theirs"):
        write_submission(folder / f"{name}.zip", {scene.path.name: estimates})


def _scannet(folder: Path) -> None:
    """A list of one pair in SuperGlue's format, and its images with the sensor's depth."""
    scene = read_scene(folder / "datasets" / "mapfree" / "val" / "s00460")
    target = folder / "datasets" / "scannet_test_1500" / "scene0707_00"
    target.mkdir(parents=True)
    first, second = "seq0/frame_00000.jpg", scene.frames()[0]
    matrices = []
    for number, name in enumerate((first, second)):
        shutil.copy(scene.path / name, target / f"{number}.jpg")
        shutil.copy((scene.path / name).with_suffix(".sensor.png"), target / f"{number}.depth.png")
        K = scene.intrinsics[name].K.copy()
        K[0] *= 1296 / 320
        K[1] *= 968 / 240
        matrices.append(K)
    T = np.eye(4)
    T[:3] = np.asarray(scene.poses[second].matrix())
    numbers = " ".join(repr(float(value)) for array in (*matrices, T) for value in array.ravel())
    line = f"scene0707_00/0.jpg scene0707_00/1.jpg 0 0 {numbers}\n"
    (folder / "scannet_test_pairs_with_gt.txt").write_text(line)
