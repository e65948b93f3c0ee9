"""What speaks for a pose, how probable it is to be right, and whether it is accepted."""

from mickey_hloc.confidence.acceptance import AcceptanceOptions, Policy, accept, in_words, strength
from mickey_hloc.confidence.calibration import (
    Calibration,
    Calibrations,
    Logistic,
    read_calibrations,
    shipped_calibrations,
    write_calibrations,
)

__all__ = [
    "AcceptanceOptions",
    "Calibration",
    "Calibrations",
    "Logistic",
    "Policy",
    "accept",
    "in_words",
    "read_calibrations",
    "shipped_calibrations",
    "strength",
    "write_calibrations",
]
