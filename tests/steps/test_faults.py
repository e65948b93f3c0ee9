"""Faults of the machine, every step: one sentence, exit status 2, and the next run ends as if nothing had been."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_runs import Command
from support.step_runs import STEPS, Ended, left_beside, prepare, run_in_child, same_in_every_run

from mickey_hloc import extract_features
from mickey_hloc.io.locks import file_lock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
LONG = os.environ.get("MICKEY_LONG_TESTS") == "1"
SHARES = (0.02, 0.2, 0.5, 0.8, 0.97) if LONG else (0.02, 0.6)
LOCKED = {
    **dict.fromkeys(("extract", "match", "depths"), "{}.parts/lock"),
    **dict.fromkeys(("poses", "calibrate", "scale"), ".{}.lock"),
    **dict.fromkeys(("train", "sfm"), "{}/.lock"),
}
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may look into."""
    path = Path(tempfile.mkdtemp(prefix="faults-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def sizes(path: Path) -> list[int]:
    """Of the files of an output, bytes."""
    return [file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]


def assert_one_sentence(run: Ended, what: str) -> None:
    assert run.status == 2, (run.status, run.said)
    assert len(run.complaints) == 1, run.said
    assert what in run.complaints[0]
    assert "Traceback" not in run.said


@pytest.mark.parametrize("name", STEPS)
def test_a_file_that_may_not_grow_is_said_and_the_next_run_ends_the_work(folder: Path, name: str) -> None:
    step, output = prepare(name, folder / "input", 2)
    whole = folder / "undisturbed" / output
    assert run_in_child(step, whole).status == 0
    size = max(sizes(whole))
    for number, share in enumerate(SHARES):
        path, limit = folder / str(number) / output, int(share * size)
        run = run_in_child(step, path, before=lambda n=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)))
        assert_one_sentence(run, "is full")
        assert run_in_child(step, path).status == 0
        assert same_in_every_run(path) == same_in_every_run(whole)
        assert left_beside(path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("name", STEPS)
def test_a_full_disk_is_said_and_the_next_run_ends_the_work(folder: Path, name: str) -> None:
    step, output = prepare(name, folder / "input", 2)
    whole, disk = folder / "undisturbed" / output, folder / "disk"
    assert run_in_child(step, whole).status == 0
    disk.mkdir()
    size = max(sum(sizes(whole)) // 2, 4096)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        path = disk / "out" / output
        run = run_in_child(step, path)
        if run.status != 0:  # small outputs fit, as a disk has whole pages
            assert_one_sentence(run, "full")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert run_in_child(step, path).status == 0
        assert same_in_every_run(path) == same_in_every_run(whole)
        assert left_beside(path) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", STEPS)
def test_a_folder_that_may_not_be_written_to_is_said(folder: Path, name: str) -> None:
    step, output = prepare(name, folder / "input", 1)
    path = folder / "work" / "out" / output
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o555)

    def become_nobody() -> None:
        step(folder / "warm" / output)  # imports what only its owner may read
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)

    run = run_in_child(step, path, before=become_nobody)
    assert_one_sentence(run, "ermission")
    assert left_beside(path) == []


@pytest.mark.parametrize("name", [name for name in LOCKED if name in STEPS])
def test_a_second_process_is_refused_while_the_first_one_writes(folder: Path, name: str) -> None:
    step, output = prepare(name, folder / "input", 1)
    path = folder / "out" / output
    lock = path.parent / LOCKED[name].format(output)
    lock.parent.mkdir(parents=True)
    with file_lock(lock, output):
        run = run_in_child(step, path)
    assert_one_sentence(run, "Another process is writing")
    assert run_in_child(step, path).status == 0


def test_an_image_that_vanishes_costs_only_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, output = prepare("extract", folder / "input", 1)
    images = sorted((folder / "input" / "images").rglob("*.jpg"))
    plan = extract_features.plan_batches

    def plan_then_lose(*arguments):
        images[1].unlink(missing_ok=True)
        return plan(*arguments)

    monkeypatch.setattr(extract_features, "plan_batches", plan_then_lose)
    report = step(folder / "out" / output)
    assert report.extracted == len(images) - 1
    assert list(report.skipped) == [images[1].relative_to(folder / "input" / "images").as_posix()]


@pytest.mark.parametrize("name", ["benchmark", "depth", "calibrate", "scale"])
def test_a_file_that_vanishes_costs_only_itself(folder: Path, name: str) -> None:
    step, output = prepare(name, folder / "input", 1)
    lost = {
        "benchmark": "data/val/s00001/seq1/frame_00002.sensor.png",
        "depth": "images/0003.tum.png",
        "calibrate": "house/val/s00000/seq1/frame_00010.jpg",
        "scale": "images/004.sensor.png",
    }[name]
    (folder / "input" / lost).unlink()
    path = folder / "out" / output
    run = run_in_child(step, path)
    assert "Traceback" not in run.said
    assert run.status == (1 if name == "depth" else 0), run.said
    assert same_in_every_run(path)
    if name == "depth":
        assert len(list(path.glob("*.png"))) == 19
    if name == "benchmark":
        reasons = next(text for file in path.rglob("*.txt") if "# failed" in (text := file.read_text()))
        assert reasons.count("# failed") == 1
        assert "frame_00002" in reasons


@pytest.mark.skipif("train" not in STEPS, reason="needs Lightning and TensorBoard")
def test_a_photo_that_vanishes_from_a_training_is_one_sentence(folder: Path) -> None:
    step, output = prepare("train", folder / "input", 1)
    (folder / "input/world/train/s00000/seq0/frame_00002.jpg").unlink()
    for workers in (0, 1):
        spoilt = Command(lambda path, n=workers: [*step.arguments(path), f"data.workers={n}"])
        run = run_in_child(spoilt, folder / str(workers) / output)
        assert_one_sentence(run, "frame_00002.jpg")
