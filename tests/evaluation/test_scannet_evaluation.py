"""Posed pairs in SuperGlue's format: reading, rescaled intrinsics, scores through the command line."""

import json

import numpy as np
import pycolmap
import pytest
from PIL import Image
from support.mapfree_files import estimated, noisy, random_pose

from mickey_hloc.cli import main
from mickey_hloc.datasets.scannet import FULL_SIZE, image_size, intrinsics_on_disk, read_posed_pairs
from mickey_hloc.errors import InputError
from mickey_hloc.evaluation.scannet import evaluate_pairs, summarise_pairs
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.poses import read_poses, write_poses

K_FULL = np.array([[1170.0, 0, 647.5], [0, 1170, 483.5], [0, 0, 1]])


def line(name0, name1, pose, K=K_FULL, rotations="0 0"):
    T = np.vstack([pose.matrix(), [0, 0, 0, 1]])
    numbers = [*K.ravel(), *K.ravel(), *T.ravel()]
    return f"{name0} {name1} {rotations} {' '.join(map(repr, map(float, numbers)))}\n"


@pytest.fixture
def pairs(tmp_path):
    """Six pairs whose images are half as wide as the list's intrinsics say, and their true poses."""
    rng = np.random.default_rng(0)
    truth = {(f"a{i}.png", f"b{i}.png"): random_pose(rng) for i in range(6)}
    (tmp_path / "images").mkdir()
    for names in truth:
        for name in names:
            Image.new("L", (648, 484)).save(tmp_path / "images" / name)
    (tmp_path / "pairs.txt").write_text("".join(line(*names, pose) for names, pose in truth.items()))
    return tmp_path, truth


def test_reading_the_list(pairs):
    folder, truth = pairs
    read = read_posed_pairs(folder / "pairs.txt")
    assert [(p.name0, p.name1) for p in read] == list(truth)
    for pair in read:
        np.testing.assert_array_equal(pair.K0, K_FULL)
        np.testing.assert_allclose(pair.cam1_from_cam0.matrix(), truth[pair.name0, pair.name1].matrix(), atol=1e-9)


def test_intrinsics_follow_the_image_on_the_disk():
    half = intrinsics_on_disk(K_FULL, (648, 484), "x")
    np.testing.assert_allclose(half.K, [[585, 0, 323.5], [0, 585, 241.5], [0, 0, 1]])  # middle stays middle
    full = intrinsics_on_disk(K_FULL, FULL_SIZE, "x")
    np.testing.assert_allclose(full.K, K_FULL)
    own = np.array([[525.0, 0, 320], [0, 525, 240], [0, 0, 1]])
    np.testing.assert_allclose(intrinsics_on_disk(own, (640, 480), "x").K, own)  # already for the image on the disk
    np.testing.assert_allclose(intrinsics_on_disk(own, (320, 240), "x", (640, 480)).K[0, 0], 262.5)
    with pytest.raises(InputError, match=r"x: the principal point \(320, 240\) fits neither"):
        intrinsics_on_disk(own, (320, 240), "x")


def test_perfect_poses_in_either_order(pairs):
    folder, truth = pairs
    poses = {names: estimated(pose) for names, pose in truth.items()}
    first = next(iter(truth))
    poses[first[::-1]] = estimated(poses.pop(first).cam1_from_cam0.inverse())
    summary = summarise_pairs(evaluate_pairs(read_posed_pairs(folder / "pairs.txt"), poses, folder / "images"))
    for key, value in summary.items():
        expected = 0.0 if key.startswith("median") or key == "failures" else 100.0 if key.endswith("pct") else 1.0
        assert value == pytest.approx(expected, abs=1e-5), key


def test_failed_and_missing_pairs_count_as_wrong(pairs):
    folder, truth = pairs
    names = list(truth)
    poses = {n: estimated(truth[n]) for n in names[:3]} | {names[3]: RelativePose.failure("x")}
    results = evaluate_pairs(read_posed_pairs(folder / "pairs.txt"), poses, folder / "images")
    assert results.num_failures == 3
    summary = summarise_pairs(results)
    for key in ("vcre_precision_pct", "within_0.1m_5deg_pct", "scale_within_1.25^1_pct", "estimates_pct"):
        assert summary[key] == pytest.approx(50)
    assert summary["auc5"] == pytest.approx(0.5)
    assert summary["vcre_auc"] == pytest.approx(0.5, abs=1e-6)
    for key in ("median_vcre_px", "median_translation_m", "median_rotation_deg", "median_translation_angle_deg"):
        assert summary[key] == np.inf, key  # half of all pairs have no pose


