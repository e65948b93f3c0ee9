"""The device that networks run on, or a sentence that says why it cannot be used."""

from __future__ import annotations

import textwrap

import torch

from mickey_hloc.errors import InputError


def default_device() -> str:
    """The GPU where there is one, else the CPU; the same choice as hloc's."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def usable_device(name: str | torch.device | None) -> torch.device:
    """A device by name; the default where None.

    Raises:
        InputError: no such device, or not on this machine.
    """
    try:
        device = torch.device(name or default_device())
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError, AttributeError) as error:
        reason = textwrap.shorten(str(error).split(". ")[0], 120, placeholder=" ...")
        raise InputError(f"The device '{name}' cannot be used here ({reason}); choose cpu, or leave it out.") from error
    return device
