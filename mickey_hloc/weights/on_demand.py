"""A network of another package: loaded when first used, what is missing told in one sentence."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import nn

from mickey_hloc.model.device import usable_device
from mickey_hloc.weights.foreign import loading


class LoadedOnDemand:
    """For parts whose network another package has. A subclass defines ``_load``; its options have ``device``.

    Attributes:
        install: the command that installs what it needs.
        licence: of code and weights.
    """

    install: ClassVar[str]
    licence: ClassVar[str]
    kind: ClassVar[str]
    name: str
    options: Any

    @cached_property
    def device(self) -> torch.device:
        """Where the network runs."""
        return usable_device(self.options.device)

    @cached_property
    def model(self) -> Any:
        """The network, loaded when it is first asked for.

        Raises:
            MissingDependencyError: the package is not installed; the message has licence and install line.
            WeightsError: its weights are not there.
        """
        with loading(f"The {self.kind} {self._title} ({self.licence})", self.install):
            model = self._load()
        return model.eval().to(self.device) if isinstance(model, nn.Module) else model

    @property
    def _title(self) -> str:
        return self.name

    @abstractmethod
    def _load(self) -> Any:
        """The network; ImportError and missing weights become one sentence."""
