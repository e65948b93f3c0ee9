"""Model weights: from a name or a file to a model that is ready to run.

- ``table``: the named weights, their licences and where they are published; ``named``: cache, download, checksum.
- ``metadata``: what a model's file says about itself (training size and focal length, suitable solver), off its header.
- ``checkpoints``: loading models, and our own format; ``published``: the format of the published MicKey.
- ``state_file``: torch files that nobody vouches for; ``disk``: the weights of the DISK encoder.
- ``foreign``: models of other libraries that bring their own weights.
- ``describe``: what a file holds, for ``mickey-hloc weights info``; ``download``: one file over HTTP.
- ``small.safetensors``: the bundled model, and ``small.md``, its card.

What is exported here is loaded when first asked for: names and metadata need no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mickey_hloc.weights.checkpoints import load_matcher as load_matcher
    from mickey_hloc.weights.checkpoints import load_model as load_model
    from mickey_hloc.weights.checkpoints import save_model as save_model
    from mickey_hloc.weights.metadata import ModelMetadata as ModelMetadata
    from mickey_hloc.weights.metadata import read_metadata as read_metadata
    from mickey_hloc.weights.named import resolve as resolve
    from mickey_hloc.weights.published import save_published as save_published
    from mickey_hloc.weights.table import NAMES as NAMES
    from mickey_hloc.weights.table import WEIGHTS as WEIGHTS

_EXPORTS = {
    "NAMES": "table",
    "WEIGHTS": "table",
    "ModelMetadata": "metadata",
    "load_matcher": "checkpoints",
    "load_model": "checkpoints",
    "read_metadata": "metadata",
    "resolve": "named",
    "save_model": "checkpoints",
    "save_published": "published",
}
__all__ = [
    "NAMES",
    "WEIGHTS",
    "ModelMetadata",
    "load_matcher",
    "load_model",
    "read_metadata",
    "resolve",
    "save_model",
    "save_published",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'mickey_hloc.weights' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mickey_hloc.weights.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
