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
from mickey_hloc.hloc_plugin.methods import choose_methods, retrieval_conf
from mickey_hloc.hloc_plugin.steps import empty_model_dir, extract, find_images, make_pairs, match
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.pairs import read_pairs


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for i in range(3):
        write_texture(tmp_path / "images" / f"frame{i}.jpg", 120, 90, seed=i)
    return tmp_path / "images"


def test_methods_by_name(host: ModuleType, golden: Path) -> None:
    mickey = choose_methods(host)
    assert mickey.feature == import_step(host, "extract_features").confs["mickey"]
    assert mickey.matcher == import_step(host, "match_features").confs["mickey"]

    weights = golden / "mickey_tiny.ckpt"
    tiny = choose_methods(host, "mickey-1024", weights=str(weights), encoder="dinov2_vits14")
    assert tiny.feature is not None
    assert tiny.feature["model"]["weights"] == tiny.matcher["model"]["weights"] == str(weights)
    assert tiny.feature["model"]["encoder"] == "dinov2_vits14"
    assert tiny.feature["preprocessing"]["resize_max"] == 1024

    theirs = choose_methods(host, "disk", "NN-mutual")
    assert theirs.feature is not None
    assert (theirs.feature["model"]["name"], theirs.matcher["model"]["name"]) == ("disk", "nearest_neighbor")
    assert choose_methods(host, "mickey", "NN-mutual").matcher["model"]["name"] == "nearest_neighbor"

    dense = choose_methods(host, matcher="vismatch-xoftr")
    assert dense.feature is None
    assert dense.matcher["model"]["matcher"] == "xoftr"
    assert len({mickey.name, tiny.name, theirs.name, dense.name}) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"feature": "mikey"}, "did you mean 'mickey'"),
        ({"matcher": "mikey"}, "did you mean 'mickey'"),
        ({"feature": "disk"}, "needs a matcher of its own"),
        ({"feature": "disk", "matcher": "mickey"}, "needs a matcher of its own"),
        ({"feature": "disk", "matcher": "NN-mutual", "weights": "mickey"}, "leave out the weights"),
        ({"feature": "disk", "matcher": "vismatch-roma"}, "makes its own keypoints"),
    ],
)
def test_combinations_that_cannot_work(host: ModuleType, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_methods(host, **arguments)


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
    with pytest.raises(InputError, match=r"depth\.png has 16 bit"):
        find_images(tmp_path)


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


def test_global_descriptors_only(host: ModuleType) -> None:
    assert retrieval_conf(host, "netvlad")["model"]["name"] == "netvlad"
    with pytest.raises(InputError, match="Unknown way to make pairs 'disk'"):
        retrieval_conf(host, "disk")


def test_from_images_to_matches(host: ModuleType, tiny: TinyConfs, images: Path, tmp_path: Path) -> None:
    names = find_images(images)
    methods = choose_methods(host, weights=tiny.feature["model"]["weights"], encoder=tiny.feature["model"]["encoder"])
    assert methods.feature is not None
    pairs = make_pairs(host, "sequential", images, tmp_path, names, overlap=1)
    features = extract(host, methods.feature, images, tmp_path, names)
    same, matches = match(methods, pairs, images, tmp_path, features)
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
