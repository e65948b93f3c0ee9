"""Modules with the interfaces of mast3r, mapanything, depth_anything_3, vggt, reloc3r, moge and unidepth.

Their networks are replaced by the truth of a rendered room; the functions have the signatures that the packages had
when the parts were written.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mickey_hloc.geometry.camera import backproject, resize_intrinsics
from mickey_hloc.rooms import render


class Truth:
    """Two views of a room; what a perfect network would say of them.

    Args:
        room, poses: cam_from_world (3, 4) of both views.
        Ks, images: (3, 3) and (H, W, 3) uint8.
    """

    def __init__(self, room: Any, poses: list[np.ndarray], Ks: list[np.ndarray], images: list[np.ndarray]) -> None:
        self.room, self.Ks, self.images = room, Ks, images
        self.poses = [np.vstack([pose, [0, 0, 0, 1]]) for pose in poses]
        self._maps: dict[Any, Tensor] = {}

    @property
    def cam1_from_cam0(self) -> np.ndarray:
        return self.poses[1] @ np.linalg.inv(self.poses[0])

    def which(self, image: Tensor) -> int:
        """Which of the two views an image (3, H, W) in [0, 1] shows, of whatever size."""
        small = F.interpolate(image[None].float().cpu(), (24, 24), mode="area")[0]
        views = [torch.from_numpy(view).permute(2, 0, 1)[None] / 255 for view in self.images]
        distances = [float((F.interpolate(view, (24, 24), mode="area")[0] - small).abs().mean()) for view in views]
        return int(np.argmin(distances))

    def K(self, side: int, size: tuple[int, int]) -> np.ndarray:
        """Intrinsics of a view that was resized to (width, height)."""
        height, width = self.images[side].shape[:2]
        return resize_intrinsics(torch.from_numpy(self.Ks[side]), (width, height), size).numpy()

    def depth(self, side: int, K: np.ndarray, size: tuple[int, int]) -> Tensor:
        """(H, W) metres as a camera of these intrinsics at the place of a view sees it."""
        key = (side, size, K.round(6).tobytes())
        if key not in self._maps:
            self._maps[key] = torch.from_numpy(render(self.room, K, size, self.poses[side][:3]).depth).float()
        return self._maps[key]

    def points(self, side: int, size: tuple[int, int]) -> Tensor:
        """(H, W, 3) metres in the frame of the view's own camera."""
        K = self.K(side, size)
        x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        pixels = torch.from_numpy(np.stack([x, y], axis=-1).reshape(-1, 2)).double()
        depths = self.depth(side, K, size).double().reshape(-1)
        return backproject(pixels, depths, torch.from_numpy(K)).reshape(size[1], size[0], 3)

    def moved(self, points: Tensor, from_side: int, to_side: int) -> Tensor:
        """Points of one camera's frame in another's."""
        motion = torch.from_numpy(self.poses[to_side] @ np.linalg.inv(self.poses[from_side]))
        return points @ motion[:3, :3].mT + motion[:3, 3]


def size_of(image: Tensor) -> tuple[int, int]:
    return image.shape[-1], image.shape[-2]


class StubNetwork(nn.Module):
    """What all of them share: made by ``from_pretrained``."""

    truth: Truth

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str, **kw: Any) -> StubNetwork:
        assert "/" in pretrained_model_name_or_path
        return cls()


class AsymmetricMASt3R(StubNetwork):
    pass


