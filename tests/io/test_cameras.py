"""Cameras and reference poses from every source give the same values, in one pixel convention."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.io.cameras import camera_from_colmap, read_cameras
from mickey_hloc.io.colmap import read_colmap_model
from mickey_hloc.io.poses import write_absolute_poses, wxyz_from_rigid3d
from mickey_hloc.io.reference_poses import read_pose_matrix, read_reference_poses

K = np.array([[500.0, 0, 319.5], [0, 510.0, 239.5], [0, 0, 1]])
NAMES = ["seq0/a.jpg", "seq1/b.jpg"]


@pytest.fixture
def poses():
    random = np.random.default_rng(3)
    return {n: pycolmap.Rigid3d(pycolmap.Rotation3d(random.normal(size=3)), random.normal(size=3)) for n in NAMES}


def write_intrinsics(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# header\n" + "".join(f"{name} 500 510 319.5 239.5 640 480\n" for name in NAMES))
    return path


def write_model(folder, poses):
    """COLMAP's text format, which every version of it reads."""
    folder.mkdir()
    (folder / "cameras.txt").write_text("1 PINHOLE 640 480 500 510 320 240\n")
    lines = []
    for i, (name, pose) in enumerate(poses.items(), start=1):
        numbers = " ".join(repr(float(value)) for value in wxyz_from_rigid3d(pose))
        lines += [f"{i} {numbers} 1 {name}", ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    (folder / "points3D.txt").write_text("")
    return folder


@pytest.mark.parametrize("source", ["file", "scene", "split", "queries", "colmap"])
def test_every_source_gives_the_same_pinhole(tmp_path, poses, source):
    prefix = ""
    if source == "file":
        path = write_intrinsics(tmp_path / "any.txt")
    elif source == "scene":
        path = write_intrinsics(tmp_path / "intrinsics.txt").parent
    elif source == "split":
        path = write_intrinsics(tmp_path / "val" / "s00001" / "intrinsics.txt").parents[1]
        prefix = "s00001/"
    elif source == "queries":
        path = tmp_path / "queries.txt"
        path.write_text("".join(f"{name} PINHOLE 640 480 500 510 320 240\n" for name in NAMES))
    else:
        path = write_model(tmp_path / "model", poses)
    cameras = read_cameras(path)
    for name in NAMES:
        camera = cameras.get(prefix + name, (640, 480))
        np.testing.assert_allclose(camera.intrinsics.K, K)
        assert (camera.intrinsics.width, camera.intrinsics.height) == (640, 480)
        assert camera.lens is None


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_a_lens_is_taken_out_of_the_keypoints(count):
    lens = pycolmap.Camera(model="SIMPLE_RADIAL", width=640, height=480, params=[500, 320, 240, -0.1])
    camera = camera_from_colmap(lens)
    rays = np.random.default_rng(0).uniform(-0.4, 0.4, (count, 2))
    pinhole = rays * 500 + [319.5, 239.5]
    distorted = lens.img_from_cam(np.column_stack([rays, np.ones(count)])) if count else np.zeros((0, 2))
    np.testing.assert_allclose(camera.undistort(np.asarray(distorted) - 0.5), pinhole, atol=1e-6)


def test_wrong_cameras_are_named(tmp_path):
    cameras = read_cameras(write_intrinsics(tmp_path / "intrinsics.txt"))
    with pytest.raises(InputError, match=r"no intrinsics of image 'c.jpg' \(it has names like 'seq0/a.jpg'\)"):
        cameras.get("c.jpg")
    with pytest.raises(InputError, match=r"is 320x240 px but its intrinsics"):
        cameras.get(NAMES[0], (320, 240))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match=r"no COLMAP model and has no intrinsics.txt"):
        read_cameras(tmp_path / "nothing")
    (tmp_path / "queries.txt").write_text("a.jpg PINHOLE 640 480 500 510\n")
    with pytest.raises(InputError, match=r"line 1: model PINHOLE does not have 2 parameters"):
        read_cameras(tmp_path / "queries.txt")
    (tmp_path / "queries.txt").write_text("a.jpg PINHOLE 640 480 500 510 320 240\nb.jpg 1 2 3\n")
    with pytest.raises(InputError, match="line 2"):
        read_cameras(tmp_path / "queries.txt")


@pytest.mark.parametrize("source", ["file", "scene", "split", "colmap", "sevenscenes"])
def test_every_source_gives_the_same_poses(tmp_path, poses, source):
    names = {name: name for name in NAMES}
    if source == "colmap":
        path = write_model(tmp_path / "model", poses)
    elif source == "sevenscenes":
        path = tmp_path
        names = {name: f"{name[:4]}/frame-{i:06d}.color.png" for i, name in enumerate(NAMES)}
        for name, seven in names.items():
            file = path / seven.replace(".color.png", ".pose.txt")
            file.parent.mkdir(exist_ok=True)
            matrix = np.vstack([np.asarray(poses[name].inverse().matrix()), [0, 0, 0, 1]])
            np.savetxt(file, matrix, fmt="%.7e")
    else:
        path = tmp_path / ("val/s00001/poses.txt" if source == "split" else "poses.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_absolute_poses(path, poses)
        if source == "split":
            path = tmp_path / "val"
            names = {name: f"s00001/{name}" for name in NAMES}
        elif source == "scene":
            path = tmp_path
    found = read_reference_poses(path)
    assert set(found) == set(names.values())
    for name, pose in poses.items():
        np.testing.assert_allclose(found[names[name]].matrix(), pose.matrix(), atol=1e-6)


def test_lost_and_broken_pose_matrices(tmp_path):
    path = tmp_path / "frame-000000.pose.txt"
    path.write_text("1 0 0 0\n0 1 0 nan\n0 0 1 0\n0 0 0 1\n")
    assert read_pose_matrix(path) is None
    with pytest.raises(InputError, match="no known poses"):
        read_reference_poses(tmp_path)
    path.write_text("2 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    with pytest.raises(InputError, match="holds no rotation"):
        read_pose_matrix(path)
    path.write_text("1 0 0 0\n0 1 0 0\n")
    with pytest.raises(InputError, match="not a 4 x 4 matrix"):
        read_pose_matrix(path)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"neither poses.txt"):
        read_reference_poses(tmp_path / "images")


IMAGE = "{0} 1 0 0 0 0 0 0 1 {0}.jpg\n"


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("# head\n" + IMAGE.format(1) + "\n", 1),
        (IMAGE.format(1) + "\n" + IMAGE.format(2) + "3 4 -1\n\n", 2),
        (IMAGE.format(1), None),
        (IMAGE.format(1) + IMAGE.format(2), None),
        (IMAGE.format(1) + IMAGE.format(2) + "\n", None),
        (IMAGE.format(1) + "\n" + IMAGE.format(2), None),
    ],
)
def test_a_text_model_has_a_line_of_points_behind_every_image(tmp_path: Path, text: str, images: int | None) -> None:
    """COLMAP takes the next image for the points, and drops it without a word."""
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 640 480 525 525 320 240\n")
    (tmp_path / "images.txt").write_text(text)
    (tmp_path / "points3D.txt").write_text("")
    if images is None:
        with pytest.raises(InputError, match="the line behind an image lists its points"):
            read_colmap_model(tmp_path)
    else:
        assert read_colmap_model(tmp_path).num_reg_images() == images
