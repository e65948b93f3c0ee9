"""Rooms written to disk in Map-free layout, and training pairs read back from there."""

from pathlib import Path

import numpy as np
import pytest

from mickey_hloc.cli import main
from mickey_hloc.datasets.mapfree_pairs import MapFreeSource
from mickey_hloc.datasets.pairs import PairDataset
from mickey_hloc.datasets.room_export import ExportOptions, export_scene
from mickey_hloc.errors import InputError
from mickey_hloc.geometry import pose_errors
from mickey_hloc.rooms.cameras import PairOptions

COMMAND = ["--rooms", "2", "--size", "64", "48", "--places", "2", "--views", "3", "--seed", "5"]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rooms")
    assert main(["rooms", str(root), *COMMAND]) == 0
    return root


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_pairs_are_read_back_within_the_ranges(rooms: Path) -> None:
    table = MapFreeSource(str(rooms), min_overlap=0.4, max_overlap=0.95).table()
    assert len(set(table.scenes.tolist())) == 2
    first_views = [i for i, name in enumerate(table.names) if name.endswith("frame_00000.jpg")]
    with_first = [k for k, (i, _) in enumerate(table.pairs) if int(i) in first_views]
    assert len(with_first) == 2 * 2 * 2  # rooms x places x neighbours
    for k in with_first:
        T = table.relative_pose(k)
        turned, moved = pose_errors(*(np_to_torch(x) for x in (T[:, :3], T[:, 3], np.eye(3), np.zeros(3))))
        assert 0.1 - 1e-6 <= float(moved) <= 1.0 + 1e-6
        assert float(turned) <= 30.0 + 1e-4
    item = PairDataset(table, (64, 48))[0]
    assert item["image0"].shape == (3, 48, 64)
    assert float(item["image0"].std()) > 0.02
    focal = float(item["K0"][0, 0])
    assert 32 / np.tan(np.radians(33.0)) - 1e-3 <= focal <= 32 / np.tan(np.radians(30.0)) + 1e-3


def np_to_torch(x: np.ndarray) -> object:
    import torch

    return torch.from_numpy(np.asarray(x, dtype=np.float64))


def test_a_second_call_makes_only_what_is_missing(rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(rooms)
    lost = rooms / "train" / "s00001"
    lost.rename(rooms / "train" / ".s00001.99999999.tmp")  # as a kill leaves it; no process has that number
    assert main(["rooms", str(rooms), *COMMAND]) == 0
    assert "1 of them new" in capsys.readouterr().out
    assert files_of(rooms) == before


@pytest.mark.parametrize("change", [["--seed", "6"], ["--size", "32", "24"], ["--views", "4"], ["--fov", "50", "60"]])
def test_rooms_made_otherwise_are_not_mixed(rooms: Path, change: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = files_of(rooms)
    assert main(["rooms", str(rooms), *COMMAND, *change]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert files_of(rooms) == before


def test_rooms_may_be_made_in_parts(rooms: Path, tmp_path: Path) -> None:
    assert main(["rooms", str(tmp_path), *COMMAND, "--first", "1", "--rooms", "1"]) == 0
    assert [path.name for path in (tmp_path / "train").iterdir()] == ["s00001"]
    assert files_of(tmp_path / "train" / "s00001") == files_of(rooms / "train" / "s00001")


def test_another_seed_is_another_room(rooms: Path, tmp_path: Path) -> None:
    options = ExportOptions(places=2, views_per_place=3, size_wh=(64, 48), views=PairOptions(fov_deg=(60.0, 66.0)))
    assert export_scene(tmp_path, 0, 6, options)
    assert not export_scene(tmp_path, 0, 6, options)
    frame = "seq0/frame_00000.jpg"
    assert (tmp_path / "s00000" / frame).read_bytes() != (rooms / "train" / "s00000" / frame).read_bytes()


def test_what_cannot_be_met_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    views = PairOptions(overlap=(0.999, 1.0), baseline_m=(1.0, 1.0), max_tries=2)
    with pytest.raises(InputError, match="widen their ranges"):
        export_scene(tmp_path, 0, 0, ExportOptions(size_wh=(32, 24), views=views))
    assert not list(tmp_path.iterdir())
    assert main(["rooms", str(tmp_path / "out"), "--rooms", "0"]) == 2
    assert main(["rooms", str(tmp_path / "out"), "--views", "1"]) == 2
    assert main(["rooms", str(tmp_path / "out"), "--overlap", "0.9", "0.1"]) == 2
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().err.count("\n") == 3