def inference(pairs: Any, model: Any, device: Any, batch_size: int = 8, verbose: bool = True) -> dict[str, Any]:
    """dust3r's, of one pair."""
    [(view1, view2)] = pairs
    assert view1["img"].shape[0] == 1
    assert all(side % 16 == 0 for view in (view1, view2) for side in view["img"].shape[2:])
    assert view1["true_shape"].tolist() == [list(view1["img"].shape[2:])]
    images = [view["img"][0] / 2 + 0.5 for view in (view1, view2)]
    assert all(float(image.min()) >= 0 and float(image.max()) <= 1 for image in images)
    truth: Truth = model.truth
    sides = [truth.which(image) for image in images]
    points = [truth.points(side, size_of(image)) for side, image in zip(sides, images, strict=True)]
    in_1 = truth.moved(points[1], sides[1], sides[0])
    world = [truth.moved(p, side, 0) for p, side in zip(points, sides, strict=True)]  # as descriptors: equal, if seen
    ones = [torch.full(p.shape[:2], 9.0) for p in points]
    pred1 = {"pts3d": points[0][None], "conf": ones[0][None], "desc": world[0][None], "desc_conf": ones[0][None]}
    pred2 = {"pts3d_in_other_view": in_1[None], "conf": ones[1][None], "desc": world[1][None]}
    return {
        "view1": view1,
        "view2": view2,
        "pred1": pred1,
        "pred2": {**pred2, "desc_conf": ones[1][None]},
        "loss": None,
    }


