"""hloc extractor ``mickey``: metric keypoints, their depths, scores and descriptors.

This folder is appended to the host's ``extractors`` (see ``hloc_plugin``), so the relative import finds its base.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from mickey_hloc.features.mickey import DEFAULT_WEIGHTS
from mickey_hloc.hloc_plugin.adapters import checked_conf, hloc_features
from mickey_hloc.weights.checkpoints import load_model

from ..utils.base_model import BaseModel


@dataclass(frozen=True)
class Options:
    weights: str = DEFAULT_WEIGHTS
    encoder: str | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"


class MicKey(BaseModel):
    default_conf: ClassVar = vars(Options())
    required_inputs: ClassVar = ["image"]

    def _init(self, conf):
        options = checked_conf(Options, conf, "extractor mickey")
        self.net = load_model(options.weights, encoder=options.encoder, precision=options.precision)

    def _forward(self, data):
        return hloc_features(self.net(data["image"]))
