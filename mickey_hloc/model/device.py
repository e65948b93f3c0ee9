"""The device that networks run on where none is named."""

import torch


def default_device() -> str:
    """The GPU where there is one, else the CPU; the same choice as hloc's."""
    return "cuda" if torch.cuda.is_available() else "cpu"
