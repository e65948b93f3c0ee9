"""The solvers on matches against known scenes and against the libraries called directly."""

import sys

import cv2
import numpy as np
import pycolmap
import pytest
import torch
from support.solver_scenes import R_TRUE, SIZE, T_TRUE, K, errors, make_scene, problem_of, rotation

from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.geometry import backproject
from mickey_hloc.solvers import View, get_solver
from mickey_hloc.solvers.essential import scale_by_consensus
from mickey_hloc.solvers.procrustes import ProcrustesOptions, refine_on_inliers, rigid_ransac
from mickey_hloc.solvers.residuals import point_errors, reprojection_errors, sampson_errors
from mickey_hloc.two_view.method import Method

MATCH_SOLVERS = ["procrustes", "pnp", "essential", "joint"]
# Median errors over seeds, degrees and metres, for (noise_px, depth_noise, outlier share): no solver may get worse.
NOISE = [((0.3, 0.005, 0.2), 0.2, 0.015), ((1.0, 0.02, 0.5), 0.5, 0.04), ((1.0, 0.02, 0.75), 0.8, 0.06)]


def matched(problem):
    matches = problem.matches
    return (
        problem.view0.keypoints[matches[:, 0]].double().numpy(),
        problem.view1.keypoints[matches[:, 1]].double().numpy(),
        problem.view0.points()[matches[:, 0]].double(),
        problem.view1.points()[matches[:, 1]].double(),
    )


@pytest.mark.parametrize("name", MATCH_SOLVERS)
@pytest.mark.parametrize(("noise", "max_deg", "max_m"), NOISE)
def test_over_noise_and_outliers(name: str, noise, max_deg: float, max_m: float) -> None:
    px, depth, share = noise
    found = []
    for seed in range(5):
        problem = make_scene(60, round(60 * share / (1 - share)), noise_px=px, depth_noise=depth, seed=seed)
        pose = get_solver(name).solve(problem, seed)
        assert pose.success, pose.reason
        found.append(errors(pose))
    degrees, metres = np.median(found, axis=0)
    assert degrees < max_deg
    assert metres < max_m


@pytest.mark.parametrize(("name", "remains"), [("procrustes", 0.6), ("pnp", 1.0), ("essential", 0.8)])
def test_refinement_brings_every_solver_nearer_to_the_truth(name: str, remains: float) -> None:
    found = {refine: [] for refine in (False, True)}
    for refine, results in found.items():
        for seed in range(8):
            problem = make_scene(80, 40, noise_px=1.0, depth_noise=0.03, seed=seed)
            results.append(errors(get_solver(name, refine=refine).solve(problem, seed)))
    plain, refined = (np.median(found[refine], axis=0) for refine in (False, True))
    assert (refined < remains * plain).all()


def test_a_refinement_that_loses_its_support_does_not_cost_the_pose(monkeypatch) -> None:
    def spoil(problem, matches, R, t, *_):
        return R, t + 5.0

    monkeypatch.setattr("mickey_hloc.solvers.match_solver.refine_pose", spoil)
    problem = make_scene(60, 20)
    refined, plain = (get_solver("procrustes", refine=refine).solve(problem) for refine in (True, False))
    assert refined.success
    np.testing.assert_array_equal(refined.t, plain.t)


def test_procrustes_agrees_with_pycolmap() -> None:
    problem = make_scene(60, 60, noise_px=0.5, depth_noise=0.01)
    _, _, X, Y = matched(problem)
    R, t = rigid_ransac(X, Y, ProcrustesOptions(), torch.Generator().manual_seed(0))
    options = pycolmap.RANSACOptions(max_error=0.1, min_inlier_ratio=0.05, random_seed=0)
    theirs = pycolmap.estimate_rigid3d_robust(X.numpy(), Y.numpy(), options)
    ours_off = float((1 - (point_errors(R, t, X, Y) / 0.1) ** 2).clamp(min=0).sum())
    theirs_off = np.linalg.norm((theirs["tgt_from_src"] * X.numpy()) - Y.numpy(), axis=1)
    assert ours_off >= np.clip(1 - (theirs_off / 0.1) ** 2, 0, None).sum() - 1e-9


def test_local_refinement_never_lowers_the_support() -> None:
    _, _, X, Y = matched(make_scene(40, 40, noise_px=1.0, depth_noise=0.02))
    g = torch.Generator().manual_seed(0)
    R = torch.stack([rotation(*(0.1 * torch.randn(3, generator=g)).tolist()) @ R_TRUE for _ in range(30)])
    t = T_TRUE + 0.05 * torch.randn(30, 3, generator=g).double()
    before = (1 - (point_errors(R, t, X, Y) / 0.1) ** 2).clamp(min=0).sum(dim=-1)
    after = refine_on_inliers(R, t, X, Y, 0.1, 10)[2]
    assert (after >= before).all()
    assert after.max() > before.max()


