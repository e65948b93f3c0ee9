"""MicKey in a benchmark, as features and as depth; the weights are untrained, so only the ways are tested."""

import h5py
import numpy as np
import pytest
import torch

from mickey_hloc.benchmark import run_method
from mickey_hloc.benchmark.mapfree import mapfree_run
from mickey_hloc.benchmark.steps import depths_path, features_path, matches_path
from mickey_hloc.errors import InputError
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.poses import read_poses
from mickey_hloc.model.mickey import MicKey, MicKeyOptions
from mickey_hloc.two_view.method import Method
from mickey_hloc.weights.checkpoints import save_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A MicKey that runs in milliseconds."""
    torch.manual_seed(0)
    head = {"widths": (16, 16, 16, 16), "num_attention_layers": 1, "mlp_hidden": 32}
    sizes = {"channels": 64, "num_blocks": 1, "patch_size": 14, "mlp_hidden": 64, "grid_size": 8}
    parts = dict.fromkeys(("offset", "depth", "score", "descriptor"), head)
    model = MicKey(MicKeyOptions.from_dict({"encoder_options": sizes, **parts}))
    return save_model(model, tmp_path_factory.mktemp("weights") / "tiny.safetensors", include_encoder=True)


@pytest.fixture
def task(rendered, tmp_path):
    return mapfree_run(rendered, "val", "all", ["s00001"], tmp_path, progress=False).task


def test_descriptors_without_a_matching_step(task, weights):
    parts = Method(weights=str(weights)).resolve()
    poses = run_method(task, parts)
    assert list(read_poses(poses["s00001"])) == task.pairs
    assert not list(task.outputs.glob("*_matches*"))
    with FeatureFile(features_path(task, parts.extractor)) as features:
        assert features.read(task.names[0]).depths is not None


def test_other_solvers_take_its_mutual_neighbours(task, weights):
    parts = Method(weights=str(weights), solver="pnp").resolve()
    poses = run_method(task, parts)
    assert len(read_poses(poses["s00001"])) == 2
    with MatchFile(matches_path(task, parts)) as matches:
        found, scores = matches.read(*task.pairs[0])
    assert len(found) > 10
    assert ((scores > 0) & (scores <= 1)).all()


def test_its_depth_at_the_keypoints_of_others(task, weights, monkeypatch):
    """Interpolated from its own keypoints; other weights are another file."""
    parts = Method(feature="sift", depth=f"mickey:{weights}", solver="pnp").resolve()
    run_method(task, parts)
    sift, mickey = features_path(task, parts.extractor), features_path(task, parts.depth_extractor)
    with h5py.File(depths_path(task, parts, sift)) as file, FeatureFile(mickey) as own:
        depths = file[task.names[0]]["depths"][()]
        theirs = own.read(task.names[0]).depths
        usable = theirs[theirs > 0]
    known = depths[np.isfinite(depths)]
    assert len(depths) == len(h5py.File(sift)[task.names[0]]["keypoints"])
    if len(usable):
        assert usable.min() - 1e-4 <= known.min() <= known.max() <= usable.max() + 1e-4
    other = Method(feature="sift", depth="mickey:mickey_sc", solver="pnp").resolve()
    assert depths_path(task, other, sift) != depths_path(task, parts, sift)
    assert other.name != parts.name


def test_its_features_with_other_depth(task, weights):
    poses = run_method(task, Method(weights=str(weights), depth="png:sensor").resolve())
    assert len(read_poses(poses["s00001"])) == 2
    poses = run_method(task, Method(weights=str(weights), depth="png:sensor", solver="procrustes").resolve())
    assert len(read_poses(poses["s00001"])) == 2


def test_dense_depth_reaches_the_solver_that_wants_it(task):
    parts = Method(feature="sift", depth="png:sensor", solver="procrustes", solver_options={"icp": True}).resolve()
    assert parts.solver.uses_depth_maps
    poses = read_poses(run_method(task, parts)["s00001"])
    assert all(pose.success for pose in poses.values())
    assert not list(task.outputs.glob("*_depth-*"))


def test_weights_that_nothing_uses_are_a_mistake(weights):
    with pytest.raises(InputError, match="leave out the weights"):
        Method(feature="sift", depth="constant:1", weights=str(weights)).resolve()
