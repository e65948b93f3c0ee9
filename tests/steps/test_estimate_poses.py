"""The poses step: right poses from any layout, order and interruptions change nothing, missing input is a failure."""

import h5py
import numpy as np
import pytest
import torch
from support.posed_scenes import K, estimate, make_scene, motion_error, write_tiny_model

from mickey_hloc import estimate_poses
from mickey_hloc.cli import main as cli
from mickey_hloc.errors import InputError
from mickey_hloc.io.pairs import read_pairs, write_pairs
from mickey_hloc.io.pose_journal import PoseJournal
from mickey_hloc.io.poses import read_poses
from mickey_hloc.model.stored_constants import DUSTBIN_KEY, TEMPERATURE_KEY


def check_poses(scene, path, tolerance=1e-3):
    poses = read_poses(path)
    assert list(poses) == read_pairs(scene.pairs)
    for (name0, name1), pose in poses.items():
        assert pose.success, pose.reason
        assert motion_error(pose.cam1_from_cam0, scene.truth(name0, name1)) < tolerance
        assert 0 < pose.confidence <= 1


@pytest.mark.parametrize("solver", ["procrustes", "probabilistic"])
def test_poses_from_any_features_and_matches(shared_scene, solver):
    check_poses(shared_scene, estimate(shared_scene, solver, name=f"{solver}.txt"))


def test_matches_stored_in_the_other_order_and_layout(scene):
    with h5py.File(scene.matches, "a") as file:
        for name0, name1 in read_pairs(scene.pairs):
            group = file.pop(f"{name0.replace('/', '-')}/{name1.replace('/', '-')}")
            forward = group["matches0"][()]
            backward = np.full_like(forward, -1)
            backward[forward[forward >= 0]] = np.flatnonzero(forward >= 0)
            stored = file.create_group(f"{name1.replace('/', '-')}_{name0.replace('/', '-')}")
            stored["matches0"] = backward
            stored["matching_scores0"] = np.ones(len(backward), dtype=np.float16)
    check_poses(scene, estimate(scene))


def test_a_depth_source_replaces_stored_depths(scene):
    with h5py.File(scene.features, "a") as file:
        for name in scene.names:
            del file[name]["depths"]
    reasons = [pose.reason for pose in read_poses(estimate(scene)).values()]
    assert all("no depths" in reason and "name a depth source" in reason for reason in reasons)
    conf = {**estimate_poses.get_conf("procrustes"), "depth": "constant:3"}
    poses = read_poses(estimate(scene, conf, overwrite=True))
    for pair, pose in poses.items():
        assert not pose.success or motion_error(pose.cam1_from_cam0, scene.truth(*pair)) > 1e-3


def mickey_features(scene, **attributes):
    """Replace the features by such with descriptors: unit vectors that are nearly the same for the same point."""
    random = np.random.default_rng(0)
    points = random.uniform([-1.2, -0.9, 2.0], [1.2, 0.9, 4.0], (50, 3))
    descriptors = np.linalg.qr(random.normal(size=(64, 50)))[0]
    with h5py.File(scene.features, "w") as file:
        file.attrs.update(attributes)
        for name in scene.names:
            order = random.permutation(50)
            seen = (scene.cam_from_world[name] * points)[order]
            group = file.create_group(name)
            group["keypoints"] = (seen @ K.T)[:, :2] / seen[:, 2:]
            group["depths"] = seen[:, 2]
            group["keypoint_scores"] = np.full(50, 1 / 50)
            group["descriptors"] = descriptors[:, order].astype(np.float16)


def test_mickeys_poses_from_stored_descriptors(scene):
    mickey_features(scene, **{TEMPERATURE_KEY: 0.1, DUSTBIN_KEY: 1.0})
    check_poses(scene, estimate(scene, "mickey", matches=None), tolerance=2e-3)


def test_another_dustbin_value_is_another_origin(scene):
    mickey_features(scene, **{TEMPERATURE_KEY: 0.1, DUSTBIN_KEY: 1.0})
    estimate(scene, "mickey", matches=None)
    with h5py.File(scene.features, "a") as file:
        file.attrs[DUSTBIN_KEY] = 2.0
    with pytest.raises(InputError, match="matcher"):
        estimate(scene, "mickey", matches=None)


def test_features_of_hloc_need_the_weights_for_the_dustbin(scene, tmp_path):
    mickey_features(scene)
    conf = {**estimate_poses.get_conf("mickey"), "weights": str(tmp_path / "absent.ckpt")}
    with pytest.raises(InputError, match=r"absent.ckpt"):
        estimate(scene, conf, matches=None)
    conf["weights"] = str(write_tiny_model(tmp_path / "tiny.safetensors"))
    check_poses(scene, estimate(scene, conf, matches=None), tolerance=2e-3)


