"""The steps on a Ray cluster of two nodes on this machine: the bytes of one process, whoever is killed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from support.posed_scenes import make_scene, write_images
from support.ray_runs import (
    GATED,
    GATED_SIZE,
    all_steps,
    busy_worker,
    extract_all,
    meanwhile,
    two_nodes,
    wait_for,
    wait_for_ends,
)

from mickey_hloc.engine import Engine
from mickey_hloc.errors import InputError
from mickey_hloc.features import Extractor, get_extractor
from mickey_hloc.io.features import FeatureFile

pytest.importorskip("ray", reason="Ray is not installed: pip install 'mickey-hloc[ray]'")

from mickey_hloc.engine import pool
from mickey_hloc.engine.on_ray import RayEngine
from mickey_hloc.engine.shards import ShardFolder

LONG = os.environ.get("MICKEY_LONG_TESTS") == "1"
KILLS = 20 if LONG else 2  # of workers


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As Ray's workers have: another number of threads splits sums at other places."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_nodes() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    count = 120 if LONG else 18
    sizes = [GATED_SIZE if i in (count - 1, count - 3) else (160, 120) for i in range(count)]
    write_images(folder, sizes)  # the last two names are those of the gated ones
    return folder


def names_of(images: Path) -> list[str]:
    return sorted(path.relative_to(images).as_posix() for path in images.rglob("*.jpg"))


def count_images(shards: Path) -> int:
    """Images in finished shards."""
    return sum(len(FeatureFile(path).names()) for path in shards.glob("*.h5"))


def left_beside(output: Path) -> list[str]:
    return sorted(p.name for p in output.parent.iterdir() if p.name != output.name)


@pytest.mark.parametrize("at", ["beside", "folder", "url"])
def test_all_steps_write_the_bytes_of_one_process(cluster: Any, images: Path, tmp_path: Path, at: str) -> None:
    scene = make_scene(tmp_path / "scene", num_images=8)
    pairs = list(combinations(names_of(images), 2))[:40]
    alone = all_steps(Engine(), images, scene, pairs, tmp_path / "alone")
    store = {"beside": None, "folder": tmp_path / "shards", "url": f"file://{tmp_path}/bucket"}[at]
    shared = all_steps(RayEngine(shards=3, store=store), images, scene, pairs, tmp_path / "shared")
    for one, other in zip(alone, shared, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    assert sorted(p.name for p in (tmp_path / "shared").iterdir()) == ["feats.h5", "matches.h5", "poses.txt"]


def test_images_of_an_object_store_are_fetched_by_the_workers(cluster: Any, images: Path, tmp_path: Path) -> None:
    alone = extract_all(Engine(), images, tmp_path / "alone.h5", "sift")
    with RayEngine(shards=2, store=f"file://{tmp_path}/bucket") as engine:
        report = engine.extract(get_extractor("sift"), f"file://{images}", tmp_path / "shared.h5", progress=False)
    assert report.extracted == len(names_of(images))
    assert report.path.read_bytes() == alone.read_bytes()


def run_alone(images: Path, tmp_path: Path, gate: Path) -> bytes:
    """The features file of one process."""
    gate.touch()
    content = extract_all(Engine(), images, tmp_path / "alone" / "feats.h5", gated(gate)).read_bytes()
    gate.unlink()
    return content


def gated(gate: Path) -> Extractor:
    return get_extractor(GATED, gate=str(gate))


def test_killed_workers_and_a_lost_node_lose_nothing(cluster: Any, images: Path, tmp_path: Path) -> None:
    output, gate = tmp_path / "shared" / "feats.h5", tmp_path / "gate"
    alone = run_alone(images, tmp_path, gate)
    log = output.parent / "feats.h5.shards" / "log.txt"

    def kill() -> None:
        killed: list[int] = []
        try:
            for number in range(KILLS):
                killed.append(busy_worker(log, killed))
                os.kill(killed[-1], signal.SIGKILL)
                wait_for(log, "was lost", number + 1)
            cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
        finally:
            gate.touch()

    with meanwhile(kill):
        extract_all(RayEngine(shards=4), images, output, gated(gate))
    cluster.add_node(num_cpus=1)
    assert output.read_bytes() == alone
    assert left_beside(output) == []


@pytest.mark.parametrize("later", ["the same images", "more images"])
def test_a_killed_driver_goes_on_where_it_was(
    cluster: Any, images: Path, tmp_path: Path, later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, names, gate = tmp_path / "shared" / "feats.h5", tmp_path / "names.txt", tmp_path / "gate"
    alone = run_alone(images, tmp_path, gate)
    chosen = names_of(images)[1 if later == "more images" else 0 :]
    names.write_text("".join(f"{name}\n" for name in chosen))
    log = output.parent / "feats.h5.shards" / "log.txt"
    command = [sys.executable, "-m", "mickey_hloc.cli", "extract", images, "--feature", GATED, "--engine", "ray"]
    command += ["--set", f"gate={gate}", "--image-list", names, "--address", cluster.address, "--shards", "6"]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    driver = subprocess.Popen(
        [*command, "--output", output], env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL
    )
    wait_for(log, r"shard \d+ done", 4)
    driver.kill()
    driver.wait()
    wait_for_ends(log)
    assert not output.exists()
    assert len(list(log.parent.glob("*.h5"))) >= 2
    made = count_images(log.parent)
    gate.touch()
    lines: list[str] = []
    monkeypatch.setattr(ShardFolder, "log", lambda self, line: lines.append(line))
    extract_all(RayEngine(), images, output, gated(gate))
    # Of other images, shards are planned anew, for those that are not finished.
    planned = int(re.findall(r"shards of (\d+) images", lines[0])[0])
    assert planned == len(names_of(images)) - (made if later == "more images" else 0)
    assert output.read_bytes() == alone
    assert left_beside(output) == []


def test_what_a_step_refuses_is_refused(cluster: Any, images: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No image 'none\.jpg'"):
        extract_all(RayEngine(), images, tmp_path / "feats.h5", image_list=["none.jpg"])
    with pytest.raises(InputError, match="at least 1"):
        RayEngine(shards=0)


def test_images_that_end_their_workers_are_named(
    cluster: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MAX_LOSSES", 1)
    with pytest.raises(InputError, match=r"Shard 0 \(seq0/frame_00.jpg to .* could not be finished 2 times"):
        extract_all(RayEngine(shards=1), images, tmp_path / "feats.h5", "support.ray_runs:KillingCorners")
