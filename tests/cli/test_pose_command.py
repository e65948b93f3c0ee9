"""``mickey-hloc pose`` and ``demo`` as a user runs them: results, pictures, and one sentence for every wrong input."""

import argparse
import json
import shlex
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from mickey_hloc.cli import demo, main
from mickey_hloc.cli.demo import write_pair
from mickey_hloc.rooms import sample_pair


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    write_pair(sample_pair(3, (480, 360)), folder)
    return folder


@pytest.fixture
def room(rendered, tmp_path):
    """A folder with reference.png, query.png, their exact depth and intrinsics.txt, to be spoilt."""
    shutil.copytree(rendered, tmp_path / "room")
    return tmp_path / "room"


def arguments(room, *more, reference="reference.png", query="query.png", intrinsics=True):
    camera = ["--intrinsics", str(room / "intrinsics.txt")] if intrinsics else []
    sift = ["--feature", "sift", "--depth", "png:exact"]
    return ["pose", str(room / reference), str(room / query), *camera, *sift, *more]


def refused(capsys, arguments) -> str:
    """Run what must fail with status 2, no traceback, nothing on stdout and one sentence on stderr."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1
    return lines[0]


def test_text_and_pictures(room, capsys, tmp_path) -> None:
    assert main(arguments(room, "--out", str(tmp_path / "out"))) == 0
    printed = capsys.readouterr().out
    first = printed.splitlines()[0]
    assert first.startswith("Seen from reference.png, query.png stands ")
    assert "degrees" in first
    for word in ("qw qx qy qz", "tx ty tz (m)", "of 100 such poses are right", "confidence"):
        assert word in printed
    assert "soft inliers" not in printed
    assert "seconds" not in printed
    assert "\033" not in printed
    assert main(arguments(room, "--verbose")) == 0
    verbose = capsys.readouterr().out
    for word in ("soft inliers", "correspondences agree", "seconds", "image error below 10 %"):
        assert word in verbose
    for name in ("matches", "depth0", "depth1", "scores0", "scores1"):
        assert np.asarray(Image.open(tmp_path / "out" / f"{name}.png")).std() > 1


def test_a_report_is_one_page_with_everything(room, capsys, tmp_path) -> None:
    pytest.importorskip("plotly")
    evil = "<img src=x onerror=alert(1)>.png"
    shutil.copy(room / "query.png", room / evil)
    shutil.copy(room / "query.exact.png", room / evil.replace(".png", ".exact.png"))
    focal = (room / "intrinsics.txt").read_text().split()[9]
    report = tmp_path / "report.html"
    assert main(arguments(room, "--focal", focal, "--report", str(report), query=evil, intrinsics=False)) == 0
    content = report.read_text(encoding="utf-8")
    assert "<img src=x" not in content
    assert content.count('<img src="data:') == 6  # matches, positions, depths and scores
    assert "degrees" in content
    assert "No pose" not in content
    assert "report: " in capsys.readouterr().err
    assert "ends in .html" in refused(capsys, arguments(room, "--report", str(tmp_path / "report")))


def test_the_report_of_a_refused_pair_shows_its_estimate(room, tmp_path) -> None:
    pytest.importorskip("plotly")
    report, refuse = tmp_path / "report.html", ("--set", "accept.min_inliers=100000")
    out = ("--output", str(tmp_path / "out"))
    assert main(arguments(room, *out)) == 0
    accepted = np.asarray(Image.open(tmp_path / "out" / "positions.png"))
    assert main(arguments(room, *refuse, *out, "--report", str(report))) == 1
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "positions.png")), accepted)
    content = report.read_text(encoding="utf-8")
    assert "No pose of query.png" in content
    assert "where its depth places them, and the refused estimate of the second camera" in content
    assert "own depth and the refused estimate place them" in content
    assert "the pose agree" not in content


def test_json_is_near_the_truth(room, capsys) -> None:
    truth = sample_pair(3, (480, 360)).cam1_from_cam0
    assert main(arguments(room, "--json", "--seed", "5")) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["success"]
    assert result["frame"] == "cam1_from_cam0"
    np.testing.assert_allclose(result["translation_m"], truth.translation, atol=0.03)
    assert 0 < result["confidence"] <= 1
    assert 3 <= result["inliers"] <= result["correspondences"]


def test_a_focal_length_instead_of_a_file(room, capsys) -> None:
    focal = (room / "intrinsics.txt").read_text().split()[9]
    assert main(arguments(room, "--focal", focal, "--json", intrinsics=False)) == 0
    assert json.loads(capsys.readouterr().out)["success"]


def test_exif_is_used_and_said(room, capsys) -> None:
    for name in ("reference", "query"):
        exif = Image.Exif()
        exif[0x8769] = {0xA405: 30}
        Image.open(room / f"{name}.png").save(room / f"{name}.jpg", exif=exif, quality=95)
    assert main(arguments(room, "--json", reference="reference.jpg", query="query.jpg", intrinsics=False)) in (0, 1)
    said = capsys.readouterr().err
    assert "reference.jpg and " in said
    assert said.count("from its EXIF data") == 1


def test_nothing_in_common_is_a_failure_with_a_reason(room, capsys) -> None:
    write_pair(sample_pair(4, (480, 360)), room / "other")
    shutil.copy(room / "other/query.png", room / "query.png")
    shutil.copy(room / "other/query.exact.png", room / "query.exact.png")
    assert main(arguments(room)) == 1
    assert "No pose of query.png relative to reference.png: " in capsys.readouterr().out
    assert main(arguments(room, "--json")) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["translation_m"] is None
    assert result["reason"]


def test_a_blank_image_is_a_failure_with_a_reason(room, capsys) -> None:
    Image.new("RGB", (480, 360), (90, 90, 90)).save(room / "query.png")
    assert main(arguments(room)) == 1
    assert "query.png has no keypoints (is it of a single colour?)" in capsys.readouterr().out


def test_unknown_depth_is_a_failure_with_a_reason(room, capsys) -> None:
    cv2.imwrite(str(room / "query.exact.png"), np.zeros((360, 480), dtype=np.uint16))
    assert main(arguments(room)) == 1
    assert "0 matches have depth in both images" in capsys.readouterr().out


def test_unreadable_images(room, capsys) -> None:
    content = (room / "query.png").read_bytes()
    (room / "query.png").write_bytes(content[: len(content) // 2])
    assert "query.png cannot be read" in refused(capsys, arguments(room))
    (room / "query.png").write_text("no image")
    assert "query.png is not an image" in refused(capsys, arguments(room))
    (room / "query.png").unlink()
    assert "query.png does not exist" in refused(capsys, arguments(room))


def test_unusable_intrinsics(room, capsys) -> None:
    path = room / "intrinsics.txt"
    good = path.read_text()
    assert "no focal length in its EXIF data; give --intrinsics FILE or --focal PX" in refused(
        capsys, arguments(room, intrinsics=False)
    )
    path.write_text(good.replace("query.png", "someone.png"))
    assert "query.png is not in" in refused(capsys, arguments(room))
    path.write_text(good.replace(" 480 360", " 480", 1))
    assert "intrinsics.txt, line 2: expected 'name fx fy cx cy w h'" in refused(capsys, arguments(room))
    path.write_text(good.replace(" 480 360", " 960 720"))
    assert "reference.png is 480x360 px but its intrinsics" in refused(capsys, arguments(room))
    path.unlink()
    assert "intrinsics.txt cannot be read" in refused(capsys, arguments(room))


def test_unusable_depth(room, capsys) -> None:
    (room / "query.exact.png").write_bytes((room / "query.exact.png").read_bytes()[:200])
    assert "query.exact.png" in refused(capsys, arguments(room))
    (room / "query.exact.png").unlink()
    assert "No depth file for image 'query.png'" in refused(capsys, arguments(room))


def test_unusable_weights(room, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MICKEY_HLOC_CACHE", str(tmp_path / "cache"))
    mickey = [*arguments(room)[:5], "--feature", "mickey", "--weights"]
    (tmp_path / "fake.ckpt").write_text("no checkpoint")
    for weights, message in {
        str(tmp_path / "fake.ckpt"): "fake.ckpt",
        str(tmp_path / "absent.ckpt"): "absent.ckpt",
        "mickeyy": "did you mean 'mickey'",
    }.items():
        assert message in refused(capsys, [*mickey, weights])


def test_unusable_arguments(room, capsys) -> None:
    assert "Unknown depth source 'laser'" in refused(capsys, arguments(room, "--depth", "laser"))
    assert "Unknown option 'max_eror'" in refused(capsys, arguments(room, "--solver-option", "max_eror=1"))
    assert "is not KEY=VALUE" in refused(capsys, arguments(room, "--solver-option", "max_error_m"))
    assert "Unknown solver 'magic'; choose one of: essential" in refused(capsys, arguments(room, "--solver", "magic"))
    with pytest.raises(SystemExit) as stop:
        main(arguments(room, "--focal", "wide", intrinsics=False))
    assert stop.value.code == 2
    assert "'wide' is not PX or PX,PX" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "largest_error_cm"),
    [(["--feature", "sift", "--depth", "png:exact", "--solver", "procrustes"], 5), ([], 50)],
)
def test_the_demo(method, largest_error_cm, tmp_path, capsys) -> None:
    tmp_path = tmp_path / "two words"
    assert main(["demo", "--out", str(tmp_path), "--room", "2", *method]) == 0
    printed = capsys.readouterr()
    error_cm = float(printed.out.split("\n  error ")[1].split(",")[1].split()[0])
    assert error_cm < largest_error_cm
    assert (tmp_path / "matches.png").is_file()
    command = shlex.split(printed.err.split("the same from files: mickey-hloc ")[1])
    assert main(command) == 0
    again = capsys.readouterr().out
    assert again.splitlines()[1] == printed.out.splitlines()[1]  # the same pose from the files


def test_what_the_demo_names_is_every_option_that_it_was_given() -> None:
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    given = [*("--feature", "sift"), *("--focal-correction", "depth"), *("--set", "feature.max keypoints=9")]
    given += [*("--set", "seed=2"), *("--exif", "ignore"), *("--seed", "3")]
    args = parser.parse_args([*given, "--output", "elsewhere", "--json"])
    assert sorted(shlex.split(demo.method_as_text(args))) == sorted(given)


def test_the_demos_have_a_folder_each(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    method = ["--feature", "sift", "--depth", "constant:2", "--accept", "all"]
    assert [main(["demo", *which, *method]) for which in ([], ["--photos"])] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mickey-hloc-demo", "mickey-hloc-demo-photos"]


def test_help_and_version(capsys) -> None:
    for argv in (["--help"], ["pose", "--help"], ["demo", "--help"], ["--version"]):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 0
    assert "mickey-hloc" in capsys.readouterr().out


def test_a_focal_length_nobody_knows_is_guessed_on_request_and_said(room, capsys) -> None:
    def estimated(*camera: str) -> tuple[dict, str]:
        assert main(arguments(room, "--json", *camera, intrinsics=False)) == 0
        printed = capsys.readouterr()
        return json.loads(printed.out), printed.err

    guess = float(28 * np.hypot(480, 360) / np.hypot(36, 24))
    auto, said = estimated("--focal", "auto")
    known, silent = estimated("--focal", repr(guess))
    assert said.count("the focal length is not known") == 1  # the same of both photos
    assert auto["cameras"] == known["cameras"]
    assert auto["cameras"][0]["fx"] == pytest.approx(guess, abs=1e-3)
    assert f"{guess:.1f} px is guessed" in said
    assert "guessed" not in silent
    assert auto["translation_m"] == known["translation_m"]
    assert auto["confidence"] == known["confidence"] / 2
    assert "the focal length is a guess" in auto["confidence_note"]
    assert auto["distance_95_m"][1] == pytest.approx(1.5 * known["distance_95_m"][1])
    assert estimated("--focal", f"{guess!r},auto")[1].count("is not known") == 1
    photo = room / "reference.png"
    with Image.open(photo) as image:
        exif = Image.Exif()
        exif[0x8769] = {0xA405: 28}
        image.save(photo, exif=exif)
    assert "reference.png: the focal length is not known" not in estimated("--focal", "auto")[1]


def test_every_format_of_cameras_gives_the_same_pose(room, capsys) -> None:
    def pose(*camera: str) -> dict:
        assert main(arguments(room, "--json", *camera, intrinsics=False)) == 0
        found = json.loads(capsys.readouterr().out)
        return {key: found[key] for key in ("quaternion_wxyz", "translation_m", "confidence")}

    lines = [line.split() for line in (room / "intrinsics.txt").read_text().splitlines() if not line.startswith("#")]
    expected = pose("--intrinsics", str(room / "intrinsics.txt"))
    queries = "".join(
        f"{name} PINHOLE {w} {h} {fx} {fy} {float(cx) + 0.5!r} {float(cy) + 0.5!r}\n"
        for name, fx, fy, cx, cy, w, h in lines
    )
    (room / "queries.txt").write_text(queries, encoding="utf-8-sig", newline="\r\n")
    assert pose("--intrinsics", str(room / "queries.txt")) == expected
    for i, line in enumerate(queries.splitlines(keepends=True)):
        (room / f"{i}.txt").write_text(line)
    assert pose("--intrinsics", str(room / "0.txt"), "--intrinsics", str(room / "1.txt")) == expected
    model = room / "project" / "sparse" / "0"
    model.mkdir(parents=True)
    rows = [line.split(maxsplit=1) for line in queries.splitlines()]
    (model / "cameras.txt").write_text("".join(f"{i} {row[1]}\n" for i, row in enumerate(rows, 1)))
    (model / "images.txt").write_text("".join(f"{i} 1 0 0 0 0 0 0 {i} {row[0]}\n\n" for i, row in enumerate(rows, 1)))
    (model / "points3D.txt").write_text("")
    assert pose("--intrinsics", str(room / "project")) == expected


def test_a_lens_that_distorts_is_taken_out_of_the_photos(room, capsys) -> None:
    lines = [line.split() for line in (room / "intrinsics.txt").read_text().splitlines() if not line.startswith("#")]
    (room / "queries.txt").write_text(
        "".join(f"{n} OPENCV {w} {h} {fx} {fy} {cx} {cy} 0.05 0 0 0\n" for n, fx, fy, cx, cy, w, h in lines)
    )
    found = []
    for source in ("intrinsics.txt", "queries.txt"):
        assert main(arguments(room, "--json", "--intrinsics", str(room / source), intrinsics=False)) == 0
        found.append(json.loads(capsys.readouterr().out)["translation_m"])
    assert 1e-4 < np.linalg.norm(np.subtract(*found)) < 0.1


def test_resizing_for_the_focal_length_is_mickeys(room, capsys) -> None:
    assert "neither the feature nor the depth is MicKey's" in refused(
        capsys, arguments(room, "--focal-correction", "resize")
    )