def test_query_and_reference_features_may_lie_in_two_files(scene):
    pairs = [(a, b) for a, b in read_pairs(scene.pairs) if a.startswith("seq0") and b.startswith("seq1")]
    write_pairs(scene.pairs, pairs)
    reference = scene.folder / "feats-ref.h5"
    with h5py.File(scene.features, "a") as file, h5py.File(reference, "w") as other:
        file.copy("seq1", other)
        del file["seq1"]
    check_poses(scene, estimate(scene, features_ref=reference))


def test_neither_order_nor_workers_nor_batches_change_a_pose(scene):
    whole = estimate(scene, "probabilistic").read_text().splitlines()
    backwards = write_pairs(scene.folder / "backwards.txt", read_pairs(scene.pairs)[::-1])
    for options in ({"num_workers": 1, "batch_size": 1}, {"num_workers": 3, "batch_size": 2}, {"pairs": backwards}):
        again = estimate(scene, "probabilistic", name="again.txt", overwrite=True, **options).read_text().splitlines()
        assert sorted(again[3:]) == sorted(whole[3:])


@pytest.mark.parametrize("solver", ["probabilistic", "joint"])
def test_the_bytes_of_a_poses_file_do_not_depend_on_the_number_of_threads(tmp_path, solver):
    scene = make_scene(tmp_path, num_images=3, num_points=600)
    before = torch.get_num_threads()
    written = []
    try:
        for threads, workers in ((1, 1), (2, 1), (4, 2)):
            torch.set_num_threads(threads)
            file = estimate(scene, solver, name=f"poses{threads}.txt", num_workers=workers)
            written.append(file.read_bytes())
    finally:
        torch.set_num_threads(before)
    assert written[0] == written[1] == written[2]


def test_a_pose_depends_on_its_own_input_and_the_runs_seed_alone(scene):
    pair = read_pairs(scene.pairs)[3]
    conf = estimate_poses.get_conf("probabilistic", num_sets=1, num_samples=8, num_hypotheses=1, refine=False)
    whole = read_poses(estimate(scene, conf))[pair]
    alone = estimate(scene, conf, name="alone.txt", pairs=write_pairs(scene.folder / "one.txt", [pair]))
    assert read_poses(alone)[pair].t.tobytes() == whole.t.tobytes()
    other = {**conf, "seed": 1}
    assert read_poses(estimate(scene, other, name="other.txt"))[pair].t.tobytes() != whole.t.tobytes()


@pytest.mark.parametrize("dataset", ["descriptors", "keypoint_scores", "keypoints", "depths"])
@pytest.mark.parametrize("which", [0, -1])
def test_changed_input_of_any_image_is_never_taken_for_fresh(scene, dataset, which):
    mickey_features(scene, **{TEMPERATURE_KEY: 0.1, DUSTBIN_KEY: 1.0})
    path = estimate(scene, "mickey", matches=None)
    before = path.read_bytes()
    estimate(scene, "mickey", matches=None)
    with h5py.File(scene.features, "a") as file:
        file[scene.names[which]][dataset][0] += 0.125
    with pytest.raises(InputError, match="made from other features"):
        estimate(scene, "mickey", matches=None)
    assert path.read_bytes() == before


