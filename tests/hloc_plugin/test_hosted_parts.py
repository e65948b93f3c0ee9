"""Models of a host, here a stub of hloc with tiny ones, as parts of ours: in our steps, in a method, by their slot."""

import importlib

import numpy as np
import pytest
from support.rendered_scenes import NAMES, PAIRS, change_times, write_scene
from support.stub_host import importable_stub_host

from mickey_hloc import cli, estimate_poses, extract_features, match_features, match_images
from mickey_hloc.errors import InputError, MissingDependencyError, WeightsError
from mickey_hloc.features import get_extractor
from mickey_hloc.hloc_plugin.confs import track_conf
from mickey_hloc.hloc_plugin.models import load_hloc_model
from mickey_hloc.hloc_plugin.parts import HostedExtractor, HostedMatcher, HostedPairModel
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.pair_keypoints import as_features_and_matches
from mickey_hloc.io.poses import read_poses
from mickey_hloc.matching import get_matcher
from mickey_hloc.pair_models import get_pair_model
from mickey_hloc.two_view.method import Method


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_scene(folder / "s00001", 3)
    return folder


@pytest.fixture(scope="module")
def sift(images, tmp_path_factory):
    conf = extract_features.get_conf("sift")
    return extract_features.main(conf, images, tmp_path_factory.mktemp("sift"), image_list=NAMES)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with importable_stub_host(tmp_path_factory.mktemp("host")) as name:
        yield name


def match(features, path, name, host="hloc"):
    return match_features.main(match_features.get_conf(name, host), PAIRS, features, path, progress=False)


def test_a_hosts_features_and_matches(host, images, tmp_path):
    """Keypoints in pixels of the original image, every dataset handed on, and the host named in the file."""
    conf = extract_features.get_conf("corners", host)
    features = extract_features.main(conf, images, tmp_path, image_list=NAMES)
    with FeatureFile(features) as file:
        found = file.read(NAMES[0])
    assert found.image_size == (320, 240)
    np.testing.assert_allclose(found.keypoints[1], [(16 + 0.5) * 2 - 0.5, 0.5])
    path = match(features, tmp_path / "matches.h5", "same", host)
    with MatchFile(path) as matches:
        pairs, scores = matches.read(*PAIRS[0])
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
    np.testing.assert_allclose(scores, 0.5)


def test_a_hosts_matcher_on_features_that_it_cannot_use(host, sift, tmp_path):
    with pytest.raises(InputError, match="Missing key scores0"):
        match(sift, tmp_path / "matches.h5", "same", host)


def test_images_are_matched_without_rounding(host, images, tmp_path):
    """Correspondences keep their fractions; the features of an image are those of all its pairs."""
    conf = match_images.get_conf("grid", host)
    path = match_images.main(conf, PAIRS, images, tmp_path / "grid.h5", progress=False)
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
    match_images.main(conf, PAIRS, images, tmp_path / "grid.h5", progress=False)
    as_features_and_matches(path, PAIRS, features, matches)
    assert change_times(tmp_path) == before
    as_features_and_matches(path, PAIRS[:1], features, matches)
    assert change_times(tmp_path) != before


def test_poses_from_matched_images(images, host, tmp_path):
    """A part's own features and matches go through depth and solver; the stub's matches fit no pose."""
    path = match_images.main(match_images.get_conf("grid", host), PAIRS, images, tmp_path / "grid.h5", progress=False)
    features, matches = as_features_and_matches(path, PAIRS, tmp_path / "f.h5", tmp_path / "m.h5")
    (tmp_path / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in PAIRS))
    conf = {**estimate_poses.get_conf("procrustes"), "depth": "constant:2"}
    poses = estimate_poses.main(
        conf, tmp_path / "pairs.txt", features, images, matches, output=tmp_path / "poses.txt", progress=False
    )
    assert len(read_poses(poses)) == 2


def test_weights_that_are_missing_are_one_sentence_with_address_and_place(host):
    with pytest.raises(WeightsError) as caught:
        load_hloc_model(host, "matchers", {"name": "weightless", "features": "disk"})
    message = str(caught.value)
    assert "\n" not in message
    for part in ("matcher weightless (disk)", "https://example.org/weights/disk_lightglue.pth", "/cache/"):
        assert part in message


def test_a_host_that_is_absent_and_unknown_names(host):
    with pytest.raises(MissingDependencyError, match=r"none of ours.*nn-ratio.*no_such_hloc is not installed"):
        Method(matcher="nn_ratio", hloc="no_such_hloc").resolve()
    with pytest.raises(InputError, match="did you mean 'nn-ratio'"):
        Method(matcher="nn_ratio", hloc=host).resolve()
    with pytest.raises(InputError, match="Unknown feature 'global'"):
        get_extractor("global", host)


def test_methods_are_checked_before_the_work(host):
    with pytest.raises(InputError, match="makes its own keypoints"):
        Method(feature="sift", matcher="grid", depth="constant:1", hloc=host).resolve()
    with pytest.raises(InputError, match="needs a matcher"):
        Method(feature="corners", depth="constant:1", hloc=host).resolve()
    parts = Method(feature="mickey", solver="procrustes").resolve()
    assert parts.matcher is not None
    assert not parts.on_descriptors
    parts = Method(feature="mickey", solver="probabilistic").resolve()
    assert parts.matcher is None
    assert parts.on_descriptors
    parts = Method(matcher="grid", depth="mickey:mickey_sc", hloc=host).resolve()
    assert parts.extractor is None
    assert parts.depth_extractor is not None
    assert parts.depth_extractor.options.weights == "mickey_sc"
    names = {
        Method(feature="sift", depth=depth, solver=solver, solver_options=options, seed=seed).resolve().name
        for depth in ("constant:1", "constant:1.5", "png:sensor")
        for solver, options in (("procrustes", {}), ("procrustes", {"max_error_m": 0.1}), ("pnp", {}))
        for seed in (0, 1)
    }
    assert len(names) == 18


