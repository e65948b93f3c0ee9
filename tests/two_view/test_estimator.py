"""Two photos to a pose: rendered rooms with exact depth, and the pairs that must fail honestly."""

import cv2
import numpy as np
import pytest
import torch

from mickey_hloc import estimate_relative_pose
from mickey_hloc.cli.demo import write_pair
from mickey_hloc.cli.pose import load_photos
from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.geometry import pose_errors
from mickey_hloc.model.heads import HeadOptions
from mickey_hloc.model.mickey import MicKey, MicKeyOptions
from mickey_hloc.rooms import sample_pair
from mickey_hloc.two_view.estimator import TwoViewEstimator
from mickey_hloc.two_view.method import Method
from mickey_hloc.two_view.result import Photo
from mickey_hloc.weights.checkpoints import save_model

SIFT = {"feature": "sift", "depth": "png:exact"}
SIZE = (480, 360)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """Five rendered pairs: (pair, photos, folder)."""
    made = []
    for seed in range(5):
        pair = sample_pair(seed, SIZE)
        folder = tmp_path_factory.mktemp(f"room{seed}")
        photos, _ = load_photos(write_pair(pair, folder), folder / "intrinsics.txt", None)
        made.append((pair, photos, folder))
    return made


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    torch.manual_seed(0)
    head = HeadOptions(widths=(16, 16, 16, 8), num_attention_layers=1, mlp_hidden=32)
    encoder = {"channels": 64, "num_blocks": 1, "mlp_hidden": 64, "grid_size": 5}
    options = MicKeyOptions("dinov2", encoder, head, head, head, head, depth_activation="exp", depth_scale_m=2.0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    return str(save_model(MicKey(options).eval(), path, include_encoder=True))


def errors(pose, cam1_from_cam0):
    R, t = cam1_from_cam0.rotation.matrix(), np.asarray(cam1_from_cam0.translation)
    degrees, metres = pose_errors(*map(torch.from_numpy, (pose.R, pose.t, R, t)))
    return float(degrees), float(metres)


def estimate(photos, folder=None, seed=0, **options):
    return TwoViewEstimator(Method(**options), image_dir=folder).estimate(*photos, seed=seed)


def test_sift_with_exact_depth_is_accurate_to_centimetres(rooms) -> None:
    found = [errors(estimate(photos, folder, **SIFT).pose, pair.cam1_from_cam0) for pair, photos, folder in rooms]
    degrees, metres = np.median(found, axis=0)
    assert metres < 0.02
    assert degrees < 0.5


def test_translation_scales_with_a_constant_depth(rooms) -> None:
    photos = rooms[0][1]
    near, far = (
        estimate(photos, feature="sift", depth=f"constant:{z}", solver_options={"max_error_m": 0.1 * z}).pose
        for z in (1.0, 2.0)
    )
    assert near.success
    np.testing.assert_allclose(far.t, 2 * near.t, rtol=1e-4)
    np.testing.assert_allclose(far.R, near.R, atol=1e-5)


def test_identical_images_give_the_identity(rooms) -> None:
    _, (photo, _), folder = rooms[1]
    pose = estimate((photo, photo), folder, **SIFT).pose
    assert pose.success
    assert np.abs(pose.t).max() < 1e-6
    np.testing.assert_allclose(pose.R, np.eye(3), atol=1e-6)
    assert pose.confidence > 0.9


def test_unrelated_images_give_no_pose(rooms) -> None:
    for i in range(4):
        a, b = (
            Photo("a", rooms[i][1][0].image, rooms[i][1][0].K),
            Photo("b", rooms[i + 1][1][0].image, rooms[i + 1][1][0].K),
        )
        pose = estimate((a, b), feature="sift", depth="constant:2").pose
        assert not pose.success
        assert pose.reason
        assert np.isnan(pose.t).all()


@pytest.mark.parametrize("value", [0, 128])
def test_a_blank_image_is_named(rooms, value: int) -> None:
    photo = rooms[0][1][0]
    blank = Photo("wall.jpg", np.full_like(photo.image, value), photo.K)
    for pair in ((photo, blank), (blank, photo), (blank, blank)):
        pose = estimate(pair, feature="sift", depth="constant:2").pose
        assert not pose.success
        assert "wall.jpg has no keypoints (is it of a single colour?)" in pose.reason


def test_depth_that_is_unknown_everywhere_is_a_failure(rooms, tmp_path) -> None:
    pair, _, _ = rooms[0]
    paths = write_pair(pair, tmp_path)
    hole = np.zeros(pair.view0.depth.shape, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "query.exact.png"), hole)
    photos, folder = load_photos(paths, tmp_path / "intrinsics.txt", None)
    pose = estimate(photos, folder, **SIFT).pose
    assert not pose.success
    assert "0 matches have depth in both images" in pose.reason


