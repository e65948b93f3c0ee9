"""From features, cameras, depths and matches to a solver's problem: the one place where it is put together.

Photos in memory, stored files and training's validation all come through here.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.cameras import Camera
from mickey_hloc.io.features import ImageFeatures
from mickey_hloc.model.device import usable_device
from mickey_hloc.model.focal import focal_note, focal_ratio
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.solvers import PoseProblem, Solver, View

Correspondences = Literal["matches", "match_probability", "descriptor_probability"]
Matches = tuple[np.ndarray, np.ndarray | None]  # (M, 2) keypoint indices, and scores (M,) where there are some


def correspondences_for(solver: Solver, on_descriptors: bool) -> Correspondences:
    """What a solver's problems are made from.

    Returns:
        "matches" as they are; "match_probability": the matched keypoints with the matches' scores as probability, for
        solvers that draw; or "descriptor_probability": MicKey's full P (Eq. 2) from descriptors and scores.

    Raises:
        InputError: the solver cannot use descriptors.
    """
    if on_descriptors and solver.needs != "probability":
        raise InputError(f"Solver '{solver.name}' needs matches; set correspondences to matches.")
    if on_descriptors:
        return "descriptor_probability"
    return "matches" if solver.needs == "matches" else "match_probability"


@dataclass(frozen=True, eq=False)
class ViewData:
    """A view, by its image's name, and what its descriptors say, (D, N) and (N,), where problems are made from them.

    A pose of a view whose focal length is a guess has half the confidence.
    """

    name: str
    view: View
    descriptors: Tensor | None = None
    keypoint_scores: Tensor | None = None
    focal_is_guessed: bool = False

    @cached_property
    def digest(self) -> bytes:
        """A checksum of every tensor, and of whether K is a guess."""
        v = self.view
        tensors = (v.keypoints, v.depths, v.K, v.depth_map, self.descriptors, self.keypoint_scores)
        guess = (torch.tensor(True),) if self.focal_is_guessed else ()
        return _digest([*tensors, torch.tensor(v.image_size or ()), *guess])


class ProblemBuilder:
    """Makes the problems of one method.

    Args:
        correspondences: see ``correspondences_for``.
        dual_softmax: turns descriptors into match probabilities (Eq. 3), for "descriptor_probability".
        depth_maps: give dense depth along, for solvers that refine on it.
        focal_correction: "depth" multiplies MicKey's depth by f / f_train; with "none" a UserWarning says by how much
            depth will be off where f differs.
        device: where the problem's tensors are.
    """

    def __init__(
        self,
        correspondences: Correspondences,
        dual_softmax: DualSoftmax | None = None,
        depth_maps: bool = False,
        focal_correction: str = "none",
        device: str | torch.device = "cpu",
    ) -> None:
        self.correspondences: Correspondences = correspondences
        self.device = usable_device(device)
        self.dual_softmax = None if dual_softmax is None else dual_softmax.to(self.device)
        self.depth_maps, self.focal_correction = depth_maps, focal_correction

    def view(self, name: str, features: ImageFeatures, camera: Camera, depth: DepthSource | None = None) -> ViewData:
        """One image's part of its problems: keypoints undistorted, depths read where they are in the image.

        Args:
            name: by which the depth source knows the image.
            depth: None: the depths of the features.

        Raises:
            InputError: the features lack something, or the source has no depth for this image.
        """
        on_descriptors = self.correspondences == "descriptor_probability"
        if on_descriptors and (features.descriptors is None or features.keypoint_scores is None):
            raise InputError(f"no descriptors and keypoint_scores of image '{name}'; extract MicKey's features")
        dense = self.depth_maps and depth is not None and camera.lens is None
        depth_map = depth.depth_map(name) if dense and depth is not None else None
        view = View(
            keypoints=torch.from_numpy(camera.undistort(features.keypoints)).to(self.device),
            depths=self._depths(name, features, camera, depth).to(self.device),
            K=torch.from_numpy(camera.intrinsics.K).to(self.device, torch.float32),
            image_size=features.image_size,
            depth_map=None if depth_map is None else depth_map.to(self.device),
        )
        kept = (features.descriptors, features.keypoint_scores) if on_descriptors else (None, None)
        descriptors, scores = (None if a is None else torch.from_numpy(a).to(self.device) for a in kept)
        return ViewData(name, view, descriptors, scores, camera.is_guess)

    def problem(
        self,
        data0: ViewData,
        data1: ViewData,
        matches: Matches | None = None,
        prediction: PredictedPose | None = None,
    ) -> PoseProblem:
        """The problem of a pair; ``matches`` unless it is made from descriptors, and the pose a network predicts.

        Raises:
            InputError: the matches name keypoints that are not there.
        """
        if self.correspondences == "descriptor_probability":
            return PoseProblem(data0.view, data1.view, probability=self._probability(data0, data1))
        assert matches is not None
        indices, scores = matches
        for side, data in enumerate((data0, data1)):
            count = len(data.view.keypoints)
            if len(indices) and indices[:, side].max() >= count:
                raise InputError(
                    f"the matches file matches keypoint {indices[:, side].max()} of image '{data.name}', which has "
                    f"{count} keypoints; match these features again."
                )
        order = np.lexsort((indices[:, 1], indices[:, 0]))  # whichever image was matched to which
        matched = torch.from_numpy(indices[order]).to(self.device)
        kept = None if scores is None else torch.from_numpy(scores[order]).to(self.device)
        if self.correspondences == "match_probability":
            return _matched_only(data0.view, data1.view, matched, kept)
        return PoseProblem(data0.view, data1.view, matches=matched, match_scores=kept, prediction=prediction)

    def checksum(
        self,
        data0: ViewData,
        data1: ViewData,
        matches: Matches | None = None,
        prediction: PredictedPose | None = None,
    ) -> str:
        """A checksum of everything that the problem of a pair is made from."""
        digest = hashlib.sha256(data0.digest + data1.digest)
        if matches is not None:
            digest.update(_digest(None if m is None else torch.from_numpy(np.ascontiguousarray(m)) for m in matches))
        if prediction is not None:
            digest.update(b"".join(np.ascontiguousarray(value).tobytes() for value in prediction.arrays().values()))
        if self.dual_softmax is not None:
            digest.update(f"{self.dual_softmax.temperature} {self.dual_softmax.dustbin_score.item()}".encode())
        return digest.hexdigest()

    def _depths(self, name: str, features: ImageFeatures, camera: Camera, depth: DepthSource | None) -> Tensor:
        if depth is not None:
            depths, learned = depth.depths(name, torch.from_numpy(features.keypoints)), depth.learned_focal(name)
        elif features.depths is None:
            raise InputError(f"no depths with the features of image '{name}'; name a depth source")
        else:
            depths, learned = torch.from_numpy(features.depths), features.learned_focal
        if learned is None:
            return depths
        K = camera.intrinsics.K
        ratio = focal_ratio(float(K[0, 0] + K[1, 1]) / 2, learned.training_focal_px, learned.network_scale)
        if ratio is None or self.focal_correction == "resize":
            return depths
        if self.focal_correction == "depth":
            return depths * ratio
        note = focal_note(ratio, learned.training_focal_px)
        if note is not None:
            warnings.warn(note, UserWarning, stacklevel=2)
        return depths

    def _probability(self, data0: ViewData, data1: ViewData) -> Tensor:
        """P(y_ij) of Eq. 2: match probability times both scores."""
        assert self.dual_softmax is not None
        assert data0.descriptors is not None
        assert data1.descriptors is not None
        assert data0.keypoint_scores is not None
        assert data1.keypoint_scores is not None
        with torch.no_grad():
            match = self.dual_softmax(data0.descriptors[None], data1.descriptors[None])[0]
            return match * data0.keypoint_scores[:, None] * data1.keypoint_scores[None, :]


def _matched_only(view0: View, view1: View, matches: Tensor, scores: Tensor | None) -> PoseProblem:
    """The matched keypoints alone, and a probability that is the score of the match and 0 off the matches."""
    kept, parts = [], []
    for side, view in enumerate((view0, view1)):
        used, position = torch.unique(matches[:, side], return_inverse=True)
        kept.append(replace(view, keypoints=view.keypoints[used], depths=view.depths[used]))
        parts.append(position)
    values = torch.ones(len(matches), device=matches.device) if scores is None else scores.float()
    probability = torch.zeros(len(kept[0].keypoints), len(kept[1].keypoints), device=matches.device)
    probability[parts[0], parts[1]] = values
    return PoseProblem(kept[0], kept[1], probability=probability)


def _digest(tensors: Iterable[Tensor | None]) -> bytes:
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            digest.update(b"none")
        else:
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()
