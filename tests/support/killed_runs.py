"""Run both steps again and again, killing them with SIGKILL at random moments, then once to the end.

    python killed_runs.py FOLDER KILLS SEED

Each run is a process of its own, forked from this one so that the imports are paid once. After every kill the output is
opened and compared with that of an undisturbed run. Prints json: for every step and kill how much was stored, and
whether the final file is the undisturbed one, byte by byte.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py

from mickey_hloc import estimate_poses, extract_features
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.poses import read_poses
from support.posed_scenes import make_scene, write_images


def extraction(folder: Path, kills: int) -> tuple[Callable[[Path], object], str]:
    images = folder / "images"
    write_images(images, [(160, 120), (120, 160)] * (4 * kills))
    conf = extract_features.get_conf("sift")
    return lambda path: extract_features.extract(conf, images, path, batch_size=1, progress=False), "feats.h5"


def estimation(folder: Path, kills: int) -> tuple[Callable[[Path], object], str]:
    scene = make_scene(folder / "scene", num_images=6 * kills)
    conf = estimate_poses.get_conf("procrustes")
    files = (scene.pairs, scene.features, scene.intrinsics, scene.matches)
    return lambda path: estimate_poses.main(conf, *files, output=path, batch_size=1, progress=False), "poses.txt"


def run_in_child(step: Callable[[Path], object], path: Path, kill_after_s: float | None) -> bool:
    """Whether the child was killed before it ended."""
    child = os.fork()
    if child == 0:
        step(path)
        os._exit(0)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit(f"the run failed with status {os.WEXITSTATUS(status)}")
    return os.WIFSIGNALED(status)


def content(path: Path) -> dict:
    """What an output holds, by image or pair; an unreadable file raises."""
    if not path.exists():
        return {}
    if path.suffix == ".txt":
        return {pair: pose.quaternion_wxyz.tolist() for pair, pose in read_poses(path).items()}
    with h5py.File(path) as file:
        return {n: {k: v[()].tobytes() for k, v in file[n].items()} for n in FeatureFile(path).names()}


def stored(path: Path) -> int:
    """How much is safe, in the output and in what lies beside it while it is written."""
    parts = path.with_name(path.name + ".parts").glob("*.h5")
    names = set(content(path)).union(*(content(part) for part in parts))
    journal = path.with_name(path.name + ".journal")
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    return len(names) + sum(not line.startswith(b"#") for line in lines)


def kill_often(step: Callable[[Path], object], name: str, folder: Path, kills: int, draw: random.Random) -> dict:
    start = time.monotonic()
    run_in_child(step, folder / "undisturbed" / name, None)
    duration_s = time.monotonic() - start
    whole = content(folder / "undisturbed" / name)
    path = folder / "killed" / name
    done, killed = [], 0
    for _ in range(kills):
        # Short enough that the work is not over before the last kill.
        killed += run_in_child(step, path, draw.uniform(0, 1.2 * duration_s / kills))
        found = content(path)
        assert all(whole[key] == value for key, value in found.items()), "an output differs from the undisturbed one"
        done.append(stored(path))
    run_in_child(step, path, None)
    same = path.read_bytes() == (folder / "undisturbed" / name).read_bytes()
    left = sorted(p.name for p in path.parent.iterdir() if p.name != path.name)
    return {"killed": killed, "stored": done, "of": len(whole), "same_bytes": same, "left_behind": left}


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(seed)
    steps = {"extract": extraction(folder, kills), "poses": estimation(folder, kills)}
    print(json.dumps({key: kill_often(*step, folder / key, kills, draw) for key, step in steps.items()}))


if __name__ == "__main__":
    main()
