"""The commands that write more than one file or take long, each ready to run as ``step_runs`` runs the steps."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from mickey_hloc.cli import main
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.poses import write_poses
from mickey_hloc.rooms.walk import sample_walk
from support.posed_scenes import make_scene
from support.rendered_scenes import write_view
from support.room_depth import model_of, names, walk
from support.tiny_training import tiny_values, write_world

NEEDS = {"train": ("lightning", "tensorboard"), "sfm": ("hloc",)}
COMMANDS = tuple(
    name
    for name in ("train", "rooms", "benchmark", "sfm", "depth", "calibrate", "scale", "pose_graph")
    if all(importlib.util.find_spec(package) for package in NEEDS.get(name, ()))
)
TRACKED = ("--feature", "sift", "--matcher", "nn-mutual")


@dataclass(frozen=True)
class Command:
    """A command whose output goes to a path; called with it, it returns the exit status."""

    arguments: Callable[[Path], list[str]]

    def __call__(self, path: Path) -> int:
        return main(self.arguments(path))


def _train(folder: Path, size: int) -> tuple[Command, str]:
    write_world(folder / "world")
    config = folder / "tiny.yaml"
    values = tiny_values(folder / "world", folder / "nowhere", trainer__max_epochs=2 + size // 3, trainer__threads=1)
    config.write_text(yaml.safe_dump({**values, "name": "run"}))
    return Command(lambda path: ["train", str(config), f"output={path.parent}"]), "run"


def _rooms(folder: Path, size: int) -> tuple[Command, str]:
    how = ["--size", "32", "24", "--places", "1", "--views", "2", "--rooms", str(2 + size // 2)]
    return Command(lambda path: ["rooms", str(path), *how]), "rooms"


def write_walls(folder: Path, seed: int, queries: int) -> Path:
    """A Map-free layout with one scene: a textured wall 2 m away, with its depth, seen by cameras in a row."""
    width, height, focal_px, distance_m, step_m = 240, 180, 200.0, 2.0, 0.02
    scene, draw = folder / "val" / f"s{seed:05d}", np.random.default_rng(seed)
    cells = draw.integers(0, 255, (height // 6, width // 6 + queries, 3), dtype=np.uint8)
    wall = cells.repeat(6, axis=0).repeat(6, axis=1)
    poses, intrinsics = [], []
    for i in range(queries + 1):
        name = "seq0/frame_00000.jpg" if i == 0 else f"seq1/frame_{i - 1:05d}.jpg"
        left = round(focal_px * step_m * i / distance_m)
        (scene / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wall[:height, left : left + width]).save(scene / name, quality=95)
        depth = np.full((height, width), 1000 * distance_m, np.uint16)
        Image.fromarray(depth).save((scene / name).with_suffix(".sensor.png"))
        poses.append(f"{name} 1 0 0 0 {-left * distance_m / focal_px} 0 0\n")
        camera = f"{focal_px} {focal_px} {(width - 1) / 2} {(height - 1) / 2} {width} {height}"
        intrinsics.append(f"{name} {camera}\n")
    (scene / "poses.txt").write_text("".join(poses))
    (scene / "intrinsics.txt").write_text("".join(intrinsics))
    return folder


def _benchmark(folder: Path, size: int) -> tuple[Command, str]:
    data = write_walls(folder / "data", 1, 4 + size)
    how = [*TRACKED, "--depth", "png:sensor", "--solver", "procrustes", "--track", "all"]
    return Command(lambda path: ["benchmark", "mapfree", str(data), "--output", str(path), *how]), "benchmark"


def _sfm(folder: Path, size: int) -> tuple[Command, str]:
    for number, view in enumerate(sample_walk(3, 5, (320, 240))[0]):
        write_view(folder / "images" / f"{number}.jpg", view)
        (folder / "images" / f"{number}.sensor.png").unlink()
    return Command(lambda path: ["sfm", str(folder / "images"), "--output", str(path), *TRACKED]), "sfm"


def _depth(folder: Path, size: int) -> tuple[Command, str]:
    images = folder / "images"
    images.mkdir()
    for number in range(20 * size):
        drawn = np.random.default_rng(number).integers(500, 5000, (120, 160)).astype(np.uint16)
        Image.fromarray(drawn).save(images / f"{number:04d}.tum.png")
        Image.fromarray((drawn >> 5).astype(np.uint8)).save(images / f"{number:04d}.jpg")
    how = ["--images", str(images), "--name", "mm"]
    return Command(lambda path: ["depth", "png:tum@5000", *how, "--output", str(path)]), "depth"


def _calibrate(folder: Path, size: int) -> tuple[Command, str]:
    places = [str(write_walls(folder / name, seed, 11)) for seed, name in enumerate(("house", "office"))]
    how = [*TRACKED, "--depth", "png:sensor", "--solver", "procrustes", "--unrelated", "30"]
    return Command(lambda path: ["calibrate", *places, *how, "--output", str(path)]), "calibrations.json"


def _scale(folder: Path, size: int) -> tuple[Command, str]:
    views = walk()[0]
    for name, view in zip(names(views), views, strict=True):
        write_view(folder / "images" / name, view)
    (folder / "sfm").mkdir()
    model_of(views, units_per_metre=2.5, keypoint_std=0.3).write(str(folder / "sfm"))
    how = ["--images", str(folder / "images"), "--depth", "png:sensor", "--tum", "--ply", "--overwrite"]
    return Command(lambda path: ["scale", str(folder / "sfm"), "--output", str(path), *how]), "metric"


def _pose_graph(folder: Path, size: int) -> tuple[Command, str]:
    scene = make_scene(folder / "scene", num_images=20 * size)
    count = len(scene.names)
    pairs = [(scene.names[i], scene.names[j]) for i in range(count) for j in range(i + 1, min(i + 6, count))]
    poses = {pair: RelativePose(True, scene.truth(*pair), confidence=0.5) for pair in pairs}
    write_poses(folder / "poses.txt", poses)
    return Command(lambda path: ["pose-graph", str(folder / "poses.txt"), "--output", str(path)]), "graph"
