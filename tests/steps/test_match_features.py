"""The matching step with our matchers: hloc's layout, every pair once, never from other features."""

import re
import shutil

import h5py
import numpy as np
import pytest
import torch
from support.rendered_scenes import NAMES, PAIRS, change_times, write_scene

from mickey_hloc import cli, extract_features, match_features
from mickey_hloc.errors import InputError
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.matching import MATCHERS, get_matcher


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_scene(folder / "s00001", 3)
    return folder


@pytest.fixture(scope="module")
def sift(images, tmp_path_factory):
    conf = extract_features.get_conf("sift")
    return extract_features.main(conf, images, tmp_path_factory.mktemp("sift"), image_list=NAMES)


def match(features, path, conf="nn-ratio", pairs=PAIRS, **options):
    conf = match_features.get_conf(conf) if isinstance(conf, str) else conf
    return match_features.main(conf, pairs, features, path, progress=False, **options)


def test_matches_are_in_hlocs_layout_and_mutual(sift, tmp_path):
    path = match(sift, tmp_path / "matches.h5", "nn-mutual")
    with MatchFile(path) as matches, FeatureFile(sift) as features:
        found, scores = matches.read(*PAIRS[0])
        descriptors = [features.read(name, descriptors=True).descriptors for name in PAIRS[0]]
        similarity = descriptors[0].T @ descriptors[1]
        assert len(found) > 50
        assert len(np.unique(found[:, 1])) == len(found)
        np.testing.assert_array_equal(similarity[found[:, 0]].argmax(axis=1), found[:, 1])
        np.testing.assert_array_equal(similarity[:, found[:, 1]].argmax(axis=0), found[:, 0])
        np.testing.assert_allclose(scores, similarity[tuple(found.T)], atol=1e-5)


def test_pairs_are_matched_once_in_either_order(sift, tmp_path, monkeypatch):
    path = match(sift, tmp_path / "matches.h5", pairs=PAIRS[:1])
    before = change_times(tmp_path)
    cls = MATCHERS.get("nn-ratio")
    monkeypatch.setattr(cls, "match", lambda *_: pytest.fail("matched again"))
    match(sift, path, pairs=[PAIRS[0], PAIRS[0][::-1]])
    assert change_times(tmp_path) == before
    monkeypatch.undo()
    match(sift, path, pairs=[*PAIRS, PAIRS[1][::-1]])
    with h5py.File(path) as file:
        assert sum(len(group) for group in file.values()) == 2


def test_matches_of_another_matcher_or_other_features_are_refused(sift, tmp_path):
    path = match(sift, tmp_path / "matches.h5")
    with pytest.raises(InputError, match=r"max_ratio: 0\.9 there, null now"):
        match(sift, path, "nn-mutual")
    other = shutil.copy(sift, tmp_path / "other.h5")
    with h5py.File(other, "a") as file:
        file[NAMES[0]]["descriptors"][:, 0] = 0
    with pytest.raises(InputError, match="made from other features"):
        match(other, path)
    match(other, path, overwrite=True)


def test_images_without_features_are_left_out(sift, tmp_path):
    path = match(sift, tmp_path / "matches.h5", pairs=[*PAIRS, (NAMES[0], "absent.jpg")])
    with MatchFile(path) as matches:
        assert PAIRS[0] in matches
        assert (NAMES[0], "absent.jpg") not in matches


@pytest.mark.parametrize("name", sorted(MATCHERS.names))
@pytest.mark.parametrize("counts", [(0, 5), (5, 0), (1, 1), (3, 7)])
def test_every_matcher_takes_any_number_of_keypoints(name, counts):
    random = torch.Generator().manual_seed(0)
    matcher = get_matcher(name)
    pytest.importorskip(matcher.install.split()[-1].replace("-", "_") if hasattr(matcher, "install") else "torch")
    channels = getattr(matcher, "channels", 8)
    features = [
        {
            "keypoints": torch.rand(n, 2, generator=random),
            "descriptors": torch.nn.functional.normalize(torch.rand(channels, n, generator=random), dim=0),
            "image_size": torch.tensor([64, 48 + n]),
        }
        for n in counts
    ]
    matcher.prepare({"mickey_match_temperature": 0.1, "mickey_dustbin_score": 1.0})
    matches0, scores0 = matcher.match(*features)
    assert matches0.shape == scores0.shape == (counts[0],)
    assert matches0.dtype == torch.int64
    assert ((matches0 >= -1) & (matches0 < max(counts[1], 1))).all()


