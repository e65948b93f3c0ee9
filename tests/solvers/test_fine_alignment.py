"""Refinement on keypoints and depths, and ICP on dense depth maps."""

import sys

import pytest
import torch
from support.solver_scenes import R_TRUE, SIZE, T_TRUE, K, make_scene, problem_of, rotation

from mickey_hloc.errors import InputError, MissingDependencyError
from mickey_hloc.geometry import backproject, pose_errors, rotation_angle_deg, transform
from mickey_hloc.solvers import View, get_solver
from mickey_hloc.solvers.depth_model import DepthModel
from mickey_hloc.solvers.icp import align_depth_maps
from mickey_hloc.solvers.match_solver import precise
from mickey_hloc.solvers.refine import PairFit, refine_pose, refine_with_depth_model

OFF_R, OFF_T = rotation(0.01, -0.015, 0.01) @ R_TRUE, T_TRUE + torch.tensor([0.02, -0.03, 0.03]).double()


def test_refinement_recovers_the_pose_from_nearby_despite_outliers() -> None:
    problem = precise(make_scene(80, 40))
    R, t = refine_pose(problem, problem.matches, OFF_R, OFF_T)
    degrees, metres = pose_errors(R, t, R_TRUE, T_TRUE)
    assert degrees < 1e-3
    assert metres < 1e-4


def test_refinement_keeps_what_it_cannot_better() -> None:
    problem = precise(make_scene(2))
    assert refine_pose(problem, problem.matches, OFF_R, OFF_T)[0] is OFF_R
    empty = precise(make_scene(0))
    assert refine_pose(empty, empty.matches, OFF_R, OFF_T)[1] is OFF_T
    hopeless = precise(make_scene(0, 30))
    R, t = refine_pose(hopeless, hopeless.matches, OFF_R, OFF_T)
    assert torch.isfinite(R).all()
    assert torch.isfinite(t).all()


@pytest.mark.parametrize("blind", [0, 1])
def test_refinement_with_depth_in_one_view(blind: int) -> None:
    clean = make_scene(80)
    views = [clean.view0, clean.view1]
    views[blind] = View(views[blind].keypoints, torch.full_like(views[blind].depths, torch.nan), K, SIZE)
    problem = precise(problem_of(*views, clean.matches))
    R, t = refine_pose(problem, problem.matches, OFF_R, OFF_T)
    degrees, metres = pose_errors(R, t, R_TRUE, T_TRUE)
    assert degrees < 0.01
    assert metres < 1e-3


def test_the_depth_model_is_recovered() -> None:
    clean = make_scene(120)
    views = [View(v.keypoints, v.depths * s, K, SIZE) for v, s in ((clean.view0, 1 / 1.1), (clean.view1, 1.1))]
    problem = precise(problem_of(*views, clean.matches))
    start = DepthModel(free_ratio=True)
    R, t, model = refine_with_depth_model(problem, problem.matches, OFF_R, OFF_T, start)
    assert model.log_ratio == pytest.approx(-2 * torch.tensor(1.1).log().item(), abs=1e-4)
    degrees, metres = pose_errors(R, t, R_TRUE, T_TRUE)
    assert degrees < 0.01
    assert metres < 1e-3


def test_the_jacobian_is_that_of_the_errors() -> None:
    """Central differences of e = R X + t - Y over rotation, translation, ratio and shifts."""
    problem = precise(make_scene(9, noise_px=2.0, depth_noise=0.1))
    fit = PairFit(problem, problem.matches, 1.0)
    model = DepthModel(0.1, 0.05, -0.1, free_ratio=True, free_shifts=True)

    def error(delta: torch.Tensor) -> torch.Tensor:
        moved = model.moved(delta[6:])
        X, Y = fit.points(R_TRUE, T_TRUE, moved)
        turn = rotation(*delta[:3].tolist())
        return X @ (turn @ R_TRUE).mT + T_TRUE + delta[3:6] - Y

    X, _ = fit.points(R_TRUE, T_TRUE, model)
    jacobian = fit.jacobian(R_TRUE, X @ R_TRUE.mT, model)
    step = 1e-5
    for column in range(9):
        delta = torch.zeros(9).double()
        delta[column] = step
        numeric = (error(delta) - error(-delta)) / (2 * step)
        torch.testing.assert_close(jacobian[..., column], numeric, atol=1e-6, rtol=1e-5)


ROOM = ((0, 1.2), (1, 0.9), (2, 3.0))  # walls: axis, and place along it in metres


def render_room(R: torch.Tensor, t: torch.Tensor, size=(96, 128), walls=ROOM) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth map (H, W) of a room's walls seen by cam_from_room (R, t), and its K."""
    height, width = size
    K_small = torch.tensor([[110.0, 0, width / 2 - 0.5], [0, 110.0, height / 2 - 0.5], [0, 0, 1]]).double()
    v, u = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    rays = torch.stack([u, v, torch.ones_like(u)], dim=-1) @ torch.linalg.inv(K_small).mT
    centre, directions = -R.mT @ t, rays @ R  # in the room
    depth = torch.full(size, torch.inf).double()
    for axis, place in walls:
        z = (place - centre[axis]) / directions[..., axis]
        depth = torch.where((z > 0) & (z < depth), z, depth)
    return depth, K_small