def test_a_dense_matcher_is_known_by_its_slot_alone(host, images, tmp_path, monkeypatch):
    """Neither its ``max_error`` nor anything else in a conf says so; rounding to a grid is for tracks only."""
    dense, sparse = (importlib.import_module(f"{host}.{step}").confs for step in ("match_dense", "match_features"))
    plain = {key: value for key, value in dense["grid"].items() if key not in ("max_error", "cell_size")}
    monkeypatch.setitem(dense, "plain-grid", {**plain, "output": "matches-plain-grid"})
    monkeypatch.setitem(sparse, "same-with-max-error", {**sparse["same"], "max_error": 4, "cell_size": 4})

    extractor, pair_model = Method(matcher="plain-grid", hloc=host).resolve_matching()
    assert extractor is None
    assert isinstance(pair_model, HostedPairModel)
    extractor, matcher = Method(feature="corners", matcher="same-with-max-error", hloc=host).resolve_matching()
    assert isinstance(extractor, HostedExtractor)
    assert isinstance(matcher, HostedMatcher)
    with pytest.raises(InputError, match="plain-grid"):
        get_matcher("plain-grid", host)
    with pytest.raises(InputError, match="same-with-max-error"):
        get_pair_model("same-with-max-error", host)

    # A host with one table for both steps, like imcui.hloc: what the model takes decides.
    monkeypatch.setitem(sparse, "grid", dense["grid"])
    monkeypatch.setitem(dense, "same", {**sparse["same"], "max_error": 4})
    assert isinstance(Method(matcher="grid", hloc=host).find_matching(), HostedPairModel)
    assert isinstance(Method(matcher="same", hloc=host).find_matching(), HostedMatcher)

    rounded = get_pair_model("grid", host)
    assert track_conf(rounded)["max_error"] == track_conf(rounded)["cell_size"] == 4
    assert "max_error" not in match_images.get_conf("grid", host)
    found = [match_images.match_pair(model, images, PAIRS[0]) for model in (rounded, pair_model)]
    np.testing.assert_array_equal(found[0]["keypoints1"], found[1]["keypoints1"])
    assert np.unique(found[0]["keypoints1"] % 1).tolist() == [0.25]


def test_options_of_a_hosts_models_reach_them_and_the_names_of_files(host, images):
    """A changed option is another file, in our steps and in hloc's ``match_dense``; a misspelt one names its part."""
    changed = Method(
        matcher="grid", matcher_options={"model": {"step": 16}, "preprocessing": {"resize_max": 160}}, hloc=host
    )
    _, pair_model = changed.resolve_matching()
    usual = get_pair_model("grid", host)
    conf = track_conf(pair_model)
    assert conf["model"] == {"name": "grid", "step": 16}
    assert conf["preprocessing"] == {"grayscale": True, "resize_max": 160, "dfactor": 8}
    assert conf["output"] != track_conf(usual)["output"] == "matches-grid"
    assert pair_model.tag() != usual.tag()
    assert pair_model.identity() != usual.identity()
    assert len(match_images.match_pair(pair_model, images, PAIRS[0])["scores"]) == 10 * 8
    weights = get_extractor("corners", host, model={"weights": "a folder/of mine.pth"})
    assert not set(weights.tag()) & set("/ ")
    for matcher in ("grid", "same"):
        with pytest.raises(InputError, match="Unknown option 'modle'"):
            Method(feature=None, matcher=matcher, matcher_options={"modle": {}}, hloc=host).find_matching()
    with pytest.raises(InputError, match=r"did you mean 'grid'.*same"):
        Method(matcher="gird", hloc=host).find_matching()


def test_an_installed_hloc_finds_the_same_mutual_neighbours(sift, tmp_path, monkeypatch):
    """imcui.hloc's own nearest neighbours, in our step, on our features."""
    pytest.importorskip("imcui")
    monkeypatch.chdir(tmp_path)  # it writes a log file into the working folder
    theirs = match(sift, tmp_path / "theirs.h5", "NN-mutual", "imcui.hloc")
    ours = match(sift, tmp_path / "ours.h5", "nn-mutual")
    with MatchFile(theirs) as a, MatchFile(ours) as b:
        for pair in PAIRS:
            found, expected = ({tuple(m) for m in file.read(*pair)[0].tolist()} for file in (a, b))
            assert len(found & expected) > 0.99 * len(expected)  # equal similarities may be taken in either order
            assert len(found) == pytest.approx(len(expected), rel=0.01)


def test_a_dense_matcher_takes_no_features_on_the_command_line(sift, host, tmp_path, capsys):
    (tmp_path / "pairs.txt").write_text("".join(f"{a} {b}\n" for a, b in PAIRS))
    run = ["match", str(tmp_path / "pairs.txt"), "--features", str(sift), "--output", str(tmp_path / "matches.h5")]
    assert cli.main([*run, "--matcher", "grid", "--hloc", host]) == 2
    assert "makes its own keypoints" in capsys.readouterr().err
