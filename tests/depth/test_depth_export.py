import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from mickey_hloc.cli import main
from mickey_hloc.depth import SPECS, DepthSource, get_depth_source
from mickey_hloc.depth.export import export_depth, photos, write_depth_png
from mickey_hloc.depth.png import read_depth_png
from mickey_hloc.errors import InputError
from mickey_hloc.io.correspondences import read_correspondences, write_correspondences

QUERIES = ["seq1/frame_00000.jpg", "seq1/frame_00001.jpg", "seq1/frame_00002.jpg"]


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Two Map-free scenes, the second with its poses not in the order of the frames' numbers."""
    root = tmp_path / "val"
    for scene, queries in (("s00001", QUERIES), ("s00002", QUERIES[::-1])):
        for name in ["seq0/frame_00000.jpg", *queries]:
            path = root / scene / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (10, 20, 30)).save(path)
            Image.fromarray(np.full((30, 40), 1500, np.uint16)).save(path.with_suffix(".sensor.png"))
        lines = [f"{name} 1 0 0 0 0 0 0\n" for name in ["seq0/frame_00000.jpg", *queries]]
        (root / scene / "poses.txt").write_text("# frame qw qx qy qz tx ty tz\n" + "".join(lines))
    return root


@pytest.fixture
def stored(scenes: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Features and matches of some pairs, in hloc's layout; frame 2 has no matches, s00002 has one reversed pair."""
    features, matches = tmp_path / "feats.h5", tmp_path / "matches.h5"
    random = np.random.default_rng(0)
    with h5py.File(features, "w") as file:
        for name in [name for name in photos(scenes) if name != "s00002/seq1/frame_00002.jpg"]:
            group = file.create_group(name)
            group["keypoints"] = random.uniform(0, 29, (20, 2)).astype(np.float32)
            group["depths"] = np.full(20, 2.5, np.float32)
            group["image_size"] = np.array([40, 30])
    with h5py.File(matches, "w") as file:
        for scene in ("s00001", "s00002"):
            for frame in (0, 1):
                partner = np.full(20, -1, np.int16)
                partner[2 : 6 + frame] = np.arange(4 + frame)
                names = [f"{scene}-seq0-frame_00000.jpg", f"{scene}-seq1-frame_{frame:05}.jpg"]
                group = file.create_group("/".join(names[::-1] if scene == "s00002" else names))
                group["matches0"] = partner
                group["matching_scores0"] = (partner >= 0).astype(np.float32)
    return features, matches


def keypoints(features: Path, name: str) -> np.ndarray:
    with h5py.File(features) as file:
        return np.asarray(file[name]["keypoints"])


def test_millimetres_round_and_what_sixteen_bits_cannot_hold_is_unknown(tmp_path: Path) -> None:
    depth_map = torch.tensor([[0.0004, 0.0006, 1.2346], [65.534, 65.5351, 1e9], [torch.nan, -1.0, torch.inf]])
    share = write_depth_png(tmp_path / "d.png", depth_map)
    expected = torch.tensor([[torch.nan, 0.001, 1.235], [65.534, torch.nan, torch.nan], [torch.nan] * 3])
    torch.testing.assert_close(read_depth_png(tmp_path / "d.png"), expected, equal_nan=True)
    assert share == pytest.approx(3 / 9)


def test_export_is_read_back_and_resumes(scenes: Path) -> None:
    source = get_depth_source("png:sensor", scenes)
    names = photos(scenes)
    assert len(names) == 8
    assert not any("sensor" in name for name in names)
    first = export_depth(source, scenes, names[:3], "copy", progress=False)
    assert (first.written, first.skipped, first.known) == (3, 0, 1.0)
    second = export_depth(source, scenes, names, "copy", progress=False)
    assert (second.written, second.skipped) == (5, 3)
    again = get_depth_source("png:copy", scenes)
    torch.testing.assert_close(again.depth_map(names[0]), source.depth_map(names[0]))
    assert not [path for path in scenes.rglob("*") if path.name.endswith(".tmp")]
    assert photos(scenes) == names


def test_export_into_another_folder_and_seven_scenes_names(tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "frame-000001.color.png")
    source = get_depth_source("constant:2", tmp_path)
    out = tmp_path / "out"
    export_depth(source, tmp_path, photos(tmp_path), "flat", out, progress=False)
    assert [path.name for path in out.iterdir()] == ["frame-000001.depth.flat.png"]
    with pytest.raises(InputError, match="leads out"):
        export_depth(source, tmp_path, ["../x.png"], "flat", out, progress=False)
    assert [path.name for path in out.iterdir()] == ["frame-000001.depth.flat.png"]


def test_a_source_without_a_map(scenes: Path) -> None:
    class Sparse(DepthSource):
        def _depths(self, image_name: str, keypoints: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(keypoints))

    with pytest.raises(InputError, match="no dense depth map"):
        export_depth(Sparse(), scenes, photos(scenes), "x", progress=False)


def test_correspondence_file_round_trip(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    blocks = [random.uniform(0, 500, (count, 4)).astype(np.float32) for count in (3, 0, 7)]
    path = write_correspondences(tmp_path / "c.npz", blocks)
    with np.load(path) as file:
        padded = file["correspondences"]
    assert padded.shape == (3, 7, 4)
    assert np.isnan(padded[0, 3:]).all()
    assert np.isnan(padded[1]).all()
    for block, read in zip(blocks, read_correspondences(path), strict=True):
        np.testing.assert_array_equal(block, read)
    assert [len(block) for block in read_correspondences(write_correspondences(path, [np.zeros((0, 4))]))] == [0]
    for bad in ([], [np.zeros((3, 2))]):
        with pytest.raises(ValueError, match=r"\(m, 4\)"):
            write_correspondences(path, bad)
    for content in (b"", b"PK\x03\x04", b"hello"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a correspondence file"):
            read_correspondences(path)
    np.savez(path, correspondences=np.zeros((2, 4)))
    with pytest.raises(InputError, match="wanted P x M x 4"):
        read_correspondences(path)


def test_command_writes_depth_and_correspondences(
    scenes: Path, stored: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    features, matches = stored
    status = main(
        f"depth mickey --images {scenes} --name mine --features {features} --matches {matches} "
        "--option max_distance_px=100".split()
    )
    assert status == 0
    assert "7 depth maps written" in capsys.readouterr().out
    depth_map = get_depth_source("png:mine", scenes).depth_map("s00001/seq1/frame_00002.jpg")
    torch.testing.assert_close(depth_map, torch.full((30, 40), 2.5))
    blocks = read_correspondences(scenes / "s00001/correspondences_mine.npz")
    assert [len(block) for block in blocks] == [4, 5, 0]
    reference = keypoints(features, "s00001/seq0/frame_00000.jpg")
    query = keypoints(features, "s00001/seq1/frame_00001.jpg")
    np.testing.assert_array_equal(blocks[1], np.concatenate([reference[2:7], query[:5]], axis=1))
    # the second scene: blocks in the order of its poses.txt, matches stored from the query's side
    blocks = read_correspondences(scenes / "s00002/correspondences_mine.npz")
    assert [len(block) for block in blocks] == [0, 5, 4]
    reference = keypoints(features, "s00002/seq0/frame_00000.jpg")
    query = keypoints(features, "s00002/seq1/frame_00000.jpg")
    np.testing.assert_array_equal(blocks[2], np.concatenate([reference[:4], query[2:6]], axis=1))


def test_command_on_one_scene_a_list_and_pairs(scenes: Path, stored: tuple[Path, Path], tmp_path: Path) -> None:
    features, matches = stored
    (tmp_path / "list.txt").write_text("s00001/seq1/frame_00001.jpg\n")
    arguments = f"depth constant:2 --images {scenes} --name flat --list {tmp_path / 'list.txt'} --out {tmp_path / 'o'}"
    assert main(arguments.split()) == 0
    written = [path.relative_to(tmp_path / "o").as_posix() for path in (tmp_path / "o").rglob("*.png")]
    assert written == ["s00001/seq1/frame_00001.flat.png"]
    (tmp_path / "pairs.txt").write_text("s00001/seq0/frame_00000.jpg s00001/seq1/frame_00001.jpg\n")
    arguments = f"depth --images {scenes} --name m --features {features} --matches {matches} --out {tmp_path / 'o'}"
    assert main([*arguments.split(), "--pairs", str(tmp_path / "pairs.txt")]) == 0
    assert [len(block) for block in read_correspondences(tmp_path / "o/correspondences_m.npz")] == [5]


def test_command_copies_files_of_another_unit_into_millimetres(scenes: Path) -> None:
    assert main(f"depth png:sensor@500 --images {scenes} --name mm".split()) == 0
    depth_map = get_depth_source("png:mm", scenes).depth_map("s00001/seq1/frame_00002.jpg")
    torch.testing.assert_close(depth_map, torch.full((30, 40), 3.0))


def test_help_needs_nothing_heavy() -> None:
    program = (
        "import sys; from mickey_hloc.cli import main\n"
        "try: main(['depth', '--help'])\n"
        "except SystemExit: print([name for name in ('torch', 'numpy', 'cv2', 'h5py') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.endswith("[]\n")
    assert all(spec.split("<")[0] in run.stdout for spec in SPECS.values())


def test_command_with_wrong_input(
    scenes: Path, stored: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features, matches = stored
    (tmp_path / "nothing").mkdir()
    common = f"--images {scenes} --name x"
    for arguments, message in (
        (f"depth {common}", "Nothing to write"),
        (f"depth kinect {common}", "Unknown depth source 'kinect'"),
        (f"depth constant:2 --images {scenes} --name ../x", "cannot be part"),
        (f"depth constant:2 --images {tmp_path}/absent --name x", "No image folder"),
        (f"depth constant:2 --images {tmp_path}/nothing --name x", "has no images"),
        (f"depth constant:2 {common} --option metres", "KEY=VALUE"),
        (
            f"depth png:sensor {common} --option metres_per_unit=millimetres",
            "metres_per_unit of depth source PngDepth must be a number",
        ),
        (f"depth png:sensor {common} --option metres_per_unit=[", "'metres_per_unit=[' cannot be read"),
        (f"depth png:sensor {common} --option image_dir=elsewhere", "write --images"),
        (f"depth png:sensor@5000 {common} --option metres_per_unit=1", "leave out one of them"),
        (f"depth png:sensor@far {common}", "the number of units in a metre"),
        (
            f"depth png:sensor@5000 --images {scenes} --name sensor",
            "onto itself",
        ),
        (f"depth png:sensor --images {scenes} --name sensor", "onto itself"),
        (f"depth png:absent {common}", "No depth file"),
        (f"depth {common} --matches {matches}", "needs --features"),
        (f"depth constant:2 {common} --pairs p.txt", "needs --matches"),
        (
            f"depth --images {tmp_path / 'nothing'} --name x --features {features} --matches {matches}",
            "no Map-free scene",
        ),
        (f"depth --images {scenes} --name x --features {matches} --matches {matches}", "features of image"),
    ):
        assert main(arguments.split()) == 2, arguments
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error


def test_matches_of_other_features_are_refused(scenes: Path, stored: tuple[Path, Path]) -> None:
    features, matches = stored
    with h5py.File(features, "a") as file:
        group = file["s00001/seq0/frame_00000.jpg"]
        del group["keypoints"], group["depths"]
        group["keypoints"], group["depths"] = np.zeros((3, 2)), np.ones(3)
    assert main(f"depth --images {scenes} --name x --features {features} --matches {matches}".split()) == 2
