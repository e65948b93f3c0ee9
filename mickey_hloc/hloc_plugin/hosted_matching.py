"""Any matcher of an installed hloc, of features or of images; vismatch's come through the adapter we register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from mickey_hloc.errors import InputError
from mickey_hloc.hloc_plugin.models import default_device, load_hloc_model
from mickey_hloc.matching.base import FeatureMatcher, ImageMatcher, StoredFeatures


@dataclass(frozen=True)
class HostedOptions:
    """Attributes: host: the hloc package. model: ``model`` of one of its confs. device: default: the GPU, if any."""

    host: str = "hloc"
    model: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None

    def load(self) -> nn.Module:
        """The model."""
        return load_hloc_model(self.host, "matchers", self.model, self.device)

    def identity(self) -> dict[str, Any]:
        """Host and model; the device decides nothing."""
        return {"host": self.host, "model": dict(self.model)}


class HostedFeatureMatcher(FeatureMatcher):
    """A matcher of hloc's ``match_features``: gets what hloc gives it, every dataset suffixed 0 and 1."""

    Options = HostedOptions

    @cached_property
    def model(self) -> nn.Module:
        """The model, loaded when first asked for."""
        return self.options.load()

    def match(self, features0: StoredFeatures, features1: StoredFeatures) -> tuple[Tensor, Tensor]:
        n0 = features0["keypoints"].shape[0]
        if 0 in (n0, features1["keypoints"].shape[0]):  # not all models can
            return torch.full((n0,), -1, dtype=torch.int64), torch.zeros(n0)
        device = self.options.device or default_device()
        data = {}
        for side, features in ((0, features0), (1, features1)):
            width, height = (int(x) for x in features["image_size"])
            data[f"image{side}"] = torch.empty(1, 1, height, width)  # only its size is looked at
            arrays = {key: value for key, value in features.items() if key != "image_size"}
            data |= {f"{key}{side}": value[None].to(device) for key, value in arrays.items()}
            data[f"image_size{side}"] = features["image_size"][None].to(device)
        try:
            with torch.inference_mode():
                found = self.model(data)
        except AssertionError as error:
            raise InputError(f"Matcher {self.options.model['name']} cannot use these features: {error}.") from error
        matches0 = found["matches0"][0].long().cpu()
        scores0 = found["matching_scores0"][0].float().cpu() if "matching_scores0" in found else (matches0 >= 0).float()
        return matches0, scores0

    def identity(self) -> dict[str, Any]:
        return self.options.identity()


class HostedImageMatcher(ImageMatcher):
    """A matcher of hloc's ``match_dense``."""

    Options = HostedOptions

    @cached_property
    def model(self) -> nn.Module:
        """The model, loaded when first asked for."""
        return self.options.load()

    def match(self, image0: Tensor, image1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        device = self.options.device or default_device()
        with torch.inference_mode():
            found = self.model({"image0": image0[None].to(device), "image1": image1[None].to(device)})
        keypoints0, keypoints1 = (found[f"keypoints{side}"].float().cpu() for side in (0, 1))
        return keypoints0, keypoints1, found["scores"].float().cpu()

    def identity(self) -> dict[str, Any]:
        return self.options.identity()
