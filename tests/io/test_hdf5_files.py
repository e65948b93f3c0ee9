"""Features and matches files: both layouts of hloc, both orders of a pair, broken files named."""

import h5py
import numpy as np
import pytest

from mickey_hloc.errors import InputError
from mickey_hloc.io.feature_store import FeatureStore
from mickey_hloc.io.features import FeatureFile, is_complete
from mickey_hloc.io.matches import MatchFile, pair_key


@pytest.fixture
def features(tmp_path):
    path = tmp_path / "feats.h5"
    with h5py.File(path, "w", libver="latest") as file:
        group = file.create_group("db/seq/a.jpg")
        group["keypoints"] = np.array([[1.5, 2.5], [3.0, 4.0]], dtype=np.float16)
        group["descriptors"] = np.ones((4, 2), dtype=np.float16)
        group["scores"] = np.array([0.25, 0.5], dtype=np.float32)
        group["image_size"] = np.array([640, 480])
        file.create_group("b.jpg")["keypoints"] = np.zeros((0, 2), dtype=np.float32)
    return path


def test_features_are_read_as_float32_whatever_was_stored(features):
    with FeatureFile(features) as file:
        found = file.read("db/seq/a.jpg", descriptors=True)
        assert file.names() == ["b.jpg", "db/seq/a.jpg"]
        assert "b.jpg" in file
        assert "db" in file  # a folder is a group too; reading it says what is missing
    assert found.keypoints.dtype == found.descriptors.dtype == np.float32
    np.testing.assert_array_equal(found.keypoints, [[1.5, 2.5], [3.0, 4.0]])
    np.testing.assert_array_equal(found.keypoint_scores, [0.25, 0.5])  # older extractors call them scores
    assert found.image_size == (640, 480)
    assert found.depths is None


def test_an_image_without_keypoints_has_none(features):
    with FeatureFile(features) as file:
        assert file.read("b.jpg").keypoints.shape == (0, 2)


@pytest.mark.parametrize(("name", "message"), [("c.jpg", "no features of image 'c.jpg'"), ("db", "has no 'keypoints'")])
def test_missing_images_are_named(features, name, message):
    with FeatureFile(features) as file, pytest.raises(InputError, match=message):
        file.read(name)


def test_inconsistent_datasets_are_refused(features):
    with h5py.File(features, "a") as file:
        file["b.jpg"]["depths"] = np.ones(3)
    with FeatureFile(features) as file, pytest.raises(InputError, match=r"'depths' of image 'b.jpg'.*shape \(3,\)"):
        file.read("b.jpg")


@pytest.mark.parametrize("content", [b"", b"not HDF5", None])
def test_files_that_are_not_hdf5_are_refused(tmp_path, features, content):
    path = tmp_path / "broken.h5"
    path.write_bytes(features.read_bytes()[:600] if content is None else content)
    with pytest.raises(InputError, match="not a readable features file"):
        FeatureFile(path)
    with pytest.raises(InputError, match="No matches file"):
        MatchFile(tmp_path / "absent.h5")


def test_a_half_written_image_is_not_complete(features):
    required = frozenset({"keypoints", "descriptors", "image_size"})
    with h5py.File(features, "a") as file:
        assert is_complete(file["db/seq/a.jpg"], required)
        assert not is_complete(file["b.jpg"], required)
        assert not is_complete(None, required)
        del file["db/seq/a.jpg"]["scores"]
        file["db/seq/a.jpg"]["scores"] = np.ones(1)
        assert not is_complete(file["db/seq/a.jpg"], required)


@pytest.mark.parametrize("separator", ["/", "_"])
@pytest.mark.parametrize("stored_in_reverse", [False, True])
def test_matches_are_found_in_either_layout_and_order(tmp_path, separator, stored_in_reverse):
    path = tmp_path / "matches.h5"
    names = ("db/a.jpg", "query/b.jpg")
    with h5py.File(path, "w") as file:
        group = file.create_group(pair_key(*(names[::-1] if stored_in_reverse else names), separator))
        group["matches0"] = np.array([-1, 4, 0, -1], dtype=np.int16)
        group["matching_scores0"] = np.array([0, 0.5, 0.75, 0], dtype=np.float16)
    with MatchFile(path) as file:
        matches, scores = file.read(*names)
    expected = np.array([[1, 4], [2, 0]])
    np.testing.assert_array_equal(matches, expected[:, ::-1] if stored_in_reverse else expected)
    np.testing.assert_array_equal(scores, [0.5, 0.75])


@pytest.fixture(params=["imcui.hloc", "hloc"])
def hloc_io(request, tmp_path, monkeypatch):
    """The readers of hloc and of its fork, where installed; the fork writes a log into the working folder."""
    monkeypatch.chdir(tmp_path)
    return pytest.importorskip(f"{request.param}.utils.io", exc_type=ImportError)


def test_matches_equal_hlocs_own_reader(tmp_path, hloc_io):
    path = tmp_path / "matches.h5"
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        group = file.create_group(pair_key("a/0.jpg", "b/1.jpg"))
        group["matches0"] = random.integers(-1, 5, 50).astype(np.int16)
        group["matching_scores0"] = random.random(50).astype(np.float16)
    for names in (("a/0.jpg", "b/1.jpg"), ("b/1.jpg", "a/0.jpg")):
        with MatchFile(path) as file:
            ours = file.read(*names)
        for mine, theirs in zip(ours, hloc_io.get_matches(path, *names), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_hloc_reads_the_features_that_we_write(tmp_path, hloc_io):
    path = tmp_path / "feats.h5"
    keypoints = np.random.default_rng(0).random((20, 2)).astype(np.float32)
    with FeatureStore(path, {"extractor": "test"}, []) as store:
        for name in ("db/seq0/a.jpg", "b.jpg"):
            arrays = {"keypoints": keypoints, "image_size": np.array([640, 480]), "uncertainty": np.array(2.5)}
            store.add({name: arrays})
        store.finish()
    assert sorted(hloc_io.list_h5_names(path)) == ["b.jpg", "db/seq0/a.jpg"]
    found, uncertainty = hloc_io.get_keypoints(path, "db/seq0/a.jpg", return_uncertainty=True)
    np.testing.assert_array_equal(found, keypoints)
    assert uncertainty == 2.5


def test_a_pair_that_was_not_matched_is_named(tmp_path):
    path = tmp_path / "matches.h5"
    h5py.File(path, "w").close()
    with MatchFile(path) as file, pytest.raises(InputError, match=r"no matches of the pair 'a.jpg' 'b.jpg'"):
        file.read("a.jpg", "b.jpg")
