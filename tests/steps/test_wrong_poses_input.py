"""The poses step says in a sentence what is wrong with its conf, its files and its pairs."""

import h5py
import pytest
from support.posed_scenes import estimate

from mickey_hloc import estimate_poses
from mickey_hloc.errors import InputError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"solver": {"name": "procrust"}}, "Unknown solver 'procrust'.*did you mean 'procrustes'"),
        ({"solver": {"name": "procrustes", "max_err": 1}}, "Unknown option 'max_err'"),
        ({"solver": {}}, "no 'name'"),
        (
            {"correspondences": "dense"},
            "correspondences of the poses conf must be one of matches, descriptors",
        ),
        ({"correspondences": "descriptors"}, "'procrustes' needs matches"),
        ({"depth": "magic"}, "Unknown depth source 'magic'"),
        ({"deepth": "magic"}, "Unknown option 'deepth' of the poses conf"),
    ],
)
def test_wrong_confs_are_explained(shared_scene, change, message):
    with pytest.raises(InputError, match=message):
        estimate(shared_scene, {**estimate_poses.get_conf("procrustes"), **change}, name="wrong.txt")
    assert not list(shared_scene.folder.glob("*wrong*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matches": None}, "needs a matches file"),
        ({"features": "absent.h5"}, r"No features file absent.h5"),
        ({"pairs": "absent.txt"}, r"No pairs file absent.txt"),
        ({"intrinsics": "absent.txt"}, r"absent.txt"),
        ({"output": None}, "export_dir or output"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_wrong_input_is_explained(shared_scene, change, message):
    with pytest.raises(InputError, match=message):
        estimate(shared_scene, **{"name": "wrong.txt", **change})


def test_swapped_files_are_told_once(shared_scene, tmp_path):
    flat, pairs = tmp_path / "matches.h5", tmp_path / "pairs.txt"  # names without a folder are groups of it, too
    with h5py.File(flat, "w") as file:
        file["a.jpg/b.jpg/matches0"] = [0, 1]
    pairs.write_text("a.jpg b.jpg\n")
    with pytest.raises(InputError, match="holds matches, not features"):
        estimate(shared_scene, name="wrong.txt", features=flat, pairs=pairs)
    swapped = {"features": shared_scene.matches, "matches": shared_scene.features}
    with pytest.raises(InputError, match="holds matches, not features: are --features and --matches swapped"):
        estimate(shared_scene, name="wrong.txt", **swapped)
    assert not list(shared_scene.folder.glob("*wrong*"))


def test_broken_pairs_files_are_explained(shared_scene, tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("a.jpg b.jpg\na.jpg\n")
    with pytest.raises(InputError, match=r"line 2: expected 'name0 name1'"):
        estimate(shared_scene, pairs=path)
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="has no pairs"):
        estimate(shared_scene, pairs=path)
