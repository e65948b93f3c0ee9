"""The problems of stored pairs: features, matches, depths and intrinsics are read from files."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

import torch

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.features import FeatureFile
from mickey_hloc.io.matches import MatchFile
from mickey_hloc.io.pairs import Pair
from mickey_hloc.io.recent import Recent, near_together
from mickey_hloc.two_view.problem import Matches, ProblemBuilder, ViewData


class StoredPairs:
    """Reads what the problems of one run are made from; files stay open, views of recent images stay in memory.

    Args:
        builder: makes the views.
        features0, features1: features files of the first and the second images of the pairs; mostly the same one.
        cameras: K of each image, and its lens.
        depth: where depths come from. None: those stored with the keypoints.
        matches: the matches file, unless problems are made from descriptors.
    """

    def __init__(
        self,
        builder: ProblemBuilder,
        features0: FeatureFile,
        features1: FeatureFile,
        cameras: Cameras,
        depth: DepthSource | None = None,
        matches: MatchFile | None = None,
    ) -> None:
        self.builder = builder
        self.features = (features0, features1)
        self.cameras, self.depth, self.matches = cameras, depth, matches
        self._views: Recent[tuple[int, str], ViewData] = Recent(_bytes_of)
        self._checksums: dict[tuple[int, str], int | None] = {}
        self._lock = threading.Lock()

    def load(self, name0: str, name1: str) -> tuple[ViewData, ViewData, Matches | None, PredictedPose | None]:
        """Both views, the matches and the predicted pose of a pair; threads may call this at the same time.

        Raises:
            InputError: an image or the pair is missing in one of the files, or what they say is damaged.
        """
        with self._lock:
            views = self._view(0, name0), self._view(1, name1)
            if self.matches is None:
                return (*views, None, None)
            matches = self.matches.read(name0, name1)
            self._check_matched(self.matches, (name0, name1))
            return (*views, matches, self.matches.predicted_pose(name0, name1))

    def in_reading_order(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs in an order in which few images are read more than once."""
        if pairs:
            with contextlib.suppress(InputError):  # it is found again when the pair's turn comes
                self.load(*pairs[0])
        return near_together(pairs, self._views.room)

    def checksum(self, name0: str, name1: str) -> str:
        """A checksum of everything that the problem of a pair is made from. Raises: see ``load``."""
        return self.builder.checksum(*self.load(name0, name1))

    def _check_matched(self, matches: MatchFile, names: tuple[str, str]) -> None:
        """Refuse matches of other features than these."""
        matched = matches.features_checksums(*names)
        for side, name in enumerate(names):
            if (side, name) not in self._checksums:
                self._checksums[side, name] = self.features[side].checksum(name)
            now = self._checksums[side, name]
            if matched is not None and now is not None and now != matched[side]:
                raise InputError(
                    f"{matches.path} was made from other features than those of image '{name}' in "
                    f"{self.features[side].path}; match these features again."
                )

    def _view(self, side: int, name: str) -> ViewData:
        key = (0 if self.features[0].path == self.features[1].path else side, name)
        return self._views.get(key, lambda: self._read_view(self.features[side], name))

    def _read_view(self, file: FeatureFile, name: str) -> ViewData:
        on_descriptors = self.builder.correspondences == "descriptor_probability"
        found = file.read(name, descriptors=on_descriptors)
        camera = self.cameras.get(name, found.image_size)
        try:
            return self.builder.view(name, found, camera, self.depth)
        except InputError as error:
            raise InputError(f"{file.path}: {error}") from error


def _bytes_of(data: ViewData) -> int:
    """How much memory a view takes."""
    values = [*vars(data.view).values(), data.descriptors, data.keypoint_scores]
    return sum(value.nbytes for value in values if isinstance(value, torch.Tensor))