@pytest.mark.parametrize("backend", ["pycolmap", "poselib"])
@pytest.mark.parametrize("direction", ["0to1", "1to0", "both"])
def test_pnp_backends_and_directions(backend: str, direction: str) -> None:
    if backend == "poselib":
        pytest.importorskip("poselib")
    skewed = K.clone()
    skewed[0, 1] = 8.0
    problem = make_scene(70, 30, noise_px=0.5, K0=skewed, K1=skewed)
    pose = get_solver("pnp", backend=backend, direction=direction).solve(problem)
    degrees, metres = errors(pose)
    assert degrees < 0.3
    assert metres < 0.03


@pytest.mark.parametrize(("direction", "blind"), [("0to1", 1), ("1to0", 0)])
def test_pnp_needs_the_depth_of_one_view_only(direction: str, blind: int) -> None:
    problem = make_scene(60, 20, noise_px=0.3)
    views = [problem.view0, problem.view1]
    views[blind] = View(views[blind].keypoints, torch.full_like(views[blind].depths, torch.nan), K, SIZE)
    for refine in (False, True):
        pose = get_solver("pnp", direction=direction, refine=refine).solve(problem_of(*views, problem.matches))
        assert pose.success, pose.reason
        assert errors(pose)[0] < 0.3


def test_pnp_agrees_with_pycolmap_called_directly() -> None:
    problem = make_scene(80, 40, noise_px=0.5)
    _, kp1, X, _ = matched(problem)
    camera = pycolmap.Camera(
        model="PINHOLE", width=640, height=480, params=[float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])]
    )
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.max_error, options.ransac.random_seed = 6.0, 1
    theirs = pycolmap.estimate_and_refine_absolute_pose(kp1, X.numpy(), camera, options)
    ours = get_solver("pnp").solve(problem)
    degrees, metres = errors(
        ours,
        torch.from_numpy(theirs["cam_from_world"].rotation.matrix()),
        torch.from_numpy(np.array(theirs["cam_from_world"].translation)),
    )
    assert degrees < 0.02
    assert metres < 0.002
    assert ours.num_inliers == pytest.approx(theirs["num_inliers"], abs=1)


@pytest.mark.parametrize("backend", ["opencv", "poselib"])
def test_essential_agrees_with_opencv_called_directly(backend: str) -> None:
    if backend == "poselib":
        pytest.importorskip("poselib")
    problem = make_scene(120, 60, noise_px=0.3)
    kp0, kp1, X, Y = matched(problem)
    matrix = K.double().numpy()
    E, mask = cv2.findEssentialMat(kp0, kp1, matrix, cv2.USAC_MAGSAC, 0.9999, 2.0)
    _, R, direction, _ = cv2.recoverPose(E, kp0, kp1, matrix, mask=mask.copy())
    inliers = mask.ravel() > 0
    scales = (Y.numpy() - X.numpy() @ R.T)[inliers] @ direction.ravel()
    votes = (np.abs(scales[:, None] - scales) < 0.1).sum(axis=1)
    scale = scales[np.abs(scales - scales[votes.argmax()]) < 0.1].mean()
    pose = get_solver("essential", backend=backend).solve(problem)
    degrees, metres = errors(pose, torch.from_numpy(R), torch.from_numpy(direction.ravel() * scale))
    assert degrees < 0.15
    assert metres < 0.015
    assert pose.num_inliers == pytest.approx(inliers.sum(), abs=0.05 * len(kp0))


def test_essential_uses_matches_without_depth_too() -> None:
    clean = make_scene(80, 0, noise_px=0.5, depth_noise=0.02)
    depths = clean.view0.depths.clone()
    depths[clean.matches[8:, 0]] = torch.nan
    views = View(clean.view0.keypoints, depths, K, SIZE), clean.view1
    pose = get_solver("essential").solve(problem_of(*views, clean.matches))
    assert pose.success, pose.reason
    assert len(pose.correspondences) == 8
    assert errors(pose)[0] < 0.5


def test_scale_by_consensus() -> None:
    assert scale_by_consensus(torch.tensor([0.5]), 0.1) == pytest.approx(0.5)
    votes = torch.tensor([-0.42, -0.40, -0.38, 3.0, 1.0, 1.5, 7.0])
    assert scale_by_consensus(votes, 0.1) == pytest.approx(-0.40)


@pytest.mark.parametrize("free_shifts", [False, True])
@pytest.mark.parametrize("factor", [1.0, 1.4, 0.6])
def test_joint_bears_depths_of_different_scale(factor: float, free_shifts: bool) -> None:
    clean = make_scene(90, 30, noise_px=0.5, depth_noise=0.01)
    half = factor**0.5
    views = [View(v.keypoints, v.depths * s, K, SIZE) for v, s in ((clean.view0, 1 / half), (clean.view1, half))]
    pose = get_solver("joint", free_shifts=free_shifts).solve(problem_of(*views, clean.matches))
    assert pose.success, pose.reason
    degrees, metres = errors(pose)
    assert degrees < 0.3
    assert metres < 0.05 if free_shifts else metres < 0.03