def test_changed_matches_or_cameras_are_never_taken_for_fresh(scene):
    estimate(scene)
    with h5py.File(scene.matches, "a") as file:
        name0, name1 = read_pairs(scene.pairs)[-1]
        partners = file[f"{name0.replace('/', '-')}/{name1.replace('/', '-')}"]["matches0"]
        partners[np.flatnonzero(partners[()] >= 0)[0]] = -1
    with pytest.raises(InputError, match="made from other features"):
        estimate(scene)
    estimate(scene, overwrite=True)
    text = scene.intrinsics.read_text()
    last = text.strip().splitlines()[-1].split()
    last[1] = str(float(last[1]) + 1)
    scene.intrinsics.write_text("\n".join([*text.strip().splitlines()[:-1], " ".join(last)]) + "\n")
    with pytest.raises(InputError, match="made from other features"):
        estimate(scene)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_interrupted_run_goes_on_and_ends_the_same(scene, monkeypatch, batch_size):
    whole = estimate(scene, name="whole.txt").read_bytes()
    add = PoseJournal.add
    runs = 0

    def stop_after_one(self, poses, witness=None):
        add(self, poses, witness)
        raise KeyboardInterrupt

    monkeypatch.setattr(PoseJournal, "add", stop_after_one)
    while not (scene.folder / "poses.txt").exists():
        runs += 1
        try:
            estimate(scene, batch_size=batch_size)
        except KeyboardInterrupt:
            continue
    assert runs == -(-len(read_pairs(scene.pairs)) // batch_size) + 1
    assert (scene.folder / "poses.txt").read_bytes() == whole
    assert not (scene.folder / "poses.txt.journal").exists()


def test_missing_input_is_a_failure_that_is_tried_again(scene, capsys):
    lost = scene.names[2]
    with h5py.File(scene.features, "a") as file, h5py.File(scene.folder / "lost.h5", "w") as kept:
        file.copy(file[lost], kept, name="lost")
        del file[lost]
    command = [
        *("poses", str(scene.pairs), "--features", str(scene.features), "--matches", str(scene.matches)),
        *("--intrinsics", str(scene.intrinsics), "--conf", "procrustes", "--output", str(scene.folder / "poses.txt")),
    ]
    assert cli(command) == 1
    out = capsys.readouterr().out
    assert f"4 without input, e.g. {scene.names[0]} {lost}: {scene.features} has no features of image '{lost}'" in out
    poses = read_poses(scene.folder / "poses.txt")
    assert [pair for pair, pose in poses.items() if not pose.success] == [pair for pair in poses if lost in pair]
    with h5py.File(scene.features, "a") as file, h5py.File(scene.folder / "lost.h5") as kept:
        kept.copy(kept["lost"], file, name=lost)
    assert cli(command) == 0
    check_poses(scene, scene.folder / "poses.txt")
    assert (scene.folder / "poses.txt").read_bytes() == estimate(scene, name="whole.txt").read_bytes()


def test_pairs_without_matches_or_with_others_matches_are_failures(scene):
    pairs = read_pairs(scene.pairs)
    with h5py.File(scene.matches, "a") as file:
        keys = ["/".join(name.replace("/", "-") for name in pair) for pair in pairs]
        del file[keys[0]]
        file[keys[1]]["matches0"][0] = 500
        del file[keys[2]]["matches0"]
        file[keys[3]]["matches0"][()] = -1
    reasons = [pose.reason for pose in read_poses(estimate(scene)).values()]
    assert "no matches of the pair" in reasons[0]
    assert "matches keypoint 500" in reasons[1]
    assert "no matches of the pair" in reasons[2]
    assert reasons[3] == "0 matches have depth in both images, 3 are needed"
    assert reasons[4:] == [""] * (len(pairs) - 4)


def test_nan_depths_never_become_poses(scene):
    with h5py.File(scene.features, "a") as file:
        file[scene.names[0]]["depths"][()] = np.nan
    poses = read_poses(estimate(scene))
    assert [pose.success for pair, pose in poses.items()] == [scene.names[0] not in pair for pair in poses]


def test_other_settings_input_or_pairs_are_refused(scene):
    path = estimate(scene)
    before = path.read_bytes()
    conf = estimate_poses.get_conf("procrustes")
    with pytest.raises(InputError, match="seed: 0 there, 1 now"):
        estimate(scene, {**conf, "seed": 1})
    with pytest.raises(InputError, match="solver"):
        estimate(scene, {**conf, "solver": {"name": "procrustes", "max_error_m": 0.2}})
    fewer = write_pairs(scene.folder / "fewer.txt", read_pairs(scene.pairs)[1:])
    with pytest.raises(InputError, match="1 pairs that are not in the pairs file"):
        estimate(scene, pairs=fewer)
    with h5py.File(scene.features, "a") as file:
        file[scene.names[0]]["keypoints"][0] += 1
    with pytest.raises(InputError, match="made from other features"):
        estimate(scene)
    assert path.read_bytes() == before
    estimate(scene, overwrite=True)
    assert path.read_bytes() != before


def test_more_pairs_are_added_to_a_finished_file(scene, monkeypatch):
    pairs = read_pairs(scene.pairs)
    estimate(scene, pairs=write_pairs(scene.folder / "fewer.txt", pairs[:3]))
    added = []
    add = PoseJournal.add
    monkeypatch.setattr(PoseJournal, "add", lambda self, poses, *a: (added.extend(poses), add(self, poses, *a))[1])
    path = estimate(scene)
    assert added == pairs[3:]
    assert path.read_bytes() == estimate(scene, name="whole.txt").read_bytes()


def test_images_of_another_size_than_the_intrinsics_are_failures(scene):
    text = scene.intrinsics.read_text().replace("320 240", "640 480")
    scene.intrinsics.write_text(text)
    assert all("give the intrinsics of this resolution" in p.reason for p in read_poses(estimate(scene)).values())


def test_the_command_sets_options_of_the_solver(scene, capsys):
    command = [
        *("poses", str(scene.pairs), "--features", str(scene.features), "--matches", str(scene.matches)),
        *("--intrinsics", str(scene.intrinsics), "--conf", "procrustes", "--out", str(scene.folder)),
    ]
    assert cli([*command, "--set", "max_error_m=0.02", "--seed", "3"]) == 0
    assert '"max_error_m": 0.02' in (scene.folder / "poses-procrustes.txt").read_text()
    assert "7 of 7 pairs have a pose" in capsys.readouterr().out
    assert cli([*command, "--set", "max_error_m"]) == 2
    assert cli([*command, "--set", "max_error_m=[1"]) == 2
    assert cli([*command, "--overwrite", "--set", "accept.min_inliers=1000"]) == 1
    assert "7 failed, e.g.: 48 distinct inliers of 54, 1000 are needed" in capsys.readouterr().out
