"""Walks through rendered rooms with depth in memory, true or spoilt in known ways."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pycolmap
import torch
from torch import Tensor

from mickey_hloc.datasets.room_models import room_model
from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.sampling import sample_depth_map
from mickey_hloc.errors import InputError
from mickey_hloc.rooms import RenderedView, Room
from mickey_hloc.rooms.walk import sample_walk


@lru_cache(maxsize=4)
def walk(seed: int = 3, num_views: int = 10) -> tuple[tuple[RenderedView, ...], Room]:
    """Small views of a walk, and the room."""
    views, room = sample_walk(seed, num_views, (160, 120))
    return tuple(views), room


def names(views: tuple[RenderedView, ...]) -> list[str]:
    return [f"{number:03d}.png" for number in range(len(views))]


def model_of(views: tuple[RenderedView, ...], **how) -> pycolmap.Reconstruction:
    return room_model(views, names(views), **how)


class MemoryDepth(DepthSource):
    """Depth maps by image name, each point and each image off by a log-normal factor, or by one of its own."""

    def __init__(
        self,
        maps: Mapping[str, np.ndarray],
        point_std: float = 0.0,
        image_std: float = 0.0,
        seed: int = 0,
        factors: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.maps, self.point_std, self.rng = maps, point_std, np.random.default_rng(seed)
        drawn = {name: float(np.exp(image_std * self.rng.normal())) for name in sorted(maps)}
        self.factors = {**drawn, **(factors or {})}

    def _depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        if image_name not in self.maps:
            raise InputError(f"No depth of image '{image_name}'.")
        depth_map = torch.from_numpy(self.maps[image_name])
        depths = sample_depth_map(depth_map, keypoints, (depth_map.shape[1], depth_map.shape[0]))
        noise = np.exp(self.point_std * self.rng.normal(size=len(depths)))
        return depths * self.factors[image_name] * torch.from_numpy(noise).float()


def true_depth(views: tuple[RenderedView, ...], **how) -> MemoryDepth:
    return MemoryDepth({name: view.depth for name, view in zip(names(views), views, strict=True)}, **how)
