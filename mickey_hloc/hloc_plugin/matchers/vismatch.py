"""hloc matcher ``vismatch``: any matcher of the vismatch package, image pairs in, for hloc's ``match_dense``.

This folder is appended to the host's ``matchers`` (see ``hloc_plugin``), so the relative import finds its base.
"""

from typing import ClassVar

from mickey_hloc.hloc_plugin.adapters import check_conf, load_vismatch, vismatch_pair

from ..utils.base_model import BaseModel


class VisMatch(BaseModel):
    default_conf: ClassVar = {"matcher": "sift-nn", "max_num_keypoints": 2048}
    required_inputs: ClassVar = ["image0", "image1"]

    def _init(self, conf):
        check_conf(conf, self.default_conf, "matcher vismatch")
        self.net = load_vismatch(conf["matcher"], conf["max_num_keypoints"])

    def _forward(self, data):
        return vismatch_pair(self.net, data["image0"][0], data["image1"][0])
