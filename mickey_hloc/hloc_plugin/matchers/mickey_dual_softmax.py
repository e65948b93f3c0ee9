"""hloc matcher ``mickey`` under a name free in every host: imcui.hloc has its own ``matchers/mickey.py``."""

from mickey_hloc.hloc_plugin.adapters import DualSoftmaxMatching

from ..utils.base_model import BaseModel


class MicKeyDualSoftmax(DualSoftmaxMatching, BaseModel):
    pass