def test_joint_bears_shifted_depths() -> None:
    clean = make_scene(150, 30, noise_px=0.3)
    views = [View(v.keypoints, v.depths + s, K, SIZE) for v, s in ((clean.view0, 0.25), (clean.view1, -0.2))]
    problem = problem_of(*views, clean.matches)
    with_shifts, without = (get_solver("joint", free_shifts=free).solve(problem) for free in (True, False))
    assert errors(with_shifts)[1] < 0.5 * errors(without)[1]


def test_joint_finds_how_far_depths_can_be_believed() -> None:
    clean = make_scene(150, 30, noise_px=0.3)
    bent = [
        View(v.keypoints, v.depths * (0.35 * (v.keypoints[:, 0] / 100 + k).sin()).exp(), K, SIZE)
        for k, v in enumerate((clean.view0, clean.view1))
    ]
    for problem, believed, degrees in (
        (problem_of(*bent, clean.matches), 0.2, 2.5),
        (make_scene(150, 30, noise_px=0.3, depth_noise=0.02), 0.1, 0.05),
    ):
        chosen, alone = (get_solver("joint", depth_sigma=sigma).solve(problem) for sigma in (0.0, believed))
        np.testing.assert_allclose(chosen.t, alone.t)
        assert errors(chosen)[0] < degrees
        assert errors(chosen)[0] < errors(get_solver("joint", depth_sigma=0.05).solve(problem))[0]


def test_joint_believes_a_sensor() -> None:
    joint = get_solver("joint", max_error_sigmas=2.5)
    assert joint.suited_to("learned") is joint
    suited = joint.suited_to("measured")
    assert suited.options == get_solver("joint", max_error_sigmas=2.5, depth_sigma=0.05).options
    assert suited.name == "joint"
    for depth, sigma in (("png:sensor", 0.05), ("constant:2", 0.0)):
        assert Method(feature="sift", depth=depth, solver="joint").resolve().solver.options.depth_sigma == sigma
    given = Method(feature="sift", depth="png:sensor", solver="joint", solver_options={"depth_sigma": 0.2})
    assert given.resolve().solver.options.depth_sigma == 0.2


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("procrustes", "max_error_m", 0.0),
        ("procrustes", "probability", 1.0),
        ("procrustes", "depth_sigma", -1.0),
        ("pnp", "direction", "sideways"),
        ("pnp", "backend", "gtsam"),
        ("pnp", "max_error_px", -1.0),
        ("pnp", "max_error_px", "wide"),
        ("pnp", "max_error_px", float("nan")),
        ("pnp", "max_iterations", 2.5),
        ("pnp", "refine", "maybe"),
        ("procrustes", "icp", 1),
        ("probabilistic", "num_sets", True),
        ("essential", "max_iterations", 0),
        ("essential", "backend", "pycolmap"),
        ("joint", "shift_sigma_m", 0.0),
        ("joint", "depth_sigma", -0.1),
        ("joint", "depth_sigma", 1e39),
    ],
)
def test_senseless_options_are_refused(name: str, option: str, value) -> None:
    with pytest.raises(InputError, match=option):
        get_solver(name, **{option: value})


def test_residuals_are_zero_at_the_truth_and_grow_by_the_pixel() -> None:
    problem = make_scene(30)
    i, j = problem.matches.unbind(dim=-1)
    X = backproject(problem.view0.keypoints, problem.view0.depths, K).double()[i]
    kp0, kp1 = problem.view0.keypoints.double()[i], problem.view1.keypoints.double()[j]
    Kd = K.double()
    assert reprojection_errors(R_TRUE, T_TRUE, X, kp1, Kd).max() < 1e-3
    assert sampson_errors(R_TRUE, T_TRUE, kp0, kp1, Kd, Kd).max() < 1e-3
    moved = kp1 + torch.tensor([3.0, 4.0]).double()
    torch.testing.assert_close(
        reprojection_errors(R_TRUE, T_TRUE, X, moved, Kd), torch.full((30,), 5.0).double(), atol=1e-3, rtol=0
    )
    assert sampson_errors(R_TRUE, T_TRUE, kp0, moved, Kd, Kd).max() <= 5.0
    assert torch.isinf(reprojection_errors(R_TRUE, T_TRUE, -X * 10, kp1, Kd)).all()
    still = torch.zeros(3).double()  # no translation: the distance to where the rotation alone takes the ray
    rotated = reprojection_errors(R_TRUE, still, X, kp1, Kd)
    torch.testing.assert_close(sampson_errors(R_TRUE, still, kp0, kp1, Kd, Kd), rotated, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize(("name", "other"), [("pnp", "pycolmap"), ("essential", "opencv")])
def test_a_missing_poselib_is_named_with_its_install_line(name: str, other: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "poselib", None)
    with pytest.raises(MissingDependencyError, match=rf"pip install .*backend={other}"):
        get_solver(name, backend="poselib").solve(make_scene(30))
