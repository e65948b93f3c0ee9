"""hloc extractor ``mickey``: metric keypoints, their depths, scores and descriptors.

This folder is appended to the host's ``extractors`` (see ``hloc_plugin``), so the relative import finds its base.
"""

from typing import ClassVar

from mickey_hloc.confs import DEFAULT_WEIGHTS
from mickey_hloc.hloc_plugin.adapters import check_conf, hloc_features
from mickey_hloc.weights.checkpoints import load_model

from ..utils.base_model import BaseModel


class MicKey(BaseModel):
    default_conf: ClassVar = {"weights": DEFAULT_WEIGHTS, "encoder": None, "precision": "auto"}
    required_inputs: ClassVar = ["image"]

    def _init(self, conf):
        check_conf(conf, self.default_conf, "extractor mickey")
        self.net = load_model(conf["weights"], encoder=conf["encoder"], precision=conf["precision"])

    def _forward(self, data):
        return hloc_features(self.net(data["image"]))
