"""hloc matcher ``vismatch``: any matcher of the vismatch package, image pairs in, for hloc's ``match_dense``.

This folder is appended to the host's ``matchers`` (see ``hloc_plugin``), so the relative import finds its base.
"""

from dataclasses import dataclass
from typing import ClassVar

from mickey_hloc.hloc_plugin.adapters import checked_conf, dense_matches, load_dense

from ..utils.base_model import BaseModel


@dataclass(frozen=True)
class Options:
    matcher: str = "sift-nn"
    max_num_keypoints: int = 2048


class VisMatch(BaseModel):
    default_conf: ClassVar = vars(Options())
    required_inputs: ClassVar = ["image0", "image1"]

    def _init(self, conf):
        options = checked_conf(Options, conf, "matcher vismatch")
        self.net = load_dense(options.matcher, options.max_num_keypoints)

    def _forward(self, data):
        return dense_matches(self.net, data["image0"][0], data["image1"][0])
