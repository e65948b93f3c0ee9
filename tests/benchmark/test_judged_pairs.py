"""Pairs whose truth is known, as calibrations are fitted to them and judged on them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pycolmap
import pytest
from support.mapfree_files import REFERENCE, frame, pose_line, write_scene

from mickey_hloc.benchmark.judged_pairs import judged_pairs
from mickey_hloc.cli import main
from mickey_hloc.confidence import read_calibrations, shipped_calibrations
from mickey_hloc.errors import InputError
from mickey_hloc.features.sift import SiftExtractor
from mickey_hloc.solvers import finding_solvers
from mickey_hloc.two_view.method import Method

METHODS = [Method(feature="sift", depth="constant:2", solver=solver) for solver in ("procrustes", "pnp")]


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """Two places of one scene each: bricks, seen again by a camera that went sideways by 0.1 m."""
    found = []
    for seed in (0, 1):
        place = tmp_path / f"place{seed}"
        move = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-0.1, 0, 0]))
        scene = write_scene(place / "val" / "s00000", {0: move}, focal=400.0)
        bricks = np.random.default_rng(seed).integers(0, 255, (90, 70, 1), dtype=np.uint8)
        wall = bricks.repeat(8, axis=0).repeat(8, axis=1).repeat(3, axis=2)
        for name, start in ((REFERENCE, 0), (frame(0), 20)):
            (scene / name).parent.mkdir(exist_ok=True)
            cv2.imwrite(str(scene / name), wall[:, start : start + 540])
        found.append(place)
    return found


def test_every_method_judges_the_same_pairs_and_photos_are_described_once(places, monkeypatch) -> None:
    described = []
    of_one = SiftExtractor._extract

    def counted(self, images):
        described.append(len(images))
        return of_one(self, images)

    monkeypatch.setattr(SiftExtractor, "_extract", counted)
    pairs = list(judged_pairs(METHODS, places, num_unrelated=6, progress=False))
    assert [len(of_all) for of_all in pairs] == [2] * 8
    for of_all in pairs[:2]:
        assert all(pair.judgement.is_correct and pair.judgement.error is not None for pair in of_all)
    for of_all in pairs[2:]:
        assert all(pair.judgement.is_unrelated and not pair.judgement.is_correct for pair in of_all)
    assert sum(described) == 4
    alone = list(judged_pairs(METHODS[1:], places, num_unrelated=6, progress=False))
    assert [pair.judgement.evidence for (pair,) in alone] == [of_all[1].judgement.evidence for of_all in pairs]


def test_training_scenes_give_pairs_that_overlap_whatever_the_world_is(places) -> None:
    """The first photo's camera is not the world here, and a pair without overlap is left out."""
    for place in places:
        (place / "val").rename(place / "train")
        scene = place / "train" / "s00000"
        world = pycolmap.Rigid3d(pycolmap.Rotation3d(np.array([0.0, 0.5, 0.0])), np.array([3.0, 1.0, -2.0]))
        move = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-0.1, 0, 0]))
        (scene / "poses.txt").write_text(pose_line(REFERENCE, world) + pose_line(frame(0), move * world))
        np.savez(scene / "overlaps.npz", idxs=[[0, 0, 1, 0], [1, 0, 0, 0]], overlaps=np.float32([0.9, 0.1]))
    pairs = list(judged_pairs(METHODS, places, num_unrelated=4, progress=False))
    assert len(pairs) == 2 + 4
    assert all(pair.judgement.is_correct for of_all in pairs[:2] for pair in of_all)
    assert all(pair.judgement.is_unrelated for of_all in pairs[2:] for pair in of_all)


def test_groups_of_places_are_paired_among_themselves(places, tmp_path, monkeypatch, capsys) -> None:
    """`--also`: unrelated pairs are of places of one group."""
    asked = []

    def judged(methods, group, split, count):
        asked.append([place.name for place in group])
        return judged_pairs(methods, group, split, 0, progress=False)

    monkeypatch.setattr("mickey_hloc.benchmark.judged_pairs.judged_pairs", judged)
    method = ["--feature", "sift", "--depth", "constant:2", "--solver", "pnp", "--output", str(tmp_path / "c.json")]
    monkeypatch.setattr("mickey_hloc.benchmark.judged_pairs.check_places", lambda *_: None)  # one scene a group here
    first, second = map(str, places)
    assert main(["calibrate", first, "--also", second, *method]) == 2  # far too few pairs
    assert asked == [["place0"], ["place1"]]
    assert "needs at least 20 correct" in capsys.readouterr().err
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["{0}", "{0}/"], "is named twice"),
        (["{0}", "--also", "{0}", "{1}"], "is named twice"),
        (["{0}", "{1}", "--also", "{0}x", "{1}x"], "has no folder 'val'"),
        (["{0}", "{1}", "--split", "other"], "has no folder 'other'"),
        (["{0}", "{1}", "--unrelated", "-1"], "--unrelated is -1"),
        (["{0}", "{1}", "--unrelated", "500"], "two places or more, with enough photos"),
    ],
)
def test_wrong_places_are_said_before_the_work(given, words, places, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("mickey_hloc.benchmark.judged_pairs.judged_pairs", lambda *_: pytest.fail("worked already"))
    command = [part.format(*places) for part in given] + ([] if "--unrelated" in given else ["--unrelated", "2"])
    command += ["--feature", "sift", "--depth", "constant:2", "--output", str(tmp_path / "c.json")]
    assert main(["calibrate", *command]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_all_solvers_that_find_poses_are_fitted(places, tmp_path, monkeypatch, capsys) -> None:
    """The one that takes a pair model's pose has nothing to be fitted to."""
    fitted = []

    def fit(table, fitted_on):
        fitted.append(len(table))
        return shipped_calibrations().find("sift", "pnp")

    monkeypatch.setattr("mickey_hloc.confidence.fit.fit_calibration", fit)
    out = tmp_path / "c.json"
    command = ["calibrate", *map(str, places), "--unrelated", "2", "--feature", "sift", "--depth", "constant:2"]
    assert main([*command, "--output", str(out)]) == 0
    assert fitted == [2 + 2] * len(finding_solvers())
    assert {solver for _, solver in read_calibrations(out).table} == set(finding_solvers())
    assert "predicted" not in capsys.readouterr().out


def test_a_place_alone_has_no_unrelated_pairs(places) -> None:
    assert len(list(judged_pairs(METHODS, places[:1], num_unrelated=0, progress=False))) == 1
    with pytest.raises(InputError, match="two places or more"):
        list(judged_pairs(METHODS, places[:1], num_unrelated=1, progress=False))
    with pytest.raises(InputError, match="enough photos"):
        list(judged_pairs(METHODS, places, num_unrelated=1000, progress=False))
