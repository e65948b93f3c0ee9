"""From files to a solver's problem: features, matches, depths and intrinsics of a pair of images."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.depth import DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.features import FeatureFile, ImageFeatures
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.model.matching import DualSoftmax
from mickey_hloc.solvers import PoseProblem, View

REMEMBER = 16  # images kept in memory: a query and its references, or a frame and its neighbours, come in a row
Correspondences = Literal["matches", "match_probability", "descriptor_probability"]


@dataclass(frozen=True, eq=False)
class StoredView:
    """A view with what its descriptors say, (D, N) and (N,), where the problem is made from them."""

    view: View
    descriptors: Tensor | None = None
    keypoint_scores: Tensor | None = None


class ProblemLoader:
    """Makes the problems of one run; files stay open, views of recent images stay in memory.

    Args:
        features0, features1: features files of the first and the second images of the pairs; mostly the same one.
        cameras: K of each image, and its lens: keypoints are undistorted, their depths read where they are.
        depth: where depths come from. None: those stored with the keypoints.
        correspondences: what the problem is made from: "matches" as they are; "match_probability", the matched
            keypoints with the matches' scores as probability, for solvers that draw; or "descriptor_probability",
            MicKey's full P (Eq. 2) from stored descriptors and scores.
        matches: the matches file for the first two.
        matcher: turns descriptors into match probabilities, for the third.
        depth_maps: give dense depth along, for solvers that refine on it.
        device: where the problem's tensors are.
    """

    def __init__(
        self,
        features0: FeatureFile,
        features1: FeatureFile,
        cameras: Cameras,
        depth: DepthSource | None,
        correspondences: Correspondences,
        matches: MatchFile | None = None,
        matcher: DualSoftmax | None = None,
        depth_maps: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        self.features = (features0, features1)
        self.cameras = cameras
        self.depth = depth
        self.correspondences: Correspondences = correspondences
        self.matches = matches
        self.matcher = matcher
        self.depth_maps = depth_maps
        self.device = torch.device(device)
        self._views: OrderedDict[tuple[int, str], StoredView] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, name0: str, name1: str) -> PoseProblem:
        """The problem of a pair; threads may call this at the same time.

        Raises:
            InputError: an image or the pair is missing in one of the files, or what they say is damaged.
        """
        with self._lock:
            return self._load(name0, name1)

    def _load(self, name0: str, name1: str) -> PoseProblem:
        stored0, stored1 = self._view(0, name0), self._view(1, name1)
        if self.correspondences == "descriptor_probability":
            return PoseProblem(stored0.view, stored1.view, probability=self._probability(stored0, stored1))
        assert self.matches is not None
        matches, scores = self.matches.read(name0, name1)
        for side, (name, stored) in enumerate(((name0, stored0), (name1, stored1))):
            if len(matches) and matches[:, side].max() >= len(stored.view.keypoints):
                raise InputError(
                    f"{self.matches.path} matches keypoint {matches[:, side].max()} of image '{name}', but "
                    f"{self.features[side].path} has {len(stored.view.keypoints)}; match these features again."
                )
        indices = torch.from_numpy(matches).to(self.device)
        if self.correspondences == "match_probability":
            return _matched_only(stored0.view, stored1.view, indices, self._tensor(scores))
        return PoseProblem(stored0.view, stored1.view, matches=indices, match_scores=self._tensor(scores))

    def _view(self, side: int, name: str) -> StoredView:
        key = (0 if self.features[0].path == self.features[1].path else side, name)
        if key not in self._views:
            self._views[key] = self._make_view(self.features[side], name)
            if len(self._views) > REMEMBER:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return self._views[key]

    def _make_view(self, file: FeatureFile, name: str) -> StoredView:
        wants_descriptors = self.correspondences == "descriptor_probability"
        found = file.read(name, descriptors=wants_descriptors)
        if wants_descriptors and (found.descriptors is None or found.keypoint_scores is None):
            raise InputError(f"{file.path} has no descriptors and keypoint_scores of image '{name}'.")
        camera = self.cameras.get(name, found.image_size)
        depth_map = None
        if self.depth_maps and self.depth is not None and camera.lens is None:
            depth_map = self.depth.depth_map(name)
        view = View(
            keypoints=torch.from_numpy(camera.undistort(found.keypoints)).to(self.device),
            depths=self._depths(file, name, found).to(self.device),
            K=torch.from_numpy(camera.intrinsics.K).to(self.device, torch.float32),
            image_size=found.image_size,
            depth_map=None if depth_map is None else depth_map.to(self.device),
        )
        return StoredView(view, self._tensor(found.descriptors), self._tensor(found.keypoint_scores))

    def _depths(self, file: FeatureFile, name: str, found: ImageFeatures) -> Tensor:
        if self.depth is not None:
            return self.depth.depths(name, torch.from_numpy(found.keypoints))
        if found.depths is None:
            raise InputError(f"{file.path} has no depths of image '{name}'; name a depth source.")
        return torch.from_numpy(found.depths)

    def _probability(self, stored0: StoredView, stored1: StoredView) -> Tensor:
        assert self.matcher is not None
        descriptors = [s.descriptors for s in (stored0, stored1) if s.descriptors is not None]
        scores = [s.keypoint_scores for s in (stored0, stored1) if s.keypoint_scores is not None]
        with torch.no_grad():
            match = self.matcher(descriptors[0][None], descriptors[1][None])[0]
            return match * scores[0][:, None] * scores[1][None, :]

    def _tensor(self, values: np.ndarray | None) -> Tensor | None:
        return None if values is None else torch.from_numpy(values).to(self.device)


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


def problem_checksum(problem: PoseProblem) -> str:
    """A checksum of everything a solver sees of a problem."""
    digest = hashlib.sha256()
    tensors: Mapping[str, Tensor | None] = {
        **{f"{key}0": getattr(problem.view0, key) for key in ("keypoints", "depths", "K")},
        **{f"{key}1": getattr(problem.view1, key) for key in ("keypoints", "depths", "K")},
        "matches": problem.matches,
        "match_scores": problem.match_scores,
    }
    for key, tensor in tensors.items():
        if tensor is not None:
            digest.update(key.encode())
            digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
