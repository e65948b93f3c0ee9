"""How evidence becomes a probability: one small logistic model for each pair of feature family and solver, as json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np

from mickey_hloc.confidence.features import FEATURES, feature_vector
from mickey_hloc.confidence.uncertainty import UncertaintyModel
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.evidence import Evidence
from mickey_hloc.io.files import atomic_path
from mickey_hloc.io.json_text import parse_json

FORMAT = "mickey_hloc calibrations 2"
ANY = "any"  # the feature or solver of a fallback
AT = "@"  # between a feature family and the kind of its depth: "sift@measured"
MEASURED, CONSTANT = "measured", "constant"
_GUESS = "the depth is the same everywhere, so the distance is a guess and its probability to be right one as well"
SHIPPED = "calibrations.json"


@dataclass(frozen=True)
class Logistic:
    """A probability: sigmoid(bias + sum of weights x (value - mean) / scale).

    Attributes:
        features: names of what is weighed, see ``confidence.features``.
        means, scales, weights: one number each for every feature; weights are not negative: more evidence never makes
            a pose less probable.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def __post_init__(self) -> None:
        unknown = [name for name in self.features if name not in FEATURES]
        if unknown:
            raise InputError(f"Unknown evidence {', '.join(unknown)} in a calibration; known: {', '.join(FEATURES)}.")
        count = len(self.features)
        if not all(len(values) == count for values in (self.means, self.scales, self.weights)):
            raise InputError(f"A calibration of {count} features needs {count} means, scales and weights.")
        numbers = [*self.means, *self.scales, *self.weights, self.bias]
        if not np.isfinite(numbers).all() or min(self.scales, default=1.0) <= 0 or min(self.weights, default=0.0) < 0:
            raise InputError("A calibration has numbers that are not finite, or scales or weights below 0.")

    def logit(self, evidence: Evidence) -> float:
        """log(p / (1 - p)) of the probability."""
        values = (feature_vector(evidence, self.features) - self.means) / self.scales
        return self.bias + float(values @ np.array(self.weights))

    def probability(self, evidence: Evidence) -> float:
        """In [0, 1]."""
        return 1 / (1 + math.exp(-min(max(self.logit(evidence), -500.0), 500.0)))


@dataclass(frozen=True)
class Calibration:
    """What the evidence for a pose means, for one feature family and solver.

    Attributes:
        correct: probability that the VCRE is below 10 % of the image diagonal: the confidence.
        support: tells right poses from poses of photos that have nothing in common, as well as it can be told.
        min_support: a pose is accepted from this logit of ``support`` on.
        uncertainty: how the parts of the covariance add up.
        max_rotation_std_deg: poses are accepted up to this standard deviation of the rotation, by the residuals alone.
            Errors are up to five times as large.
        fitted_on: the data, in words.
        note: what to tell the user, e.g. that the method itself was never calibrated.
    """

    correct: Logistic
    support: Logistic
    min_support: float
    uncertainty: UncertaintyModel = field(default_factory=UncertaintyModel)
    max_rotation_std_deg: float = 2.0
    fitted_on: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.min_support) and 0 < self.max_rotation_std_deg < math.inf):
            raise InputError("A calibration has a threshold that is not finite, or not positive.")


