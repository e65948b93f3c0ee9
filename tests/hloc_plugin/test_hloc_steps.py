"""The parts of the pipelines: methods by name, images, pairs; wrong input is found before the work."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from support.hlocs import TinyConfs, write_texture

from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.hloc_plugin import import_step
from mickey_hloc.hloc_plugin.confs import feature_confs, matcher_confs
from mickey_hloc.hloc_plugin.steps import (
    empty_model_dir,
    extract,
    find_images,
    global_descriptors,
    make_pairs,
    match,
    method_name,
)
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.pairs import read_pairs
from mickey_hloc.two_view.method import Method


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for i in range(3):
        write_texture(tmp_path / "images" / f"frame{i}.jpg", 120, 90, seed=i)
    return tmp_path / "images"


def test_methods_by_name(host: ModuleType, golden: Path) -> None:
    """Ours are what the host's confs say; the host's own are found by the names of its confs."""
    hloc = host.__name__
    mickey = Method(hloc=hloc).resolve_matching()
    assert mickey[0] is not None
    assert f"feats-{mickey[0].tag()}" == import_step(host, "extract_features").confs["mickey"]["output"]
    assert f"matches-{mickey[1].tag()}" == import_step(host, "match_features").confs["mickey"]["output"]
    assert feature_confs()["mickey"] == import_step(host, "extract_features").confs["mickey"]
    assert matcher_confs()["mickey"] == import_step(host, "match_features").confs["mickey"]

    weights = str(golden / "mickey_tiny.ckpt")
    tiny = Method("mickey-1024", weights=weights, encoder="dinov2_vits14", hloc=hloc).resolve_matching()
    assert tiny[0] is not None
    assert tiny[0].options.weights == tiny[1].options.weights == weights
    assert tiny[0].options.encoder == "dinov2_vits14"
    assert tiny[0].preprocessing.resize_max == 1024

    theirs = Method("disk", "NN-mutual", hloc=hloc).resolve_matching()
    assert [part.conf["model"]["name"] for part in theirs] == ["disk", "nearest_neighbor"]
    assert Method("mickey", "NN-mutual", hloc=hloc).resolve_matching()[1].conf["model"]["name"] == "nearest_neighbor"

    dense = Method(matcher="vismatch-xoftr", hloc=hloc).resolve_matching()
    assert dense[0] is None
    assert dense[1].options.matcher == "xoftr"
    assert len({method_name(*parts) for parts in (mickey, tiny, theirs, dense)}) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"feature": "mikey"}, "did you mean 'mickey'"),
        ({"matcher": "mikey"}, "did you mean 'mickey'"),
        ({"matcher": "lofter"}, "did you mean 'loftr'"),
        ({"feature": "disk"}, "needs a matcher: choose one"),
        ({"feature": "disk", "matcher": "mickey"}, "is for MicKey's features; choose another for disk"),
        ({"feature": "disk", "matcher": "NN-mutual", "weights": "mickey"}, "leave out the weights"),
        ({"feature": "disk", "matcher": "vismatch-roma"}, "makes its own keypoints"),
        ({"matcher": "vismatch-roma", "weights": "mickey"}, "leave out the weights"),
    ],
)
def test_combinations_that_cannot_work(host: ModuleType, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Method(**arguments, hloc=host.__name__).resolve_matching()


@pytest.fixture
def method_with_a_missing_package(host: ModuleType, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "needs_a_package.py").write_text("import no_such_package")
    search_path = import_step(host, "matchers").__path__
    search_path.append(str(tmp_path))
    yield "matchers.needs_a_package"
    search_path.remove(str(tmp_path))


def test_packages_of_a_method_are_missed_at_once(host: ModuleType, method_with_a_missing_package: str) -> None:
    with pytest.raises(MissingDependencyError, match="module no_such_package"):
        import_step(host, method_with_a_missing_package)


def test_images_that_hloc_would_trip_over(tmp_path: Path) -> None:
    write_texture(tmp_path / "a" / "b.jpg", 40, 30, seed=0)
    write_texture(tmp_path / "c.png", 40, 30, seed=0)
    assert find_images(tmp_path) == ["a/b.jpg", "c.png"]
    assert find_images(tmp_path, globs=["*.png"]) == ["c.png"]
    assert find_images(tmp_path, ["c.png"]) == ["c.png"]

    write_texture(tmp_path / "a-b.jpg", 40, 30, seed=0)
    with pytest.raises(InputError, match="cannot tell"):
        find_images(tmp_path)
    (tmp_path / "a-b.jpg").rename(tmp_path / "two words.jpg")
    with pytest.raises(InputError, match=r"'two words\.jpg' has a space"):
        find_images(tmp_path)
    (tmp_path / "two words.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="1 of 3 images are unusable"):
        find_images(tmp_path)
    (tmp_path / "two words.jpg").unlink()
    cv2.imwrite(str(tmp_path / "depth.png"), np.full((30, 40), 1500, np.uint16))
    with pytest.warns(UserWarning, match=r"left out 1 depth images .* depth\.png"):  # as `extract` does
        assert find_images(tmp_path) == ["a/b.jpg", "c.png"]
    with pytest.raises(InputError, match=r"depth\.png has 16 bit"):
        find_images(tmp_path, ["c.png", "depth.png"])


def test_pairs_of_every_kind(host: ModuleType, images: Path, tmp_path: Path) -> None:
    names = find_images(images)
    outputs = tmp_path / "out"
    assert len(read_pairs(make_pairs(host, "exhaustive", images, outputs, names))) == 3
    assert read_pairs(make_pairs(host, "sequential", images, outputs, names, overlap=1)) == list(pairwise(names))
    to_map = make_pairs(host, "exhaustive", images, outputs, names[:1], names[1:])
    assert read_pairs(to_map) == [(names[0], names[1]), (names[0], names[2])]
    own = tmp_path / "own.txt"
    own.write_text(f"{names[2]} {names[0]}\n")
    assert make_pairs(host, str(own), images, outputs, names) == own

    own.write_text(f"{names[2]} elsewhere.jpg\n")
    with pytest.raises(InputError, match=r"'elsewhere\.jpg'"):
        make_pairs(host, str(own), images, outputs, names)
    with pytest.raises(InputError, match="did you mean 'netvlad'"):
        make_pairs(host, "netvald", images, outputs, names)
    with pytest.raises(InputError, match="way to make pairs 'sequential'"):
        make_pairs(host, "sequential", images, outputs, names[:1], names[1:])
    with pytest.raises(InputError, match="num_matched is 0"):
        make_pairs(host, "netvlad", images, outputs, names, num_matched=0)
    with pytest.raises(InputError, match="pairs need two"):
        make_pairs(host, "exhaustive", images, outputs, names[:1])


def test_global_descriptors_only(host: ModuleType, images: Path, tmp_path: Path) -> None:
    extract_step = import_step(host, "extract_features")
    assert extract_step.confs["netvlad"]["model"]["name"] == "netvlad"
    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract_step, "main", lambda conf, *_, **__: asked.append(conf["model"]["name"]))
        global_descriptors(host, "netvlad", images, tmp_path, find_images(images))
    assert asked == ["netvlad"]
    with pytest.raises(InputError, match="Unknown way to make pairs 'disk'"):
        global_descriptors(host, "disk", images, tmp_path, find_images(images))


def test_from_images_to_matches(host: ModuleType, tiny: TinyConfs, images: Path, tmp_path: Path) -> None:
    names = find_images(images)
    model = tiny.feature["model"]
    method = Method(weights=model["weights"], encoder=model["encoder"], hloc=host.__name__)
    extractor, matcher = method.resolve_matching()
    assert extractor is not None
    pairs = make_pairs(host, "sequential", images, tmp_path, names, overlap=1)
    features = extract(extractor, images, tmp_path, names)
    same, matches = match(host, matcher, pairs, images, tmp_path, features)
    assert same == features
    assert sorted(import_step(host, "utils.io").list_h5_names(features)) == names
    with MatchFile(matches) as file:
        found, scores = file.read(names[0], names[1])
    assert len(found) > 0
    assert scores is not None
    assert (scores > 0).all()


def test_models_of_earlier_runs_are_removed(tmp_path: Path) -> None:
    (tmp_path / "models" / "0").mkdir(parents=True)
    (tmp_path / "images.bin").touch()
    (tmp_path / "notes.txt").touch()
    empty_model_dir(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert empty_model_dir(tmp_path / "absent") == tmp_path / "absent"
