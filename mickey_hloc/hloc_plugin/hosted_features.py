"""Any extractor of an installed hloc as a local extractor: its numbers, our crash-safe features file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mickey_hloc.features.base import LocalExtractor
from mickey_hloc.hloc_plugin.models import default_device, load_hloc_model


@dataclass(frozen=True)
class HostedOptions:
    """Attributes: host: the hloc package. model: ``model`` of one of its confs. device: default: the GPU, if any."""

    host: str = "hloc"
    model: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None


class HostedExtractor(LocalExtractor):
    """Whatever the model returns for an image is stored; images run one by one, as in hloc."""

    Options = HostedOptions
    datasets: ClassVar[frozenset[str]] = frozenset({"descriptors"})

    @cached_property
    def model(self) -> nn.Module:
        """The model, loaded when first asked for."""
        o: HostedOptions = self.options
        return load_hloc_model(o.host, "extractors", o.model, o.device)

    def extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        device = self.options.device or default_device()
        with torch.inference_mode():
            found = [self.model({"image": image[None].to(device)}) for image in images]
        return [{key: value[0].float().cpu().numpy() for key, value in arrays.items()} for arrays in found]

    def identity(self) -> dict[str, Any]:
        return {"host": self.options.host, "model": dict(self.options.model)}