@dataclass(frozen=True)
class Calibrations:
    """Calibrations by feature family and solver; "any" stands for all others.

    E.g. ``("small", "joint")`` for features with their own depth, ``("sift@measured", "joint")`` for others.
    """

    table: Mapping[tuple[str, str], Calibration]

    def find(self, feature: str, solver: str) -> Calibration:
        """The calibration of a method, or a conservative one with a note where the method was never calibrated.

        Args:
            feature: family of the features; behind an "@" the kind of their depth, where it is not their own.
            solver: see ``Solver.calibrated_as``.
        """
        family, _, kind = feature.partition(AT)
        exact = [(feature, solver)] if kind else [(feature, solver), (f"{feature}{AT}{MEASURED}", solver)]
        for key in exact:
            if key in self.table:
                return self.table[key]
        words = f"{family} with {solver}" + (f" on {kind} depth" if kind else "")
        note = _GUESS if kind == CONSTANT else f"the confidence was not calibrated for {words}; it is a cautious guess"
        of_kind = [(f"{ANY}{AT}{kind}", solver), (f"{ANY}{AT}{kind}", ANY)] if kind else []
        for key in (*of_kind, (ANY, solver), (ANY, ANY)):
            if key in self.table:
                return replace(self.table[key], note=note)
        raise InputError(f"No calibration of {feature} with {solver}, and none for any method.")

    def merged(self, others: Calibrations) -> Calibrations:
        """These calibrations, with those of ``others`` in place of the same methods'."""
        return Calibrations({**self.table, **others.table})


def read_calibrations(path: Path) -> Calibrations:
    """Calibrations from a json file.

    Raises:
        InputError: no such file, or not of this format.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The calibration file {path} cannot be read: {error}.") from error
    return parse_calibrations(text, str(path))


def write_calibrations(path: Path, calibrations: Calibrations) -> None:
    """Write a json file, whole or not at all."""
    entries = {f"{feature}/{solver}": asdict(c) for (feature, solver), c in sorted(calibrations.table.items())}
    with atomic_path(Path(path)) as temporary:
        text = json.dumps({"format": FORMAT, "calibrations": entries}, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


@cache
def shipped_calibrations() -> Calibrations:
    """The calibrations that come with the package, and its fallbacks."""
    text = files("mickey_hloc.confidence").joinpath(SHIPPED).read_text(encoding="utf-8")
    return parse_calibrations(text, SHIPPED)


def parse_calibrations(text: str, where: str) -> Calibrations:
    """Calibrations from the text of a json file; ``where`` is for messages.

    Raises:
        InputError: it is not of this format.
    """
    try:
        found = parse_json(text)
    except ValueError as error:
        raise InputError(f"{where} is not json ({error}); write it with `mickey-hloc calibrate`.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("calibrations"), dict):
        raise InputError(f"{where} holds no calibrations of format '{FORMAT}'; write it with `mickey-hloc calibrate`.")
    table = {}
    for name, values in found["calibrations"].items():
        feature, separator, solver = name.rpartition("/")
        if not separator or not feature or not solver:
            raise InputError(f"{where}: '{name}' is no method; expected feature/solver.")
        table[feature, solver] = _parse(values, f"{where}, {name}")
    return Calibrations(table)


_MODELS: dict[str, type] = {"correct": Logistic, "support": Logistic, "uncertainty": UncertaintyModel}


def _parse(values: Any, where: str) -> Calibration:
    checked = _checked(values, Calibration, where)
    for name, cls in _MODELS.items():
        checked[name] = _made(cls, _checked(values[name], cls, f"{where}, {name}"), f"{where}, {name}")
    return cast(Calibration, _made(Calibration, checked, where))


def _made(cls: type, values: dict[str, Any], where: str) -> Any:
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _checked(values: Any, cls: type, where: str) -> dict[str, Any]:
    """The values of a dataclass's fields, with the types that json has for them."""
    known = [field.name for field in fields(cls)]
    if not isinstance(values, dict) or set(values) != set(known):
        raise InputError(f"{where}: expected exactly {', '.join(known)}.")
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name in _MODELS:
            continue
        if name in ("features", "means", "scales", "weights"):
            kind: Any = str if name == "features" else (int, float)
            good = isinstance(value, list) and all(_is(item, kind) for item in value)
            checked[name] = tuple(value) if good else None
        else:
            good = _is(value, str if name in ("fitted_on", "note") else (int, float))
            checked[name] = value
        if not good:
            raise InputError(f"{where}: {name} is {value!r}.")
    return checked


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