def test_the_same_seed_gives_the_same_pose(rooms) -> None:
    _, photos, folder = rooms[2]
    first, again = (estimate(photos, folder, seed=3, **SIFT).pose for _ in range(2))
    assert first.t.tobytes() == again.t.tobytes()


@pytest.mark.parametrize("solver", [None, "procrustes"])
@pytest.mark.parametrize("feature", ["mickey", "sift"])
def test_every_feature_runs_with_every_kind_of_solver(rooms, tiny_weights, feature: str, solver: str | None) -> None:
    """Untrained weights: what comes out is either a finite pose or a reason, never something between."""
    _, photos, folder = rooms[0]
    depth = "mickey" if feature == "sift" else None
    result = estimate(photos, folder, feature=feature, weights=tiny_weights, depth=depth, solver=solver)
    assert np.isfinite(result.pose.t).all() == result.pose.success == (not result.pose.reason)
    assert (result.pose.confidence > 0) == result.pose.has_estimate
    assert (result.problem.probability is not None) == (feature == "mickey" and solver is None)
    assert set(result.seconds) == {"weights", "features", "depth", "matching", "solver"}


def test_images_of_two_sizes(rooms, tiny_weights) -> None:
    a, b = rooms[0][1]
    small = Photo("small", np.ascontiguousarray(b.image[:211, :305]), b.K)
    result = estimate((a, small), feature="mickey", weights=tiny_weights, depth="constant:2")
    n0, n1 = len(result.problem.view0.keypoints), len(result.problem.view1.keypoints)
    assert (n0, n1) == ((480 // 14) * (360 // 14), (305 // 14) * (211 // 14))
    assert result.problem.probability.shape == (n0, n1)


def test_combinations_that_cannot_work() -> None:
    with pytest.raises(InputError, match="sift has no depth of its own: choose a source, constant:<metres>"):
        Method(feature="sift").resolve()
    with pytest.raises(InputError, match=r"mickey\[:<weights or features.h5>\]"):
        Method(feature="sift").resolve()
    with pytest.raises(MissingDependencyError, match="feature 'surf' is none of ours"):
        Method(feature="surf", hloc="no_hloc_here").resolve()
    with pytest.raises(InputError, match="Unknown depth source"):
        Method(feature="sift", depth="laser").resolve()
    with pytest.raises(InputError, match="Unknown option 'max_eror'"):
        Method(feature="sift", depth="constant:2", solver_options={"max_eror": 1}).resolve()
    with pytest.raises(InputError, match="is for MicKey's features"):
        Method(feature="sift", matcher="mickey", depth="constant:2").resolve()
    with pytest.raises(InputError, match="makes its own keypoints: leave out the feature"):
        Method(feature="sift", matcher="vismatch-roma", depth="constant:2").resolve()
    with pytest.raises(InputError, match="leave out the weights"):
        Method(feature="sift", depth="constant:2", weights="small").resolve()


def test_wrong_types_are_refused_and_nothing_is_guessed() -> None:
    for wrong in ({"seed": "abc"}, {"weights": 3}, {"solver_options": 3}, {"focal_correction": "both"}, {"seed": True}):
        with pytest.raises(InputError, match=f"Option {next(iter(wrong))} of Method must be"):
            Method(**wrong)  # type: ignore[arg-type]


def test_a_solver_that_draws_takes_matches_of_any_feature(rooms) -> None:
    pair, photos, folder = rooms[0]
    pose = estimate(photos, folder, **SIFT, solver="probabilistic").pose
    assert errors(pose, pair.cam1_from_cam0)[1] < 0.05


def test_the_short_form(rooms) -> None:
    a, b = rooms[0][1]
    pose = estimate_relative_pose(a.image, b.image, a.K, b.K, feature="sift", depth="constant:2.5")
    same = estimate((a, b), feature="sift", depth="constant:2.5").pose
    assert pose.t.tobytes() == same.t.tobytes()
    with pytest.raises(InputError, match="Unknown option 'fature'"):
        estimate_relative_pose(a.image, b.image, a.K, b.K, fature="sift")
    with pytest.raises(InputError, match="uint8 RGB"):
        estimate_relative_pose(a.image / 255.0, b.image, a.K, b.K, feature="sift", depth="constant:2")
    with pytest.raises(InputError, match="invertible"):
        estimate_relative_pose(a.image, b.image, np.zeros((3, 3)), b.K, feature="sift", depth="constant:2")
