"""Files and folders appear whole or not at all; what killed runs leave behind is put right by the next one."""

import os
import subprocess
import sys
from pathlib import Path

import pycolmap
import pytest
from support.room_depth import model_of, walk

from mickey_hloc.errors import InputError
from mickey_hloc.io.colmap import check_written
from mickey_hloc.io.files import atomic_folder
from mickey_hloc.io.locks import file_lock, sole_writer


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def fill(folder: Path, text: str) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_text(text)


def test_a_folder_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out"
    for text in ("first", "second"):
        with atomic_folder(path) as temporary:
            fill(temporary, text)
        assert (path / "inner" / "file").read_text() == text
        assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    with atomic_folder(path) as temporary:
        fill(temporary, "first")

    def fill_half() -> None:
        with atomic_folder(path) as temporary:
            fill(temporary, "second")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_half()
    rename = Path.rename

    def fail_with_the_new_one(self: Path, target: Path) -> Path:
        if target == path and self.name.endswith(".tmp"):
            raise OSError("no more")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_with_the_new_one)
    with pytest.raises(OSError, match="no more"), atomic_folder(path) as temporary:
        fill(temporary, "second")
    assert (path / "inner" / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_run_had_put_aside_comes_back(tmp_path: Path) -> None:
    path, pid = tmp_path / "out", ended_process()
    aside, half = tmp_path / f".out.{pid}.old", tmp_path / f".out.{pid}.tmp"
    for folder, text in ((aside, "first"), (half, "half")):
        folder.mkdir()
        fill(folder, text)

    def fail() -> None:
        with atomic_folder(path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (path / "inner" / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_of_other_running_processes_stay(tmp_path: Path) -> None:
    others = tmp_path / f".out.{os.getppid()}.tmp"
    others.mkdir()
    with atomic_folder(tmp_path / "out"):
        pass
    assert others.is_dir()


def test_a_lock_makes_its_folders_and_removes_those_that_stay_empty(tmp_path: Path) -> None:
    lock = tmp_path / "a" / "b" / ".lock"
    with sole_writer(lock, "b"):
        code = (
            "import sys; from pathlib import Path; from mickey_hloc.io.locks import sole_writer\n"
            "sole_writer(Path(sys.argv[1]), 'b').__enter__()"
        )
        second = subprocess.run([sys.executable, "-c", code, str(lock)], capture_output=True, text=True, check=False)
        assert "Another process is writing b" in second.stderr
    assert list(tmp_path.iterdir()) == []
    with sole_writer(lock, "b"):
        (lock.parent / "made").touch()
    assert (lock.parent / "made").exists()
    assert not lock.exists()


def test_a_lock_whose_file_was_removed_meanwhile_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    monkeypatch.setattr("mickey_hloc.io.locks.fcntl.lockf", lambda *_: lock.unlink())
    with pytest.raises(InputError, match="has just ended writing it"), file_lock(lock, "it"):
        pass


@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_a_model_that_is_not_whole_is_told_from_one_that_is(tmp_path: Path, kind: str) -> None:
    model = model_of(walk()[0])
    write = model.write_binary if kind == "bin" else model.write_text
    write(str(tmp_path))
    check_written(model, tmp_path)
    for name in ("points3D", "images", "cameras"):
        file = tmp_path / f"{name}.{kind}"
        content = file.read_bytes()
        for share in (0.0, 0.5, 0.9):
            file.write_bytes(content[: int(share * len(content))])
            with pytest.raises(InputError, match=r"disk of .* is full"):
                check_written(model, tmp_path)
        file.write_bytes(content)
    assert pycolmap.Reconstruction(str(tmp_path)).num_images() == model.num_images()
