"""The published MicKey code with random weights, and ours with the same ones. Nothing of it is copied: it is imported.

It comes with ``pip install --no-deps imcui==0.1.3 yacs einops transforms3d`` or from a clone of its repository. Its
licence is non-commercial; use it to compare with and for nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mickey_hloc import load_model
from mickey_hloc.model.mickey import MicKey

CONFIG = "config/MicKey/curriculum_learning.yaml"


def find_reference(given: Path | None) -> Path:
    """The folder of the published code.

    Raises:
        SystemExit: it is not there.
    """
    spec = None if given else importlib.util.find_spec("imcui")
    places = (
        [given]
        if given
        else [Path(p) / "third_party" / "mickey" for p in (spec and spec.submodule_search_locations) or []]
    )
    for place in places:
        if (place / CONFIG).is_file():
            return place
    sys.exit(
        f"The published MicKey code is not in {places or 'imcui'}: "
        "pip install --no-deps imcui==0.1.3 yacs einops transforms3d, or --reference FOLDER."
    )


class Reference:
    """The published network, test-time solver and loss, with random weights, on the CPU in float32."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        sys.path.insert(0, str(folder))
        torch.manual_seed(seed)
        dinov2 = importlib.import_module("lib.models.MicKey.modules.DINO_modules.dinov2")
        sizes = {"img_size": 518, "patch_size": 14, "init_values": 1.0, "ffn_layer": "mlp", "block_chunks": 0}
        self.dinov2_state = dinov2.vit_large(**sizes).state_dict()
        config = importlib.import_module("config.default").cfg.clone()
        config.merge_from_file(str(folder / CONFIG))
        config.MICKEY.DINOV2.FLOAT16 = False  # there is no such matrix product on CPUs
        fetch = torch.hub.load_state_dict_from_url
        torch.hub.load_state_dict_from_url = lambda *_, **__: self.dinov2_state  # random, where it would download
        try:
            pose = importlib.import_module("lib.models.MicKey.compute_pose")
            self.model = pose.MickeyRelativePose(config).eval()
        finally:
            torch.hub.load_state_dict_from_url = fetch
        self.solver = self.model.e2e_Procrustes
        self._loss = importlib.import_module("lib.models.MicKey.modules.loss.loss_class").MetricPoseLoss(config)
        # Full-size random heads answer alike everywhere: larger weights make keypoints and scores differ.
        with torch.no_grad():
            for name, parameter in self.model.compute_matches.extractor.named_parameters():
                if "dinov2" not in name and parameter.dim() > 1:
                    parameter.mul_(1.5)

    def ours(self, folder: Path) -> MicKey:
        """Our network with the same weights, through files as they are published."""
        state = {k: v for k, v in self.model.state_dict().items() if "dinov2" not in k}
        torch.save({"state_dict": state}, folder / "random.ckpt")
        torch.save(self.dinov2_state, folder / "random_dinov2.pth")
        return load_model(folder / "random.ckpt", encoder=folder / "random_dinov2.pth", device="cpu", precision="fp32")

    def images(self, image0: Tensor, image1: Tensor) -> dict[str, Any]:
        """Keypoints, depths, scores and the correspondence probability ``final_scores`` of two images (1, 3, H, W)."""
        data = {"image0": image0, "image1": image1}
        self.model.compute_matches(data)
        data["final_scores"] = data["scores"] * data["kp_scores"]
        return data

    def pose(self, data: dict[str, Any], K: Tensor) -> tuple[Tensor, Tensor]:
        """R (3, 3), t (3,) of what ``images`` returned; K (3, 3) of both images."""
        data["K_color0"] = data["K_color1"] = K[None]
        R, t, *_ = self.solver.estimate_pose(data, return_inliers=True)
        return R[0], t[0, 0]

    def loss_step(self, batch: dict[str, Tensor]) -> float:
        """One step of the published loss, forward and backward."""
        for name in ("kps0", "kps1", "depth_kp0", "depth_kp1", "final_scores"):
            batch[name].grad = None
        loss, _, gradients, _ = self._loss(batch)
        loss.backward()
        batch["final_scores"].backward(gradients[0])
        return float(loss)