def test_match_on_the_command_line(sift, tmp_path, capsys):
    (tmp_path / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in PAIRS))
    run = ["match", str(tmp_path / "pairs.txt"), "--features", str(sift), "--output", str(tmp_path / "matches.h5")]
    assert cli.main(run) == 0
    assert "2 of 2 pairs matched" in capsys.readouterr().out
    assert cli.main([*run, "--matcher", "vismatch-loftr"]) == 2
    assert "makes its own keypoints" in capsys.readouterr().err
    (tmp_path / "pairs.txt").write_text(f"{NAMES[0]} absent.jpg\n")
    assert cli.main(run) == 1
    assert "0 of 1 pairs matched" in capsys.readouterr().out


def test_pairs_that_cannot_be_matched_are_named_with_the_reason(sift, tmp_path, capsys):
    (tmp_path / "pairs.txt").write_text(f"{NAMES[0]} absent.jpg\n{NAMES[1]} absent.jpg\n{NAMES[0]} {NAMES[1]}\n")
    run = ["match", str(tmp_path / "pairs.txt"), "--features", str(sift), "--output"]
    assert cli.main([*run, str(tmp_path / "some.h5")]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("1 of 3 pairs matched")
    reason = f"{sift} has no features of image 'absent.jpg' (it has names like '{sorted(NAMES)[0]}')."
    assert second == f"  2 without input, e.g. {NAMES[0]} absent.jpg: {reason}"

    (tmp_path / "pairs.txt").write_text(f"{NAMES[0]} absent.jpg\n")
    assert cli.main([*run, str(tmp_path / "none.h5")]) == 1
    assert "0 of 1 pairs matched, 0 matches each: no matches file is written" in capsys.readouterr().out
    assert not (tmp_path / "none.h5").exists()
    with pytest.raises(InputError, match=r"None of the 1 pairs can be matched: .* no features of image 'absent\.jpg'"):
        match(sift, tmp_path / "none.h5", pairs=[(NAMES[0], "absent.jpg")])


def test_names_that_a_matches_file_cannot_tell_apart_are_refused(sift, tmp_path, capsys):
    features = shutil.copy(sift, tmp_path / "features.h5")
    with h5py.File(features, "a") as file:
        file.copy(file[NAMES[1]], file, NAMES[1].replace("/", "-"))
    clash = [(NAMES[0], NAMES[1]), (NAMES[0], NAMES[1].replace("/", "-"))]
    with pytest.raises(InputError, match=r"hloc's matches files cannot tell .* from .*; rename one"):
        match(features, tmp_path / "matches.h5", pairs=clash)
    (tmp_path / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in clash))
    (tmp_path / "K.txt").write_text("".join(f"{name} 500 500 50 50 100 100\n" for pair in clash for name in pair))
    poses = ["poses", str(tmp_path / "pairs.txt"), "--features", str(features), "--intrinsics", str(tmp_path / "K.txt")]
    matches = ["--matches", str(match(sift, tmp_path / "ok.h5")), "--depth", "constant:2"]
    assert cli.main([*poses, *matches, "--output", str(tmp_path / "poses.txt")]) == 2
    assert "cannot tell" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("keypoints", lambda a: a.T, r"'keypoints' of image .* has shape \(2, \d+\), expected \(N, 2\)"),
        ("keypoints", lambda a: a[:-1], r"has shape .*, which does not fit its \d+ keypoints"),
        ("keypoints", lambda a: a * np.nan, "'keypoints' of image .* has values that are not finite"),
        ("descriptors", lambda a: a.T, "'descriptors' of image .* does not fit"),
        ("descriptors", lambda a: np.full_like(a, np.nan), "'descriptors' of image .* has values that are not finite"),
    ],
)
def test_damaged_features_cost_only_their_image(sift, tmp_path, key, value, message):
    features = shutil.copy(sift, tmp_path / "features.h5")
    with h5py.File(features, "a") as file:
        old = file[NAMES[2]][key][()]
        del file[NAMES[2]][key]
        file[NAMES[2]][key] = value(old)
    report = match_features.match(
        match_features.get_conf("nn-ratio"), PAIRS, features, tmp_path / "m.h5", progress=False
    )
    damaged = [pair for pair in PAIRS if NAMES[2] in pair]
    assert damaged
    assert list(report.skipped) == damaged
    assert report.matched == len(PAIRS) - len(damaged)
    for reason in report.skipped.values():
        assert re.search(message, reason), reason
