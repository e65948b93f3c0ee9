"""hloc matcher ``mickey``: dual softmax with dustbin, then mutual nearest neighbours.

This folder is appended to the host's ``matchers`` (see ``hloc_plugin``), so the relative import finds its base.
"""

from mickey_hloc.hloc_plugin.adapters import DualSoftmaxMatching

from ..utils.base_model import BaseModel


class MicKey(DualSoftmaxMatching, BaseModel):
    pass