def fast_reciprocal_NNs(
    pts1: Any,
    pts2: Any,
    subsample_or_initxy1: Any = 8,
    ret_xy: bool = True,
    pixel_tol: int = 0,
    ret_basin: bool = False,
    device: str = "cuda",
    **matcher_kw: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """mast3r's: mutual nearest neighbours from a grid of the first image; of points, so the distance is theirs."""
    assert set(matcher_kw) <= {"block_size", "dist"}
    step, (height, width, _) = subsample_or_initxy1, pts1.shape
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step].reshape(2, -1)
    flat1, flat2 = pts1.reshape(-1, 3), pts2.reshape(-1, 3)
    distances, there = torch.cdist(pts1[y, x], flat2).min(dim=1)
    back = torch.cdist(flat2[there], flat1).argmin(dim=1)
    mutual = ((back == torch.from_numpy(y * width + x)) & (distances < 0.05)).numpy()
    there = there.numpy()
    return np.stack([x, y], -1)[mutual], np.stack([there % pts2.shape[1], there // pts2.shape[1]], -1)[mutual]


class MapAnything(StubNetwork):
    def infer(
        self,
        views: Any,
        memory_efficient_inference: bool = True,
        minibatch_size: Any = None,
        use_amp: bool = True,
        amp_dtype: str = "bf16",
        apply_mask: bool = True,
        mask_edges: bool = True,
        edge_normal_threshold: float = 5.0,
        edge_depth_threshold: float = 0.03,
        apply_confidence_mask: bool = False,
        confidence_percentile: float = 10,
        ignore_calibration_inputs: bool = False,
        ignore_depth_inputs: bool = False,
        ignore_pose_inputs: bool = False,
        ignore_depth_scale_inputs: bool = False,
        ignore_pose_scale_inputs: bool = False,
        use_multiview_confidence: bool = False,
        multiview_conf_depth_abs_thresh: float = 0.02,
        multiview_conf_depth_rel_thresh: float = 0.02,
    ) -> list[dict[str, Tensor]]:
        assert views[0]["img"].shape == views[1]["img"].shape
        answers = []
        for side, view in enumerate(views):
            depth = self.truth.depth(side, view["intrinsics"][0].numpy(), size_of(view["img"]))
            world = torch.from_numpy(np.linalg.inv(self.truth.poses[side])).float()
            mask = torch.ones_like(depth)[None, ..., None]
            answers.append({"depth_z": depth[None, ..., None], "camera_poses": world[None], "mask": mask})
        return answers


def preprocess_inputs(
    input_views: Any,
    resize_mode: str = "fixed_mapping",
    size: Any = None,
    norm_type: str = "dinov2",
    patch_size: int = 14,
    resolution_set: int = 518,
    verbose: bool = False,
) -> list[dict[str, Any]]:
    """mapanything's: one size for all, images scaled to cover it and cropped around their middle, K with them."""
    ratio = np.mean([view["img"].shape[1] / view["img"].shape[0] for view in input_views])
    target = (224, round(224 / ratio / patch_size) * patch_size)
    views = []
    for view in input_views:
        image, K = torch.from_numpy(view["img"]).permute(2, 0, 1)[None] / 255, torch.from_numpy(view["intrinsics"])
        size_in = size_of(image)
        scale = max(target[0] / size_in[0], target[1] / size_in[1])
        resized = tuple(max(t, round(side * scale)) for t, side in zip(target, size_in, strict=True))
        left, top = ((r - t) // 2 for r, t in zip(resized, target, strict=True))
        image = F.interpolate(image, resized[::-1], mode="bilinear", align_corners=False)
        K = resize_intrinsics(K.double(), size_in, resized)
        K[0, 2] -= left
        K[1, 2] -= top
        cut = image[..., top : top + target[1], left : left + target[0]]
        views.append({"img": cut, "intrinsics": K[None], "data_norm_type": [norm_type]})
    return views


class DepthAnything3(StubNetwork):
    predicted_focal_ratio = 0.8  # of the focal length that it predicts over the true one

    def inference(
        self,
        image: Any,
        extrinsics: Any = None,
        intrinsics: Any = None,
        align_to_input_ext_scale: bool = True,
        infer_gs: bool = False,
        use_ray_pose: bool = False,
        ref_view_strategy: str = "saddle_balanced",
        render_exts: Any = None,
        render_ixts: Any = None,
        render_hw: Any = None,
        process_res: int = 504,
        process_res_method: str = "upper_bound_resize",
        export_dir: Any = None,
        export_format: str = "mini_npz",
        export_feat_layers: Any = None,
        conf_thresh_percentile: float = 40.0,
        num_max_points: int = 1_000_000,
        show_cameras: bool = True,
        feat_vis_fps: int = 15,
        export_kwargs: Any = {},  # noqa: B006
    ) -> Any:
        height, width = image[0].shape[:2]
        assert process_res == max(height, width)
        assert height % 14 == width % 14 == 0
        depths, Ks, poses = [], [], []
        for number, pixels in enumerate(image):
            assert pixels.dtype == np.uint8
            inside = np.flatnonzero(pixels.any(axis=(0, 2))), np.flatnonzero(pixels.any(axis=(1, 2)))
            (x0, x1), (y0, y1) = ((line.min(), line.max() + 1) for line in inside)  # the padding is black
            side = number if len(image) > 1 else self.truth.which(torch.from_numpy(pixels).permute(2, 0, 1) / 255)
            K = self.truth.K(side, (x1 - x0, y1 - y0))
            K[0, 2] += x0
            K[1, 2] += y0
            metric = self.truth.depth(side, K, (width, height)).numpy()
            Ks.append(np.diag([self.predicted_focal_ratio, self.predicted_focal_ratio, 1]) @ K)
            focal = float(K[0, 0] + K[1, 1]) / 2
            # the metric model's output is to be multiplied by focal / 300, the nested one's by nothing
            depths.append(metric * self.predicted_focal_ratio if len(image) > 1 else metric * 300 / focal)
            pose = self.truth.poses[side].copy()
            poses.append(pose)
        motion = np.array(poses) @ np.linalg.inv(poses[0])
        motion[:, :3, 3] *= self.predicted_focal_ratio
        return SimpleNamespace(
            depth=np.array(depths), is_metric=1, extrinsics=motion[:, :3], intrinsics=np.array(Ks), conf=None, sky=None
        )


class VGGT(StubNetwork):
    def forward(self, images: Tensor, query_points: Any = None) -> dict[str, Tensor]:
        assert images.shape[:3] == (1, 2, 3)
        assert images.shape[3] % 14 == images.shape[4] % 14 == 0
        return {"pose_enc": torch.zeros(1, 2, 9)}


def pose_encoding_to_extri_intri(
    pose_encoding: Any,
    image_size_hw: Any = None,
    pose_encoding_type: str = "absT_quaR_FoV",
    build_intrinsics: bool = True,
) -> tuple[Tensor, Tensor]:
    """vggt's; the truth with translations of another unit."""
    assert pose_encoding.shape == (1, 2, 9)
    assert all(side % 14 == 0 for side in image_size_hw)
    poses = [pose.copy() for pose in VGGT.truth.poses]
    motion = np.array(poses) @ np.linalg.inv(poses[0])
    motion[:, :3, 3] *= 0.37
    return torch.from_numpy(motion[None, :, :3]), torch.eye(3).expand(1, 2, 3, 3)


class Reloc3rRelpose(StubNetwork):
    pass


def inference_relpose(batch: Any, model: Any, device: Any, use_amp: bool = False) -> Tensor:
    """reloc3r's: pose2to1."""
    for view in batch:
        assert view["img"].shape[2] % 16 == view["img"].shape[3] % 16 == 0
        assert view["true_shape"].tolist() == [list(view["img"].shape[2:])]
    pose2to1 = np.linalg.inv(model.truth.cam1_from_cam0)
    pose2to1[:3, 3] *= 5
    return torch.from_numpy(pose2to1).float()[None]


class MoGeModel(StubNetwork):
    def infer(
        self,
        image: Tensor,
        num_tokens: Any = None,
        resolution_level: int = 9,
        force_projection: bool = True,
        apply_mask: bool = True,
        fov_x: Any = None,
        use_fp16: bool = True,
    ) -> dict[str, Tensor]:
        size = size_of(image)
        side = self.truth.which(image)
        K = self.truth.K(side, size)
        assert fov_x == pytest.approx(np.rad2deg(2 * np.arctan(size[0] / 2 / K[0, 0])))
        return {"depth": self.truth.depth(side, K, size)}


class UniDepthV2(StubNetwork):
    def infer(self, rgb: Tensor, camera: Any = None, normalize: bool = True) -> dict[str, Tensor]:
        assert rgb.dtype == torch.uint8
        size = size_of(rgb)
        side = self.truth.which(rgb / 255)
        np.testing.assert_allclose(camera[0].numpy(), self.truth.K(side, size), rtol=1e-5)
        return {"depth": self.truth.depth(side, self.truth.K(side, size), size)[None, None]}


MODULES: dict[str, dict[str, Any]] = {
    "mast3r": {},
    "mast3r.model": {"AsymmetricMASt3R": AsymmetricMASt3R},
    "mast3r.fast_nn": {"fast_reciprocal_NNs": fast_reciprocal_NNs},
    "dust3r": {},
    "dust3r.inference": {"inference": inference},
    "mapanything": {},
    "mapanything.models": {"MapAnything": MapAnything},
    "mapanything.utils": {},
    "mapanything.utils.image": {"preprocess_inputs": preprocess_inputs},
    "depth_anything_3": {},
    "depth_anything_3.api": {"DepthAnything3": DepthAnything3},
    "vggt": {},
    "vggt.models": {},
    "vggt.models.vggt": {"VGGT": VGGT},
    "vggt.utils": {},
    "vggt.utils.pose_enc": {"pose_encoding_to_extri_intri": pose_encoding_to_extri_intri},
    "reloc3r": {},
    "reloc3r.reloc3r_relpose": {"Reloc3rRelpose": Reloc3rRelpose, "inference_relpose": inference_relpose},
    "moge": {},
    "moge.model": {},
    "moge.model.v2": {"MoGeModel": MoGeModel},
    "unidepth": {},
    "unidepth.models": {"UniDepthV2": UniDepthV2},
}


def install(patch: pytest.MonkeyPatch, truth: Truth) -> None:
    """``import mast3r`` and its like give the stubs, which answer the truth."""
    patch.setattr(StubNetwork, "truth", truth, raising=False)
    for name, members in MODULES.items():
        module = ModuleType(name)
        for key, value in members.items():
            setattr(module, key, value)
        patch.setitem(sys.modules, name, module)
