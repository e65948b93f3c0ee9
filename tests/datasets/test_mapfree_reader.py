"""Reading Map-free scenes: the real ones, made-up gaps, and files that are broken."""

import numpy as np
import pytest

from mickey_hloc.datasets.mapfree import find_scenes, frame_path, parse_frame, read_overlaps, read_scene
from mickey_hloc.errors import InputError

POSE = "1 0 0 0 0 0 0"
CAMERA = "500 500 270 360 540 720"


def write(folder, numbers):
    folder.mkdir(parents=True, exist_ok=True)
    names = ["seq0/frame_00000.jpg", *(frame_path(1, n) for n in numbers)]
    (folder / "intrinsics.txt").write_text("".join(f"{name} {CAMERA}\n" for name in names))
    (folder / "poses.txt").write_text("".join(f"{name} {POSE}\n" for name in names))
    return folder


def test_real_scenes(data):
    for path in find_scenes(data / "redkitchen", "val"):
        scene = read_scene(path)
        reference = scene.poses["seq0/frame_00000.jpg"]
        assert reference is not None
        np.testing.assert_allclose(reference.matrix(), np.eye(4)[:3], atol=1e-9)
        assert scene.queries() == scene.frames()[::5]
        for frame in scene.frames():
            assert (path / frame).is_file()
            assert scene.intrinsics[frame].width > 0


def test_real_overlaps(data):
    path = find_scenes(data / "redkitchen", "train")[0]
    pairs, overlaps = read_overlaps(path / "overlaps.npz")
    scene = read_scene(path)
    assert ((overlaps >= 0) & (overlaps <= 1)).all()
    for row in pairs[:: max(len(pairs) // 50, 1)]:
        assert frame_path(*row[:2]) in scene.poses
        assert frame_path(*row[2:]) in scene.poses


def test_queries_and_windows_count_without_gaps(tmp_path):
    scene = read_scene(write(tmp_path / "s", [0, 1, 3, 5, 6, 7, 8, 9, 10, 11, 12]))
    assert scene.queries("multi9") == [frame_path(1, 11)]
    assert scene.queries() == [frame_path(1, n) for n in (0, 7, 12)]
    assert scene.queries("all") == scene.frames()
    assert scene.window(frame_path(1, 11)) == [frame_path(1, n) for n in (1, 3, 5, 6, 7, 8, 9, 10, 11)]
    assert scene.window(frame_path(1, 1)) == [frame_path(1, 0), frame_path(1, 1)]


def test_withheld_poses(tmp_path):
    folder = write(tmp_path / "s", [0])
    (folder / "poses.txt").write_text(f"seq1/frame_00000.jpg {'0 ' * 7}\n")
    assert read_scene(folder).poses == {"seq1/frame_00000.jpg": None}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("poses.txt", f"frame.jpg {POSE}\n", "not a frame of a Map-free scene"),
        ("poses.txt", f"seq1/frame_00009.jpg {POSE}\n", "has no line for 'seq1/frame_00009.jpg'"),
        ("poses.txt", "seq1/frame_00000.jpg 1 0 0 0 0 0\n", r"poses\.txt, line 1: expected"),
        ("poses.txt", f"seq1/frame_00000.jpg {POSE}\n" * 2, r"poses\.txt, line 2: .* twice"),
        ("intrinsics.txt", "seq1/frame_00000.jpg 500 500\n", r"intrinsics\.txt, line 1"),
    ],
)
def test_broken_files_are_named(tmp_path, file, text, message):
    folder = write(tmp_path / "s", [0])
    (folder / file).write_text(text)
    with pytest.raises(InputError, match=message):
        read_scene(folder)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match="No folder"):
        find_scenes(tmp_path, "val")
    (tmp_path / "val").mkdir()
    with pytest.raises(InputError, match="has no scenes"):
        find_scenes(tmp_path, "val")
    folder = write(tmp_path / "val" / "s1", [0])
    assert find_scenes(tmp_path, "val", ["s1"]) == [folder]
    with pytest.raises(InputError, match="has no scene s2; it has s1"):
        find_scenes(tmp_path, "val", ["s1", "s2"])
    with pytest.raises(InputError, match=r"poses_device\.txt"):
        read_scene(folder).device_poses()
    with pytest.raises(InputError, match="only training scenes"):
        read_overlaps(folder / "overlaps.npz")


def test_overlap_files_never_run_code_and_have_their_shapes(tmp_path):
    path = tmp_path / "overlaps.npz"
    cases = {
        "is object of shape": {"idxs": np.array([{}], dtype=object), "overlaps": np.zeros(1)},
        r"expected \(M, 4\)": {"idxs": np.zeros((3, 4)), "overlaps": np.zeros(2)},
        "overlaps": {"idxs": np.zeros((3, 4))},
    }
    for message, arrays in cases.items():
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=message):
            read_overlaps(path)
    path.write_text("text")
    with pytest.raises(InputError, match="not a file of overlaps"):
        read_overlaps(path)


@pytest.mark.parametrize(
    "name", ["seq1/frame_5.jpg", "frame_00005.jpg", "seq1/frame_00005.jpg/x", "../seq1/frame_00005.jpg"]
)
def test_frame_names(name):
    assert parse_frame("seq1/frame_00005.jpg") == (1, 5)
    with pytest.raises(InputError, match="expected a name like"):
        parse_frame(name)
