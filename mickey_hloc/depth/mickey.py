"""MicKey's own depth: exact at its keypoints, interpolated between them for keypoints of any other method."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.dense import require_positive
from mickey_hloc.depth.sampling import pixel_grid, resize_depth_map
from mickey_hloc.depth.scattered import interpolate_depths, typical_spacing
from mickey_hloc.errors import InputError
from mickey_hloc.io.checksum import sha256
from mickey_hloc.io.features import TRAINING_FOCAL_KEY, FeatureFile, LearnedFocal
from mickey_hloc.io.images import read_image_size
from mickey_hloc.io.json_text import parse_json
from mickey_hloc.io.origin import ORIGIN_KEY
from mickey_hloc.registry import CheckedOptions


@dataclass(frozen=True)
class MickeyOptions(CheckedOptions):
    """Attributes: max_distance_px: farther from every usable keypoint depth is unknown; None: twice their spacing."""

    max_distance_px: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_distance_px is not None:
            require_positive(self, "max_distance_px")


@dataclass(frozen=True, eq=False)
class DepthSamples:
    """What MicKey says of one image.

    Attributes:
        keypoints: (M, 2) pixels.
        depths: (M,) metres.
        image_size: (width, height), where known.
        learned_focal: at which focal length the depths were learned, where known.
    """

    keypoints: Tensor
    depths: Tensor
    image_size: tuple[int, int] | None = None
    learned_focal: LearnedFocal | None = None


class MickeyDepth(DepthSource):
    """Depths stored with the keypoints of a features file, or given in memory by image name.

    The map is as fine as the keypoints stored: a file with all of MicKey's cells gives its whole low-resolution map.
    """

    Options: ClassVar[type] = MickeyOptions
    options: MickeyOptions

    def __init__(
        self,
        source: str | Path | Mapping[str, DepthSamples] = "",
        /,
        image_dir: Path | None = None,
        features: Path | None = None,
        **options: Any,
    ) -> None:
        argument = "" if isinstance(source, Mapping) else str(source)
        super().__init__(argument, image_dir=image_dir, features=features, **options)
        if isinstance(source, Mapping):
            self.source: Path | Mapping[str, DepthSamples] = source
        elif argument or self.features is not None:
            self.source = Path(argument) if argument else Path(str(self.features))
        else:
            raise self._needs("a features file of MicKey: write mickey:<features.h5>")

    def _made_with(self, **options: Any) -> MickeyDepth:
        source = self.source if isinstance(self.source, Mapping) else self.argument
        made = type(self)(source, image_dir=self.image_dir, features=self.features, **options)
        made.spec = self.spec
        return made

    @property
    def training_focal_px(self) -> float | None:
        if isinstance(self.source, Mapping):
            found = {samples.learned_focal for samples in self.source.values()} - {None}
            return found.pop().training_focal_px if len(found) == 1 else None  # type: ignore[union-attr]
        with FeatureFile(self.source) as file:
            told = file.attributes.get(TRAINING_FOCAL_KEY)
        return None if told is None else float(told)  # type: ignore[arg-type]

    def learned_focal(self, image_name: str) -> LearnedFocal | None:
        return self._samples(image_name).learned_focal

    def _depths(self, image_name: str, keypoints: Tensor) -> Tensor:
        return self._at(self._samples(image_name), keypoints)

    def _at(self, samples: DepthSamples, keypoints: Tensor) -> Tensor:
        return interpolate_depths(samples.keypoints, samples.depths, keypoints, self.options.max_distance_px)

    def _depth_map(self, image_name: str) -> Tensor | None:
        samples = self._samples(image_name)
        size = samples.image_size
        if size is None and self.image_dir is not None:
            size = read_image_size(self.image_path(image_name))
        if size is None:
            return None
        # Some places between two samples are enough: finer ones come from a bilinear step, much faster.
        step = max(1, int(min(typical_spacing(samples.keypoints), max(size)) // 6))
        coarse = (max(1, round(size[0] / step)), max(1, round(size[1] / step)))
        scale = torch.tensor(size) / torch.tensor(coarse)
        places = pixel_grid(coarse) * scale + (scale - 1) / 2  # centres of pixels are at integers in both
        coarse_map = self._at(samples, places).reshape(coarse[1], coarse[0])
        return resize_depth_map(coarse_map, size)

    def image_names(self) -> list[str] | None:
        if isinstance(self.source, Mapping):
            return sorted(self.source)
        with FeatureFile(self.source) as file:
            return file.names()

    def _argument_identity(self) -> Any:
        if isinstance(self.source, Mapping):
            return {"sha256": _checksum(self.source)}
        with FeatureFile(self.source) as file:
            origin = file_origin(file)
        # A file that says how it was made may get more images without changing the depth of those it has.
        return {"sha256": sha256(self.source)} if origin is None else {"origin": origin}

    def _samples(self, image_name: str) -> DepthSamples:
        if not isinstance(self.source, Mapping):
            return read_depth_samples(self.source, image_name)
        if image_name not in self.source:
            raise InputError(f"No MicKey keypoints for image '{image_name}'; run the model on it first.")
        return self.source[image_name]


def file_origin(file: FeatureFile) -> Any:
    """What a features file says of its making, as plain values; None where it says nothing, as hloc's do."""
    told = file.attributes.get(ORIGIN_KEY)
    if not isinstance(told, str):
        return None
    try:
        return parse_json(told)
    except ValueError:
        return told


def _checksum(samples: Mapping[str, DepthSamples]) -> str:
    digest = hashlib.sha256()
    for name in sorted(samples):
        found = samples[name]
        digest.update(f"{name} {found.image_size} {len(found.depths)}\n".encode())
        digest.update(found.keypoints.cpu().numpy().tobytes() + found.depths.cpu().numpy().tobytes())
    return digest.hexdigest()


def read_depth_samples(path: Path, image_name: str) -> DepthSamples:
    """Keypoints with depths of one image from a features file (HDF5, hloc's layout).

    Raises:
        InputError: no such file or image, or the features have no depths.
    """
    with FeatureFile(path) as file:
        features = file.read(image_name)
    if features.depths is None:
        raise InputError(
            f"{path} has no depths for image '{image_name}'; only MicKey's features carry depth, choose such a file or "
            "another depth source."
        )
    return DepthSamples(
        torch.from_numpy(features.keypoints),
        torch.from_numpy(features.depths),
        features.image_size,
        features.learned_focal,
    )
