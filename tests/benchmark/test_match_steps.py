"""The matching steps: ours and a host's, of features and of images; resumable, and never from other features."""

import shutil

import h5py
import numpy as np
import pytest
import torch
from support.rendered_scenes import change_times
from support.stub_host import write_stub_host

from mickey_hloc import estimate_poses, extract_features, match_features, match_images
from mickey_hloc.benchmark import Method, make_plan
from mickey_hloc.benchmark.method_confs import feature_conf, matching_plan
from mickey_hloc.cli import main as cli
from mickey_hloc.errors import InputError, MissingDependencyError, WeightsError
from mickey_hloc.hloc_plugin.models import load_hloc_model
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.pair_keypoints import as_features_and_matches
from mickey_hloc.io.poses import read_poses
from mickey_hloc.matching import FEATURE_MATCHERS, get_feature_matcher

NAMES = [f"s00001/{name}" for name in ("seq0/frame_00000.jpg", "seq1/frame_00000.jpg", "seq1/frame_00001.jpg")]
PAIRS = [(NAMES[0], NAMES[1]), (NAMES[0], NAMES[2])]


@pytest.fixture(scope="module")
def images(rendered):
    return rendered / "val"


@pytest.fixture(scope="module")
def sift(images, tmp_path_factory):
    conf = extract_features.get_conf("sift")
    return extract_features.main(conf, images, tmp_path_factory.mktemp("sift"), image_list=NAMES)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield write_stub_host(folder)


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
    cls = FEATURE_MATCHERS.get("nearest")
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


@pytest.mark.parametrize("name", ["nearest", "mickey"])
@pytest.mark.parametrize("counts", [(0, 5), (5, 0), (1, 1), (3, 7)])
def test_every_matcher_takes_any_number_of_keypoints(name, counts, golden_free_matcher):
    random = torch.Generator().manual_seed(0)
    features = [
        {
            "keypoints": torch.rand(n, 2, generator=random),
            "descriptors": torch.nn.functional.normalize(torch.rand(8, n, generator=random), dim=0),
            "image_size": torch.tensor([64, 48 + n]),
        }
        for n in counts
    ]
    matches0, scores0 = golden_free_matcher(name).match(*features)
    assert matches0.shape == scores0.shape == (counts[0],)
    assert matches0.dtype == torch.int64
    assert ((matches0 >= -1) & (matches0 < max(counts[1], 1))).all()


@pytest.fixture
def golden_free_matcher():
    def make(name):
        matcher = get_feature_matcher(name)
        matcher.prepare({"mickey_match_temperature": 0.1, "mickey_dustbin_score": 1.0})
        return matcher

    return make


def test_a_hosts_features_and_matches(host, images, tmp_path):
    """Keypoints in pixels of the original image, every dataset handed on, and the host named in the file."""
    conf = feature_conf("corners", None, None, host)
    features = extract_features.main(conf, images, tmp_path, image_list=NAMES)
    with FeatureFile(features) as file:
        found = file.read(NAMES[0])
    assert found.image_size == (320, 240)
    np.testing.assert_allclose(found.keypoints[1], [(16 + 0.5) * 2 - 0.5, 0.5])
    path = match(features, tmp_path / "matches.h5", matching_plan("same", host).conf)
    with MatchFile(path) as matches:
        pairs, scores = matches.read(*PAIRS[0])
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
    np.testing.assert_allclose(scores, 0.5)


def test_a_hosts_matcher_on_features_that_it_cannot_use(host, sift, tmp_path):
    with pytest.raises(InputError, match="Missing key scores0"):
        match(sift, tmp_path / "matches.h5", matching_plan("same", host).conf)


def test_images_are_matched_without_rounding(host, images, tmp_path):
    """Correspondences keep their fractions; the features of an image are those of all its pairs."""
    plan = matching_plan("grid", host)
    assert plan.on_images
    path = match_images.main(plan.conf, PAIRS, images, tmp_path / "grid.h5", progress=False)
    features, matches = as_features_and_matches(path, PAIRS, tmp_path / "feats.h5", tmp_path / "matches.h5")
    with FeatureFile(features) as feats, MatchFile(matches) as file:
        for pair in PAIRS:
            found, scores = file.read(*pair)
            keypoints = [feats.read(name).keypoints[found[:, side]] for side, name in enumerate(pair)]
            assert len(found) == 40 * 30
            np.testing.assert_allclose(keypoints[1] - keypoints[0], 0.25, atol=1e-4)
            order = np.lexsort(keypoints[0].T)
            np.testing.assert_allclose(scores[order], np.linspace(0, 1, len(found)), atol=1e-5)
        assert len(feats.read(NAMES[0]).keypoints) == 40 * 30  # the same points in both pairs, once
    before = change_times(tmp_path)
    match_images.main(plan.conf, PAIRS, images, tmp_path / "grid.h5", progress=False)
    as_features_and_matches(path, PAIRS, features, matches)
    assert change_times(tmp_path) == before
    as_features_and_matches(path, PAIRS[:1], features, matches)
    assert change_times(tmp_path) != before


