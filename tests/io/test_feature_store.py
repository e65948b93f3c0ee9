"""The crash-safe writer: whatever moment it stops at, what was stored is there, once, and nothing is mixed."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mickey_hloc.errors import InputError
from mickey_hloc.io.feature_store import FeatureStore
from mickey_hloc.io.features import image_names

ORIGIN = {"extractor": "test", "weights": "1"}
NAMES = [f"seq{i % 3}/{i:02d}.jpg" for i in range(12)]


def features(name: str) -> dict[str, np.ndarray]:
    random = np.random.default_rng(NAMES.index(name))
    n = int(random.integers(0, 40))
    return {
        "keypoints": random.random((n, 2)).astype(np.float32),
        "descriptors": random.random((8, n)).astype(np.float16),
        "image_size": np.array([640, 480]),
        "uncertainty": np.array(1.5),
    }


def store(path, **options):
    return FeatureStore(path, ORIGIN, ["descriptors"], lambda: {"dustbin": 1.0}, **options)


def write_all(path, batch=2):
    with store(path) as writer:
        missing = [name for name in NAMES if name not in writer.done]
        for i in range(0, len(missing), batch):
            writer.add({name: features(name) for name in missing[i : i + batch]})
        writer.finish()
    return path.read_bytes()


def test_what_is_stored_is_read_back(tmp_path):
    path = tmp_path / "feats.h5"
    write_all(path)
    assert [p.name for p in tmp_path.iterdir()] == ["feats.h5"]
    with h5py.File(path) as file:
        assert image_names(file) == sorted(NAMES)
        assert file.attrs["dustbin"] == 1.0
        for name in NAMES:
            for key, value in features(name).items():
                if key == "uncertainty":
                    assert file[name]["keypoints"].attrs[key] == value
                else:
                    assert file[name][key].dtype == value.dtype
                    np.testing.assert_array_equal(file[name][key][()], value)


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(NAMES), batches=st.lists(st.integers(1, 4), min_size=1), stops=st.sets(st.integers(0, 11)))
def test_the_bytes_do_not_depend_on_order_batches_or_interruptions(tmp_path_factory, order, batches, stops):
    folder = tmp_path_factory.mktemp("store")
    whole = write_all(folder / "whole.h5")
    path = folder / "feats.h5"
    i = 0
    while i < len(order):
        with store(path) as writer:
            assert writer.done == set(order[:i])
            while i < len(order):
                count = batches[i % len(batches)]
                writer.add({name: features(name) for name in order[i : i + count]})
                i += count
                if i in stops:
                    break  # without finish, as a kill between two batches leaves it
    with store(path) as writer:
        writer.finish()
    assert path.read_bytes() == whole


def test_a_readable_file_is_there_from_the_first_batch_on(tmp_path):
    path = tmp_path / "feats.h5"
    with store(path) as writer:
        for i, name in enumerate(NAMES):
            writer.add({name: features(name)})
            with h5py.File(path) as file:
                assert set(image_names(file)) <= set(NAMES[: i + 1])
                assert len(image_names(file)) >= (i + 1) / 4
        assert writer.done == set(NAMES)


def test_leftovers_of_a_kill_in_the_middle_of_writing_are_removed(tmp_path):
    path = tmp_path / "feats.h5"
    whole = write_all(path)
    parts = tmp_path / "feats.h5.parts"
    parts.mkdir()
    (parts / "000003.tmp").write_bytes(whole[:100])
    (parts / "merged.tmp").write_bytes(whole[:1000])
    assert write_all(path) == whole
    assert not parts.exists()


def test_half_written_images_are_made_again(tmp_path):
    path = tmp_path / "feats.h5"
    whole = write_all(path)
    with h5py.File(path, "a") as file:
        del file[NAMES[3]]["descriptors"]
        del file[NAMES[7]]
    with store(path) as writer:
        assert writer.done == set(NAMES) - {NAMES[3], NAMES[7]}
    assert write_all(path) == whole


def test_groups_of_others_stay(tmp_path):
    path = tmp_path / "feats.h5"
    with store(path) as writer:
        writer.add({NAMES[0]: features(NAMES[0])})
    with h5py.File(path, "a") as file:
        file.create_group("other.jpg")["global_descriptor"] = np.ones(3)
    write_all(path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["other.jpg"]["global_descriptor"][()], np.ones(3))


def test_another_origin_is_refused_and_named(tmp_path):
    path = tmp_path / "feats.h5"
    whole = write_all(path)
    other = FeatureStore(path, {**ORIGIN, "weights": "2"}, ["descriptors"])
    with pytest.raises(InputError, match='weights: "1" there, "2" now'), other:
        pass
    assert path.read_bytes() == whole
    assert not other.parts_dir.exists()
    with FeatureStore(path, {**ORIGIN, "weights": "2"}, ["descriptors"], overwrite=True) as writer:
        assert writer.done == set()


def test_files_of_other_writers_and_broken_files_are_refused(tmp_path):
    path = tmp_path / "feats.h5"
    h5py.File(path, "w").close()
    with pytest.raises(InputError, match="does not say how it was made"), store(path):
        pass
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="not a readable features file"), store(path):
        pass


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path, monkeypatch):
    path = tmp_path / "feats.h5"
    with store(path) as writer:
        writer.add({NAMES[0]: features(NAMES[0])})

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("mickey_hloc.io.feature_store.write_image", full)
        with pytest.raises(InputError, match=r"disk of .* is full"):
            writer.add({NAMES[1]: features(NAMES[1])})
        monkeypatch.undo()
    with store(path) as writer:
        assert writer.done == {NAMES[0]}