def test_medians_are_of_all_pairs(pairs):
    """Five of six have a pose, the best of them exact: the median lies between the third and the fourth best."""
    folder, truth = pairs
    moves = [pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([0.1 * i, 0.0, 0.0])) for i in range(5)]
    poses = {names: estimated(move * truth[names]) for names, move in zip(list(truth)[:5], moves, strict=True)}
    summary = summarise_pairs(evaluate_pairs(read_posed_pairs(folder / "pairs.txt"), poses, folder / "images"))
    assert summary["median_translation_m"] == pytest.approx(0.25, abs=1e-6)
    assert summary["median_rotation_deg"] == pytest.approx(0.0, abs=1e-4)


def test_the_threshold_is_a_tenth_of_the_diagonal_and_scores_scale_with_the_image(pairs):
    folder, truth = pairs
    rng = np.random.default_rng(1)
    poses = {names: estimated(noisy(pose, rng, 10, 0.2)) for names, pose in truth.items()}
    small = evaluate_pairs(read_posed_pairs(folder / "pairs.txt"), poses, folder / "images")
    np.testing.assert_allclose(small.max_vcre_px, 0.1 * np.hypot(648, 484))
    for name in (folder / "images").iterdir():
        Image.new("L", FULL_SIZE).save(name)
    large = evaluate_pairs(read_posed_pairs(folder / "pairs.txt"), poses, folder / "images")
    np.testing.assert_allclose(large.vcre_px, 2 * small.vcre_px, rtol=0.02)  # but for the border's half pixel


def test_command_line(pairs, capsys):
    folder, truth = pairs
    rng = np.random.default_rng(2)
    for label, noise in (("good", 1.0), ("bad", 20.0)):
        poses = {names: estimated(noisy(pose, rng, noise, 0.01 * noise), rng.random()) for names, pose in truth.items()}
        write_poses(folder / f"{label}.txt", poses)
    arguments = ["evaluate", "scannet", "--pairs", str(folder / "pairs.txt"), "--images", str(folder / "images")]
    arguments += ["--poses", str(folder / "good.txt"), f"worse={folder / 'bad.txt'}", "--output", str(folder / "out")]
    assert main([*arguments, "--paper", "--format", "markdown"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in table[2:5]] == ["good", "worse", "paper: SuperGlue (PlaneRCNN depth)"]
    good, bad = (json.loads((folder / "out" / f"{label}.json").read_text()) for label in ("good", "worse"))
    assert good["auc20"] > bad["auc20"]
    assert (folder / "out" / "precision_recall.png").is_file()
    write_poses(folder / "good.txt", dict(list(read_poses(folder / "good.txt").items())[:2]))
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[3:5] == ["inf", "inf"]
    assert json.loads((folder / "out" / "good.json").read_text())["median_translation_m"] == "inf"
    assert main([*arguments, "--intrinsics-size", "big"]) == 2
    assert "like 1296x968" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b 0 0 1 2 3\n", "line 1: expected .* got 7"),
        (line("a", "b", random_pose(np.random.default_rng(0)), rotations="4 0"), "quarter turns, 0 to 3"),
        (line("a", "b", random_pose(np.random.default_rng(0)), K=np.eye(3) * 2), "no camera matrix"),
        (line("a", "b", random_pose(np.random.default_rng(0))).replace(" 1.0\n", " 2.0\n"), "no rigid motion"),
        (line("a", "b", random_pose(np.random.default_rng(0))) * 2, "line 2: .* twice"),
        ("# nothing\n", "has no pairs"),
    ],
)
def test_broken_lists_are_named(tmp_path, text, message):
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_posed_pairs(tmp_path / "pairs.txt")


def test_images_and_poses_that_do_not_fit(pairs):
    folder, truth = pairs
    read = read_posed_pairs(folder / "pairs.txt")
    poses = {names: estimated(pose) for names, pose in truth.items()}
    with pytest.raises(InputError, match="--images is the folder"):
        evaluate_pairs(read, poses, folder)
    with pytest.raises(InputError, match="No pair of the list has a pose"):
        evaluate_pairs(read, {("x", "y"): poses[next(iter(poses))]}, folder / "images")
    (folder / "images" / "b0.png").write_text("text")
    with pytest.raises(InputError, match="not an image"):
        image_size(folder / "images" / "b0.png")