def test_an_image_with_many_partners(tmp_path):
    """Stored from the side with fewer keypoints, read in the pair's order."""
    path = tmp_path / "pairs.h5"
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["mickey_hloc_origin"] = "{}"
        for count, (name0, name1) in zip((30, 40), PAIRS, strict=True):
            group = file.create_group(f"{name0.replace('/', '-')}/{name1.replace('/', '-')}")
            group["keypoints0"] = random.uniform(0, 100, (count, 2)).astype(np.float32)
            group["keypoints1"] = group["keypoints0"][()] * 2
            group["scores"] = random.uniform(0, 1, count)
            group["sizes"] = np.array([[320, 240], [320, 240]])
    features, matches = as_features_and_matches(path, PAIRS, tmp_path / "f.h5", tmp_path / "m.h5")
    with FeatureFile(features) as feats, MatchFile(matches) as file:
        assert len(feats.read(NAMES[0]).keypoints) == 70
        for count, pair in zip((30, 40), PAIRS, strict=True):
            found, _ = file.read(*pair)
            assert len(found) == count
            keypoints = [feats.read(name).keypoints[found[:, side]] for side, name in enumerate(pair)]
            np.testing.assert_allclose(keypoints[1], 2 * keypoints[0])


def test_weights_that_are_missing_are_one_sentence_with_address_and_place(host):
    with pytest.raises(WeightsError) as caught:
        load_hloc_model(host, "matchers", {"name": "weightless", "features": "disk"})
    message = str(caught.value)
    assert "\n" not in message
    for part in ("matcher weightless (disk)", "https://example.org/weights/disk_lightglue.pth", "/cache/"):
        assert part in message


def test_a_host_that_is_absent_and_unknown_names(host):
    with pytest.raises(MissingDependencyError, match=r"none of ours.*nn-ratio.*no_such_hloc is not installed"):
        matching_plan("nn_ratio", "no_such_hloc")
    with pytest.raises(InputError, match="did you mean 'nn-ratio'"):
        matching_plan("nn_ratio", host)
    with pytest.raises(InputError, match="Unknown feature 'global'"):
        feature_conf("global", None, None, host)


def test_plans_are_checked_before_the_work(host):
    with pytest.raises(InputError, match="makes its own keypoints"):
        make_plan(Method(feature="sift", matcher="grid", depth="constant:1", hloc=host))
    with pytest.raises(InputError, match="needs a matcher"):
        make_plan(Method(feature="corners", depth="constant:1", hloc=host))
    plan = make_plan(Method(feature="mickey", solver="procrustes"))
    assert plan.matching is not None
    assert plan.pose["correspondences"] == "matches"
    plan = make_plan(Method(feature="mickey"))
    assert plan.matching is None
    assert plan.pose["correspondences"] == "descriptors"
    plan = make_plan(Method(matcher="grid", depth="mickey:mickey_sc", hloc=host))
    assert plan.feature is None
    assert plan.depth_feature is not None
    assert plan.depth_feature["model"]["weights"] == "mickey_sc"
    names = {
        make_plan(Method(feature="sift", depth=depth, solver=solver, options=options, seed=seed)).name
        for depth in ("constant:1", "constant:1.5", "png:sensor")
        for solver, options in (("procrustes", {}), ("procrustes", {"max_error_m": 0.1}), ("pnp", {}))
        for seed in (0, 1)
    }
    assert len(names) == 18


def test_poses_from_matched_images(rendered, images, host, tmp_path):
    """A part's own features and matches go through depth and solver; the stub's matches fit no pose."""
    path = match_images.main(matching_plan("grid", host).conf, PAIRS, images, tmp_path / "grid.h5", progress=False)
    features, matches = as_features_and_matches(path, PAIRS, tmp_path / "f.h5", tmp_path / "m.h5")
    (tmp_path / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in PAIRS))
    conf = {**estimate_poses.get_conf("procrustes"), "depth": "constant:2"}
    poses = estimate_poses.main(
        conf, tmp_path / "pairs.txt", features, images, matches, output=tmp_path / "poses.txt", progress=False
    )
    assert len(read_poses(poses)) == 2


def test_match_on_the_command_line(sift, host, tmp_path, capsys):
    (tmp_path / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in PAIRS))
    run = ["match", str(tmp_path / "pairs.txt"), "--features", str(sift), "--output", str(tmp_path / "matches.h5")]
    assert cli(run) == 0
    assert "2 of 2 pairs matched" in capsys.readouterr().out
    assert cli([*run, "--matcher", "grid", "--hloc", host]) == 2
    assert "makes its own keypoints" in capsys.readouterr().err
    (tmp_path / "pairs.txt").write_text(f"{NAMES[0]} absent.jpg\n")
    assert cli(run) == 1
    assert "0 of 1 pairs matched" in capsys.readouterr().out


def test_an_installed_hloc_finds_the_same_mutual_neighbours(sift, tmp_path, monkeypatch):
    """imcui.hloc's own nearest neighbours, in our step, on our features."""
    pytest.importorskip("imcui")
    monkeypatch.chdir(tmp_path)  # it writes a log file into the working folder
    theirs = match(sift, tmp_path / "theirs.h5", matching_plan("NN-mutual", "imcui.hloc").conf)
    ours = match(sift, tmp_path / "ours.h5", "nn-mutual")
    with MatchFile(theirs) as a, MatchFile(ours) as b:
        for pair in PAIRS:
            found, expected = ({tuple(m) for m in file.read(*pair)[0].tolist()} for file in (a, b))
            assert len(found & expected) > 0.99 * len(expected)  # equal similarities may be taken in either order
            assert len(found) == pytest.approx(len(expected), rel=0.01)
