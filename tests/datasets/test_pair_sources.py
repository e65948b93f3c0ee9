"""Every source of pairs: layouts on disk in, pairs with true relative poses out."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from PIL import Image

from mickey_hloc.datasets.covisibility import frustum_overlaps
from mickey_hloc.datasets.pair_sources import make_source
from mickey_hloc.datasets.pairs import Draw, PairAugmentation
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.pose_arrays import pose_matrix
from mickey_hloc.io.intrinsics import Intrinsics

CAMERA = Intrinsics(np.array([[60.0, 0, 31.5], [0, 60.0, 23.5], [0, 0, 1]]), 64, 48)


def poses(count: int) -> list[pycolmap.Rigid3d]:
    """Cameras in a row, 10 cm apart, all looking along z."""
    return [pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-0.1 * i, 0.0, 0.0])) for i in range(count)]


def save_images(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), (90, 60, 30)).save(folder / name)


def write_mapfree(root: Path, split: str, scene: str, count: int = 4) -> None:
    folder = root / split / scene
    names = [f"seq{s}/frame_{i:05d}.jpg" for s in (0, 1) for i in range(count if split == "train" or s else 1)]
    save_images(folder, names)
    numbers = [-0.1 * i for i in range(len(names))]
    (folder / "intrinsics.txt").write_text("".join(f"{n} 60 60 31.5 23.5 64 48\n" for n in names))
    (folder / "poses.txt").write_text("".join(f"{n} 1 0 0 0 {x} 0 0\n" for n, x in zip(names, numbers, strict=True)))
    if split == "train":
        idxs = np.array([[0, 0, 0, 1], [0, 0, 1, 2], [1, 0, 1, 3], [0, 2, 0, 2], [0, 0, 0, 9]], dtype=np.uint16)
        np.savez(folder / "overlaps.npz", idxs=idxs, overlaps=np.array([0.9, 0.5, 0.1, 1.0, 0.6], dtype=np.float32))


def test_mapfree_train_and_val(tmp_path: Path) -> None:
    for scene in ("s00000", "s00001"):
        write_mapfree(tmp_path, "train", scene)
    write_mapfree(tmp_path, "val", "s00460")
    table = make_source({"kind": "mapfree", "root": str(tmp_path), "min_overlap": 0.3}, "data.train").table()
    assert [table.name_pair(i) for i in range(len(table))] == [
        (f"{s}/seq0/frame_00000.jpg", f"{s}/{other}")
        for s in ("s00000", "s00001")
        for other in ("seq0/frame_00001.jpg", "seq1/frame_00002.jpg")
    ]
    assert table.scenes.tolist() == [0, 0, 1, 1]
    assert np.allclose(table.overlaps, [0.9, 0.5] * 2)
    assert np.allclose(table.relative_pose(0)[:, 3], [-0.1, 0, 0])
    narrow = {"kind": "mapfree", "root": str(tmp_path), "min_overlap": 0.3, "max_overlap": 0.8, "scenes": ["s00001"]}
    assert len(make_source(narrow, "data.train").table()) == 1
    val = make_source({"kind": "mapfree", "root": str(tmp_path), "split": "val", "query_step": 2}, "data.val").table()
    assert [pair[1] for pair in map(val.name_pair, range(len(val)))] == [
        "s00460/seq1/frame_00000.jpg",
        "s00460/seq1/frame_00002.jpg",
    ]
    with pytest.raises(InputError, match="no pairs"):
        make_source({"kind": "mapfree", "root": str(tmp_path), "min_overlap": 0.95}, "data.train").table()


def test_mixed_sources_get_their_shares_of_the_draws(tmp_path: Path) -> None:
    for place, scenes in (("a", 3), ("b", 1)):
        for number in range(scenes):
            write_mapfree(tmp_path / place, "train", f"s{number:05d}")
    sources = [{"kind": "mapfree", "root": str(tmp_path / place), "min_overlap": 0.05} for place in "ab"]
    table = make_source({"kind": "mixed", "sources": sources}, "data.train").table()
    assert table.root == tmp_path
    names = ["a/train/s00000/seq0/frame_00000.jpg", "b/train/s00000/seq0/frame_00000.jpg"]
    assert [table.names[table.pairs[i, 0]] for i in (0, -1 - 2)] == names
    assert np.bincount(table.scenes).tolist() == [3, 3, 3, 3]
    of_b = table.pairs[:, 0] >= 24
    assert len(table.names) == 32
    half = make_source({"kind": "mixed", "sources": sources, "shares": [1, 1]}, "data.train").table()
    groups = [len(set(half.scenes[of_b == which])) for which in (False, True)]
    assert groups == [2, 2]
    assert sorted(set(half.scenes)) == [0, 1, 2, 3]
    item = make_source({"kind": "mixed", "sources": sources, "max_pairs": 2}, "data.val").open((32, 24))[3]
    assert torch.allclose(item["t"], torch.tensor([-0.3, 0, 0]))


def test_mixed_sources_that_cannot_be_mixed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs sources"):
        make_source({"kind": "mixed"}, "data.train")
    synthetic = {"kind": "mixed", "sources": [{"kind": "synthetic"}]}
    with pytest.raises(InputError, match="Source 1 of the mixed pairs has no images on disk"):
        make_source(synthetic, "data.train").table()
    with pytest.raises(InputError, match="as many positive shares"):
        make_source({**synthetic, "shares": [1, 2]}, "data.train")
    with pytest.raises(InputError, match="source 1 of the mixed pairs"):
        make_source({"kind": "mixed", "sources": [{"kind": "no_such"}]}, "data.train").table()


def test_scannet_list(tmp_path: Path) -> None:
    names = ["scene0001_00/a.png", "scene0001_00/b.png", "scene0002_00/c.png", "scene0002_00/d.png"]
    save_images(tmp_path, names)
    K = " ".join(str(v) for v in CAMERA.K.ravel())
    T = "1 0 0 0.2  0 1 0 0  0 0 1 0  0 0 0 1"
    lines = [f"{a} {b} 0 0 {K} {K} {T}\n" for a, b in (names[:2], names[2:])]
    (tmp_path / "pairs.txt").write_text("".join(lines))
    source = make_source({"kind": "scannet", "list": str(tmp_path / "pairs.txt"), "root": str(tmp_path)}, "data.val")
    item = source.open((32, 24))[1]
    assert torch.allclose(item["t"], torch.tensor([0.2, 0, 0]))
    assert source.table().scenes.tolist() == [0, 1]


def write_colmap_model(folder: Path, names: list[str], cam_from_world: list[pycolmap.Rigid3d]) -> None:
    """In COLMAP's text format, which every pycolmap reads; its own ways to build a model differ between versions."""
    folder.mkdir()
    (folder / "cameras.txt").write_text("1 PINHOLE 64 48 60 60 32 24\n")
    lines = []
    for i, (name, pose) in enumerate(zip(names, cam_from_world, strict=True), start=1):
        x, y, z, w = pose.rotation.quat
        lines.append(f"{i} {w} {x} {y} {z} {' '.join(map(str, pose.translation))} 1 {name}\n\n")
    (folder / "images.txt").write_text("".join(lines))
    (folder / "points3D.txt").write_text("")


