"""A model's folder in, a model in metres out: whole or not at all, the input untouched, wrong input in one sentence."""

import json
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from support.rendered_scenes import all_files, change_times, write_view
from support.room_depth import model_of, names, true_depth, walk

from mickey_hloc import scale_reconstruction
from mickey_hloc.cli import main
from mickey_hloc.errors import InputError
from mickey_hloc.metric.lengths import KnownDistance
from mickey_hloc.scale_reconstruction import Evidence, opened_depth

UNITS = 2.5


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """images/ with depth beside them, and sfm/ with a model in another unit."""
    folder = tmp_path_factory.mktemp("project")
    views = walk()[0]
    for name, view in zip(names(views), views, strict=True):
        write_view(folder / "images" / name, view)
    (folder / "sfm").mkdir()
    model_of(views, units_per_metre=UNITS, keypoint_std=0.3).write(str(folder / "sfm"))
    return folder


def arguments(project: Path, output: Path, *more: str, model: str = "sfm") -> list[str]:
    return ["scale", str(project / model), "--images", str(project / "images"), "--output", str(output), *more]


def refused(arguments: list[str], output: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence of a run that fails, which left nothing behind."""
    before = set(output.parent.iterdir())
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("mickey-hloc scale: ")
    assert "Traceback" not in said
    assert set(output.parent.iterdir()) == before
    return said


def reprojection_errors(model: pycolmap.Reconstruction) -> np.ndarray:
    errors = []
    for image in model.images.values():
        for point in image.get_observation_points2D():
            errors.append(image.project_point(model.points3D[point.point3D_id].xyz) - point.xy)
    return np.array(errors)


def test_the_command_writes_the_model_in_metres(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, times = all_files(project), change_times(project)
    assert main(arguments(project, tmp_path / "metric", "--depth", "png:sensor", "--tum", "--ply")) == 0
    said = capsys.readouterr().out
    assert "metres per unit of the model, 95 % between" in said
    assert all_files(project) == before
    assert change_times(project) == times
    was = pycolmap.Reconstruction(str(project / "sfm"))
    now = pycolmap.Reconstruction(str(tmp_path / "metric"))
    assert now.num_points3D() == was.num_points3D()
    report = json.loads((tmp_path / "metric/scale.json").read_text())
    assert report["scale"] == pytest.approx(1 / UNITS, rel=5e-3)
    np.testing.assert_allclose(reprojection_errors(now), reprojection_errors(was), atol=1e-6)
    views = walk()[0]
    for view, name in zip(views, names(views), strict=True):
        true = pycolmap.Rigid3d(view.cam_from_world).inverse().translation
        first = pycolmap.Rigid3d(views[0].cam_from_world).inverse().translation
        centres = [now.find_image_with_name(n).projection_center() for n in (name, "000.png")]
        assert np.linalg.norm(centres[0] - centres[1]) == pytest.approx(np.linalg.norm(true - first), rel=5e-3)
    rows = [line.split() for line in (tmp_path / "metric/trajectory.txt").read_text().splitlines()[1:]]
    assert [row[0] for row in rows] == [Path(name).stem for name in names(views)]
    np.testing.assert_allclose(np.array(rows[2][1:4], float), now.find_image_with_name("002.png").projection_center())
    assert (tmp_path / "metric/points3D.ply").stat().st_size > 1000


def test_the_layout_and_the_format_stay(project: Path, tmp_path: Path) -> None:
    inner = tmp_path / "in/sparse/0"
    inner.mkdir(parents=True)
    pycolmap.Reconstruction(str(project / "sfm")).write_text(str(inner))
    (tmp_path / "in/images").symlink_to(project / "images")
    assert main(["scale", str(tmp_path / "in"), "--depth", "png:sensor", "--output", str(tmp_path / "out")]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"sparse", "images"}
    assert (tmp_path / "out/images/000.png").is_file()
    assert {p.name for p in (tmp_path / "out/sparse/0").iterdir()} == {
        *(f"{name}.txt" for name in ("cameras", "images", "points3D", "frames", "rigs")),
        "scale.json",
    }


def test_rigs_and_frames_are_in_metres_too() -> None:
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions(num_rigs=1, num_cameras_per_rig=2, num_frames_per_rig=4)
    model = pycolmap.synthesize_dataset(options)
    [sensor] = model.rigs[1].non_ref_sensors
    baseline = np.linalg.norm(model.rigs[1].sensor_from_rig(sensor).translation)
    first, second = (model.images[data.id] for data in next(iter(model.frames.values())).image_ids)
    apart = float(np.linalg.norm(first.projection_center() - second.projection_center()))
    known = KnownDistance(first.name, second.name, 0.25)
    found = scale_reconstruction.scale_model(model, Evidence(distances=[known]))
    assert found.scale.scale == pytest.approx(0.25 / apart)
    assert np.linalg.norm(model.rigs[1].sensor_from_rig(sensor).translation) == pytest.approx(
        baseline * found.scale.scale
    )


def test_weak_evidence_writes_nothing_unless_asked(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "images"
    few.mkdir()
    for name in ("000.png", "000.sensor.png"):
        (few / name).write_bytes((project / "images" / name).read_bytes())
    command = ["scale", str(project / "sfm"), "--images", str(few), "--depth", "png:sensor", "--output"]
    assert main([*command, str(tmp_path / "metric")]) == 1
    said = capsys.readouterr().out
    assert "no scale: only 1 images say something" in said
    assert "9 images say nothing, e.g. 001.png" in said
    assert not (tmp_path / "metric").exists()
    assert main([*command, str(tmp_path / "metric"), "--accept", "all"]) == 0
    assert "weak: only 1 images" in capsys.readouterr().out
    assert pycolmap.Reconstruction(str(tmp_path / "metric")).num_reg_images() == 10


def test_wrong_input_is_one_sentence(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "work" / "metric"
    out.parent.mkdir()
    depth = ("--depth", "png:sensor")
    assert "Nothing says what the scale is" in refused(arguments(project, out), out, capsys)
    assert "has no COLMAP model" in refused(arguments(project, out, *depth, model="images"), out, capsys)
    assert "has no COLMAP model" in refused(arguments(project, out, *depth, model="absent"), out, capsys)
    inside = arguments(project, project / "sfm" / "out", *depth)
    assert "one folder or in one another" in refused(inside, out, capsys)
    assert "one folder or in one another" in refused(arguments(project, project / "sfm", *depth), out, capsys)
    elsewhere = ["scale", str(project / "sfm"), "--images", str(tmp_path / "work"), *depth, "--output", str(out)]
    assert "None of the 10 images" in refused(elsewhere, out, capsys)
    mickey = ["scale", str(project / "sfm"), "--images", str(tmp_path / "work"), "--depth", "mickey:small"]
    assert "None of the model's 10 images is in" in refused([*mickey, "--output", str(out)], out, capsys)
    length = ("--known-length", "000.png", "1", "2", "3", "x", "1.5")
    assert "'x' is not a number" in refused(arguments(project, out, *length), out, capsys)
    for given in ("png:sensor", "mickey:small"):
        alone = ["scale", str(project / "sfm"), "--depth", given, "--output", str(out)]
        assert "give --images DIR" in refused(alone, out, capsys)
    zero = ("--known-distance", "000.png", "001.png", "0")
    assert "must be a positive number of metres" in refused(arguments(project, out, *zero), out, capsys)
    rig = ("--rig-baseline", "1", "2", "0.1")
    assert "No rig of the model has the cameras 1 and 2" in refused(arguments(project, out, *rig), out, capsys)


def test_depth_of_weights_is_called_as_it_was_given(project: Path) -> None:
    model = pycolmap.Reconstruction(str(project / "sfm"))
    with opened_depth(Evidence(depth="mickey:small"), model, project / "images", ["000.png"]) as source:
        assert source.spec == "mickey:small"
        assert source.copy().spec == "mickey:small"


@pytest.mark.parametrize("name", ["cameras", "images", "points3D", "frames", "rigs"])
def test_a_truncated_model_is_one_sentence(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "sfm").mkdir()
    for file in (project / "sfm").iterdir():
        content = file.read_bytes()
        (tmp_path / "sfm" / file.name).write_bytes(content[: len(content) // 2] if file.stem == name else content)
    command = ["scale", str(tmp_path / "sfm"), "--images", str(project / "images"), "--depth", "png:sensor"]
    out = tmp_path / "metric"
    assert "cannot be read" in refused([*command, "--output", str(out)], out, capsys)


def test_features_of_other_images_are_one_sentence(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        group = file.create_group("holiday.jpg")
        for key, value in {"keypoints": np.zeros((4, 2)), "depths": np.ones(4), "image_size": [160, 120]}.items():
            group[key] = value
    out = tmp_path / "metric"
    said = refused(arguments(project, out, "--depth", f"mickey:{tmp_path / 'other.h5'}"), out, capsys)
    assert "None of the 10 images of the model" in said
    assert "has no features of image" in said


def test_a_model_of_one_image_is_one_sentence(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = pycolmap.Reconstruction(str(project / "sfm"))
    for frame in list(model.reg_frame_ids())[1:]:
        model.deregister_frame(frame)
    (tmp_path / "one").mkdir()
    model.write(str(tmp_path / "one"))
    out = tmp_path / "metric"
    command = ["scale", str(tmp_path / "one"), "--depth", "constant:2", "--output", str(out)]
    assert "The model has 1 image with a pose" in refused(command, out, capsys)


def test_an_existing_output_is_replaced_only_where_it_is_ours(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "metric"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    command = arguments(project, out, "--depth", "png:sensor")
    assert "exists and is not empty; choose another output." in refused(command, out, capsys)
    assert "exists and is not empty" in refused([*command, "--overwrite"], out, capsys)
    (out / "thesis.txt").unlink()
    assert main(command) == 0
    assert "or --overwrite it" in refused(command, out, capsys)
    assert main([*command, "--overwrite"]) == 0


def test_a_failure_while_writing_leaves_nothing(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(scale_reconstruction, "write_tum", fail)
    evidence = Evidence(depth=true_depth(walk()[0]))
    with pytest.raises(OSError, match="disk full"):
        scale_reconstruction.main(project / "sfm", tmp_path / "metric", evidence, tum=True)
    assert list(tmp_path.iterdir()) == []


def test_what_accept_may_be() -> None:
    with pytest.raises(InputError, match="supported or all"):
        scale_reconstruction.scale_model(model_of(walk()[0]), Evidence(), accept="some")


def test_lengths_are_measured_in_the_model_in_metres(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(project, tmp_path / "metric", "--depth", "png:sensor")) == 0
    views = walk()[0]
    true = [pycolmap.Rigid3d(view.cam_from_world).inverse().translation for view in views]
    apart = float(np.linalg.norm(true[0] - true[5]))
    capsys.readouterr()
    assert main(["measure", str(tmp_path / "metric"), "000.png", "005.png", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["unit"] == "metres"
    assert found["interval_95"][0] < apart < found["interval_95"][1]
    assert main(["measure", str(project / "sfm"), "000.png", "20", "30", "90", "80"]) == 0
    said = capsys.readouterr().out
    assert "units of the model, 95 % between" in said
    assert "no scale.json beside the model" in said
    depth = ["--images", str(project / "images"), "--depth", "png:sensor"]
    assert main(["measure", str(tmp_path / "metric"), "000.png", "20", "30", "90", "80", *depth]) == 0
    assert "m, 95 % between" in capsys.readouterr().out
    for where, words in (
        (["20", "30", "90"], "not 3 words"),
        (["20", "30", "90", "y"], "'y' is not a number"),
        (["99.png"], "has no image '99.png'"),
    ):
        assert main(["measure", str(tmp_path / "metric"), "000.png", *where]) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "metric/scale.json").write_text("{")
    assert main(["measure", str(tmp_path / "metric"), "000.png", "005.png"]) == 2
    assert "scale.json cannot be read" in capsys.readouterr().err


def test_a_wrong_tape_measure_is_a_disagreement(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {
        name: pycolmap.Rigid3d(view.cam_from_world).inverse().translation
        for name, view in zip(names(walk()[0]), walk()[0], strict=True)
    }
    apart = float(np.linalg.norm(places["000.png"] - places["009.png"]))
    (tmp_path / "positions.txt").write_text("".join(f"{n} {x} {y} {z}\n" for n, (x, y, z) in places.items()))
    right = ("--known-distance", "000.png", "009.png", f"{apart}", "--positions", str(tmp_path / "positions.txt"))
    assert main(arguments(project, tmp_path / "a", "--depth", "png:sensor", *right)) == 0
    said = capsys.readouterr().out
    assert "disagreement" not in said
    assert "positions.txt" in said
    wrong = ("--known-distance", "000.png", "009.png", f"{1.1 * apart}")
    assert main(arguments(project, tmp_path / "b", "--depth", "png:sensor", *wrong)) == 0
    assert "disagreement: depth png:sensor says" in capsys.readouterr().out
