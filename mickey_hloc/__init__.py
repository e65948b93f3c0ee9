"""MicKey metric keypoints as a citizen of hloc.

What users import from here is loaded when first asked for, so that ``import mickey_hloc`` stays light.
"""

import importlib
import zlib  # before pycolmap, which exports its own zlib: the system's, loaded later, would call that and crash
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
assert zlib

if TYPE_CHECKING:
    from mickey_hloc.datasets.example import load_example as load_example
    from mickey_hloc.geometry.relative_pose import RelativePose as RelativePose
    from mickey_hloc.hloc_plugin import register as register
    from mickey_hloc.model.mickey import MetricKeypoints as MetricKeypoints
    from mickey_hloc.model.mickey import MicKey as MicKey
    from mickey_hloc.two_view.estimator import TwoViewEstimator as TwoViewEstimator
    from mickey_hloc.two_view.estimator import estimate_relative_pose as estimate_relative_pose
    from mickey_hloc.two_view.method import Method as Method
    from mickey_hloc.two_view.result import Photo as Photo
    from mickey_hloc.weights.checkpoints import load_model as load_model

_EXPORTS = {
    "register": "mickey_hloc.hloc_plugin",
    "load_example": "mickey_hloc.datasets.example",
    "load_model": "mickey_hloc.weights.checkpoints",
    "Method": "mickey_hloc.two_view.method",
    "MetricKeypoints": "mickey_hloc.model.mickey",
    "MicKey": "mickey_hloc.model.mickey",
    "RelativePose": "mickey_hloc.geometry.relative_pose",
    "Photo": "mickey_hloc.two_view.result",
    "TwoViewEstimator": "mickey_hloc.two_view.estimator",
    "estimate_relative_pose": "mickey_hloc.two_view.estimator",
}
__all__ = [
    "Method",
    "MetricKeypoints",
    "MicKey",
    "Photo",
    "RelativePose",
    "TwoViewEstimator",
    "estimate_relative_pose",
    "load_example",
    "load_model",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'mickey_hloc' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
