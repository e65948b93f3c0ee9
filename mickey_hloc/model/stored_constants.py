"""Constants of a model in the attributes of a features file, so that matching and depth need no weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from mickey_hloc.errors import InputError
from mickey_hloc.model.matching import DualSoftmax

TEMPERATURE_KEY = "mickey_match_temperature"
DUSTBIN_KEY = "mickey_dustbin_score"
SOLVER_KEY = "mickey_solver"  # the name of the solver that suits the model


def stored_matcher(attributes: Mapping[str, object]) -> DualSoftmax | None:
    """The matcher (Eq. 3) that a features file describes; None where it does not, as hloc's own files.

    Raises:
        InputError: it does, with values that are no numbers.
    """
    temperature, dustbin = attributes.get(TEMPERATURE_KEY), attributes.get(DUSTBIN_KEY)
    if temperature is None or dustbin is None:
        return None
    for key, value in ((TEMPERATURE_KEY, temperature), (DUSTBIN_KEY, dustbin)):
        if not (isinstance(value, (int, float)) and math.isfinite(value)) or (key == TEMPERATURE_KEY and value <= 0):
            raise InputError(f"The features file's attribute '{key}' is {value!r}, no number that a matcher can use.")
    matcher = DualSoftmax(float(temperature))  # type: ignore[arg-type]
    matcher.load_state_dict({"dustbin_score": torch.tensor(float(dustbin))})  # type: ignore[arg-type]
    return matcher.requires_grad_(False).eval()
