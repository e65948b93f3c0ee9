"""The published weights of timm's networks, off its place on the Hugging Face hub."""

from __future__ import annotations

import os
import sys

from torch import Tensor

from mickey_hloc.model.encoders.timm import TimmOptions, create_network
from mickey_hloc.weights.foreign import loading
from mickey_hloc.weights.named import resolve
from mickey_hloc.weights.state_file import load_state_file


def timm_weights(options: TimmOptions, source: str | os.PathLike[str] | None = None) -> dict[str, Tensor]:
    """The parameters of a ``TimmEncoder``.

    Args:
        options: which network.
        source: a file with timm's names, or ``hf:owner/name``; None = those that timm publishes, downloaded at first
            use (HF_HOME, HF_HUB_OFFLINE and HF_ENDPOINT count).

    Raises:
        WeightsError: there are none, or no way to them.
        InputError: timm has no such network.
    """
    if source is not None:
        state = load_state_file(resolve(source))
        network = create_network(options)
        with loading(f"The encoder {options.name} from {source}"):
            network.load_state_dict(state)
    else:
        with loading(f"The encoder {options.name} of timm"):
            network = create_network(options, pretrained=True)
        licence = network.pretrained_cfg.get("license")  # type: ignore[union-attr, operator]
        print(f"{options.name}: weights of timm, licence {licence or 'not stated'}", file=sys.stderr)
    return {f"network.{name}": value for name, value in network.state_dict().items()}