def _pixels_and_depths(depth_map: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    v, u = torch.meshgrid(*(torch.arange(side) for side in depth_map.shape), indexing="ij")
    return torch.stack([u, v], dim=-1).reshape(-1, 2).double(), depth_map.flatten()


def test_icp_recovers_the_pose_between_two_views_of_a_corner() -> None:
    pytest.importorskip("small_gicp")
    cam0_from_room = rotation(0.1, -0.2, 0.0)  # all three walls are in view
    R_true, t_true = rotation(0.02, -0.08, 0.03), torch.tensor([0.1, -0.05, 0.08]).double()
    depth0, K_small = render_room(cam0_from_room, torch.zeros(3).double())
    depth1, _ = render_room(R_true @ cam0_from_room, t_true)
    depth1[10:20, 30:50] = torch.nan
    depth0[50:60, 30:50] = 0.0
    start = rotation(0.01, 0.015, -0.01) @ R_true, t_true + 0.02
    R, t = align_depth_maps(depth0, K_small, depth1, K_small, *start, max_error_m=0.1)
    degrees, metres = pose_errors(R, t, R_true, t_true)
    assert degrees < 0.05
    assert metres < 0.003


def test_icp_leaves_what_a_single_wall_cannot_tell() -> None:
    pytest.importorskip("small_gicp")
    wall = torch.full((96, 128), 2.0).double()
    K_small = torch.tensor([[110.0, 0, 63.5], [0, 110.0, 47.5], [0, 0, 1]]).double()
    slide = torch.tensor([0.05, -0.03, 0.02]).double()
    R, t = align_depth_maps(wall, K_small, wall, K_small, torch.eye(3).double(), slide, max_error_m=0.1)
    assert float(rotation_angle_deg(R)) < 0.05
    torch.testing.assert_close(t, torch.tensor([0.05, -0.03, 0.0]).double(), atol=1e-3, rtol=0)


def test_icp_leaves_sliding_along_the_edge_of_two_walls() -> None:
    pytest.importorskip("small_gicp")
    cam0_from_room = rotation(0.1, -0.2, 0.0)
    R_true, t_true = rotation(0.02, -0.08, 0.03), torch.tensor([0.1, -0.05, 0.08]).double()
    walls = ((1, 0.9), (2, 3.0))  # they meet along the room's x
    depth0, K_small = render_room(cam0_from_room, torch.zeros(3).double(), walls=walls)
    depth1, _ = render_room(R_true @ cam0_from_room, t_true, walls=walls)
    start = rotation(0.01, 0.015, -0.01) @ R_true, t_true + 0.02
    R, t = align_depth_maps(depth0, K_small, depth1, K_small, *start, max_error_m=0.1)
    assert float(rotation_angle_deg(R @ R_true.mT)) < 0.05
    edge = (R_true @ cam0_from_room)[:, 0]
    error = t - t_true
    assert torch.linalg.vector_norm(error - (error @ edge) * edge) < 0.005
    points = backproject(*_pixels_and_depths(depth0), K_small)
    centre = points[torch.isfinite(points).all(dim=-1)].mean(dim=0)
    slid = transform(R, t, centre) - transform(*start, centre)
    assert (slid @ edge).abs() < 0.003  # the points' centre stays along the edge where the start has it


def test_icp_keeps_the_pose_where_nothing_overlaps() -> None:
    pytest.importorskip("small_gicp")
    depth0, K_small = render_room(torch.eye(3).double(), torch.zeros(3).double())
    away = rotation(0, 3.0, 0), torch.zeros(3).double()
    assert align_depth_maps(depth0, K_small, depth0, K_small, *away, max_error_m=0.05)[0] is away[0]
    unknown = torch.full_like(depth0, torch.nan)
    assert align_depth_maps(unknown, K_small, depth0, K_small, *away, max_error_m=0.05)[0] is away[0]


def test_icp_without_its_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "small_gicp", None)
    depth0, K_small = render_room(torch.eye(3).double(), torch.zeros(3).double())
    start = torch.eye(3).double(), torch.zeros(3).double()
    with pytest.raises(MissingDependencyError, match=r"pip install 'mickey-hloc\[solvers\]'"):
        align_depth_maps(depth0, K_small, depth0, K_small, *start, max_error_m=0.05)


def test_icp_without_depth_maps_says_so() -> None:
    with pytest.raises(InputError, match="dense depth maps"):
        get_solver("procrustes", icp=True).solve(make_scene(40))
    assert get_solver("procrustes", icp=True).uses_depth_maps
    assert not get_solver("procrustes").uses_depth_maps
    assert not get_solver("pnp").uses_depth_maps
