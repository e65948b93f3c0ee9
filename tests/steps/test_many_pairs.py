"""Memory and open files of the poses step do not grow with the number of pairs."""

import itertools
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.posed_scenes import SIZE, K

from mickey_hloc import estimate_poses
from mickey_hloc.io import recent
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import pair_key
from mickey_hloc.io.pose_journal import PoseJournal

LONG = os.environ.get("MICKEY_LONG_TESTS") == "1"
PAIRS, BATCH, MATCHES = (5000, 50, 1000) if LONG else (1000, 20, 1000)


def write_scene(folder: Path) -> list[tuple[str, str]]:
    random = np.random.default_rng(0)
    names = [f"{i:04d}.jpg" for i in range(110)]
    pairs = list(itertools.combinations(names, 2))[:PAIRS]
    with h5py.File(folder / "feats.h5", "w") as file:
        for name in names:
            group = file.create_group(name)
            group["keypoints"] = random.uniform(0, 200, (MATCHES, 2)).astype(np.float32)
            group["depths"] = np.full(MATCHES, 2.0, np.float32)
            group["image_size"] = np.array(SIZE)
    with h5py.File(folder / "matches.h5", "w") as file:
        for pair in pairs:
            file.create_group(pair_key(*pair))["matches0"] = np.arange(MATCHES, dtype=np.int16)
    (folder / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in pairs))
    camera = " ".join(str(v) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2], *SIZE))
    (folder / "intrinsics.txt").write_text("".join(f"{name} {camera}\n" for name in names))
    return pairs


def run_poses(folder: Path) -> None:
    conf = {"output": "poses", "solver": {"name": "support.fixed_solver:FixedSolver"}, "accept": "all"}
    inputs = (folder / "pairs.txt", folder / "feats.h5", folder / "intrinsics.txt", folder / "matches.h5")
    estimate_poses.main(conf, *inputs, output=folder / "poses.txt", batch_size=BATCH, progress=False)


def test_each_image_is_read_once_and_few_twice_where_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = write_scene(tmp_path)
    images = len({name for pair in pairs for name in pair})
    read, counts, outputs = FeatureFile.read, [], []
    monkeypatch.setattr(FeatureFile, "read", lambda *args, **how: counts.append(1) or read(*args, **how))
    for budget in (128 << 20, 400_000):  # bytes; a view has 12 kB
        monkeypatch.setattr(recent.Recent.__init__, "__defaults__", (budget,))
        counts.clear()
        run_poses(tmp_path)
        outputs.append((tmp_path / "poses.txt").read_bytes())
        (tmp_path / "poses.txt").unlink()
        assert len(counts) <= images * (1 if budget > 1 << 20 else 8)
    assert outputs[0] == outputs[1]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_and_open_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scene(tmp_path)
    memory_mb, files = [], []
    add = PoseJournal.add

    def add_and_look(self, poses, inputs):
        add(self, poses, inputs)
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        memory_mb.append(int(status["RssAnon"].split()[0]) / 1000)
        files.append(len(os.listdir("/proc/self/fd")))

    monkeypatch.setattr(PoseJournal, "add", add_and_look)
    run_poses(tmp_path)
    fifth = len(memory_mb) // 5
    first, last = np.mean(memory_mb[:fifth]), np.mean(memory_mb[-fifth:])
    print(
        f"{PAIRS} pairs: {first:.1f} MB in the first fifth, {last:.1f} MB in the last; {sorted(set(files))} open files"
    )
    assert len(memory_mb) == PAIRS // BATCH
    assert last < 1.05 * first
    assert len(set(files[fifth:])) == 1