def test_folder_of_each_layout(tmp_path: Path) -> None:
    count, truth = 5, poses(5)
    names = [f"rgb/{i}.png" for i in range(count)]
    save_images(tmp_path / "tum", names)
    (tmp_path / "tum/rgb.txt").write_text("# time file\n" + "".join(f"{i}.005 {n}\n" for i, n in enumerate(names)))
    lines = ["# timestamp tx ty tz qx qy qz qw\n", *(f"{i}.0 {0.1 * i} 0 0 0 0 0 1\n" for i in range(count - 1))]
    (tmp_path / "tum/groundtruth.txt").write_text("".join(lines))
    (tmp_path / "tum/intrinsics.txt").write_text("".join(f"{n} 60 60 31.5 23.5 64 48\n" for n in names))

    write_colmap_model(tmp_path / "model", names, truth)

    seven = tmp_path / "7scenes/seq-01"
    save_images(seven, [f"frame-{i:06d}.color.png" for i in range(count)])
    for i in range(count):
        (seven / f"frame-{i:06d}.pose.txt").write_text(f"1 0 0 {0.1 * i}\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    write_mapfree(tmp_path, "train", "s00000", 3)

    common = {"kind": "folder", "min_overlap": 0.0, "max_overlap": 1.0}
    for values, images in (
        ({"layout": "tum", "root": str(tmp_path / "tum")}, 4),  # the last image has no pose near its time
        ({"layout": "colmap", "root": str(tmp_path / "tum"), "model": str(tmp_path / "model")}, 5),
        ({"layout": "7scenes", "root": str(tmp_path / "7scenes")}, 5),
        ({"layout": "mapfree", "root": str(tmp_path / "train/s00000")}, 6),
    ):
        table = make_source({**common, **values}, "data.train").table()
        assert len(table) == images * (images - 1) // 2, values
        assert np.allclose(table.relative_pose(0), np.concatenate([np.eye(3), [[-0.1], [0], [0]]], axis=1)), values
        if values["layout"] != "7scenes":
            assert np.allclose(table.intrinsics[0].K, CAMERA.K), values
        far = make_source({**common, **values, "max_distance_m": 0.15}, "data.train").table()
        assert len(far) == images - 1


def test_frustum_overlap_falls_with_distance_and_is_one_for_the_same_view() -> None:
    T = np.stack([pose_matrix(pose) for pose in poses(8)])
    rows = list(frustum_overlaps([CAMERA] * 9, np.concatenate([T[:1], T]), 1.0, 3.0))
    assert rows[0][0] == 1.0
    assert (np.diff(rows[0]) <= 0).all()
    assert len(rows[-1]) == 0
    behind = T.copy()
    behind[1] = np.concatenate([np.diag([-1.0, 1.0, -1.0]), np.zeros((3, 1))], axis=1)
    assert next(iter(frustum_overlaps([CAMERA] * 8, behind, 1.0, 3.0)))[0] == 0.0


def test_synthetic_rooms_as_samplers_ask() -> None:
    source = make_source({"kind": "synthetic", "size": 4, "views": {"fov_deg": [60, 60]}}, "data.train")
    data = source.open((32, 24), PairAugmentation())
    assert torch.equal(data[Draw(2, 7)]["image0"], data[2]["image0"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "kind of data.train"),
        ({"kind": "mapfre"}, "did you mean 'mapfree'"),
        ({"kind": "mapfree", "rooot": "x"}, "rooot"),
        ({"kind": "synthetic", "views": {"fov": 1}}, "fov"),
    ],
)
def test_wrong_sources(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_source(values, "data.train")


def test_wrong_folders(tmp_path: Path) -> None:
    def table(**values: object) -> object:
        return make_source({"kind": "folder", "root": str(tmp_path), **values}, "data.train").table()

    with pytest.raises(InputError, match="Unknown layout 'x'"):
        table(layout="x")
    with pytest.raises(InputError, match="model"):
        table(layout="colmap")
    with pytest.raises(InputError, match="COLMAP model"):
        table(layout="colmap", model=str(tmp_path))
    with pytest.raises(InputError, match=r"rgb\.txt"):
        table(layout="tum")
    (tmp_path / "rgb.txt").write_text("1.0 a.png\n")
    (tmp_path / "groundtruth.txt").write_text("1.0 0 0 0 1 1 1 1\n")
    with pytest.raises(InputError, match="line 1"):
        table(layout="tum")
