"""The contract of every depth source: the metric depth of an image at given keypoints."""

from abc import ABC, abstractmethod

from torch import Tensor


class DepthSource(ABC):
    """Metric depth at keypoints of an image. Subclasses say where it comes from."""

    @abstractmethod
    def depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        """Depth along the optical axis.

        Args:
            image_name: the image, as named in pairs and features files (a path relative to the image folder).
            keypoints: (N, 2) pixels of the original image, centre of the top-left pixel = (0, 0).

        Returns:
            (N,) metres, float32, NaN where unknown.

        Raises:
            InputError: the source has nothing for this image, or its file cannot be used.
        """

    def depth_map(self, image_name: str) -> Tensor | None:
        """(H, W) metres at the image's resolution, NaN where unknown; None where the source is not dense."""
        return None
