"""Lengths that somebody knows, as evidence for the scale: in a photo, between two cameras, of a rig."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pycolmap

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.errors import InputError
from mickey_hloc.metric.evidence import ScaleEvidence
from mickey_hloc.metric.measuring import MODEL_STD, Length, MeasureOptions, camera_distance, measure

KNOWN_STD = 0.002  # share of a length that a tape measure is off


@dataclass(frozen=True)
class KnownLength:
    """A length between two pixels (x0, y0, x1, y1) of an image, pixel centres at integers, that is known in metres."""

    image: str
    pixels: tuple[float, float, float, float]
    metres: float

    def __post_init__(self) -> None:
        _check_metres(self.metres, f"the known length in '{self.image}'")

    def evidence(
        self, model: pycolmap.Reconstruction, options: MeasureOptions | None = None, depth: DepthSource | None = None
    ) -> ScaleEvidence:
        """What it says of the scale.

        Raises:
            InputError: see ``measure``.
        """
        found = measure(model, self.image, np.array(self.pixels).reshape(2, 2), options, depth)
        return _evidence("known length", f"{self.metres:g} m in {self.image}", self.metres, found)


@dataclass(frozen=True)
class KnownDistance:
    """A distance in metres between the cameras of two images."""

    image0: str
    image1: str
    metres: float

    def __post_init__(self) -> None:
        _check_metres(self.metres, f"the known distance of '{self.image0}' and '{self.image1}'")

    def evidence(self, model: pycolmap.Reconstruction) -> ScaleEvidence:
        """What it says of the scale.

        Raises:
            InputError: an image is not in the model, or the cameras stand at one place.
        """
        found = camera_distance(model, self.image0, self.image1)
        return _evidence("known distance", f"{self.metres:g} m of {self.image0} and {self.image1}", self.metres, found)


@dataclass(frozen=True)
class RigBaseline:
    """A distance in metres between two cameras of a rig, by their ids in the model."""

    camera0: int
    camera1: int
    metres: float

    def __post_init__(self) -> None:
        _check_metres(self.metres, f"the baseline of cameras {self.camera0} and {self.camera1}")

    def evidence(self, model: pycolmap.Reconstruction) -> ScaleEvidence:
        """What it says of the scale.

        Raises:
            InputError: no rig of the model has both cameras, or they stand at one place.
        """
        for rig in model.rigs.values():
            sensors = {sensor.id: sensor for sensor in rig.sensor_ids()}
            if self.camera0 == self.camera1 or not {self.camera0, self.camera1} <= set(sensors):
                continue
            places = [_place_in_rig(rig, sensors[i]) for i in (self.camera0, self.camera1)]
            length = float(np.linalg.norm(places[1] - places[0]))
            found = Length(length, MODEL_STD * length, np.array(places), "the rig", 0)
            what = f"{self.metres:g} m of cameras {self.camera0} and {self.camera1}"
            return _evidence("rig", what, self.metres, found)
        rigs = "; ".join(
            ", ".join(str(sensor.id) for sensor in rig.sensor_ids()) for rig in list(model.rigs.values())[:5]
        )
        raise InputError(f"No rig of the model has the cameras {self.camera0} and {self.camera1} (rigs: {rigs}).")


def _place_in_rig(rig: pycolmap.Rig, sensor: pycolmap.sensor_t) -> np.ndarray:
    if rig.is_ref_sensor(sensor):
        return np.zeros(3)
    sensor_from_rig = rig.sensor_from_rig(sensor)
    if sensor_from_rig is None:
        raise InputError(f"The model does not say where camera {sensor.id} is in its rig.")
    return np.asarray(sensor_from_rig.inverse().translation)


def _evidence(kind: str, what: str, metres: float, found: Length) -> ScaleEvidence:
    if not found.length > 0:
        raise InputError(f"The {kind} of {what} is 0 in the model; it says nothing of the scale.")
    log_std = math.hypot(found.std / found.length, KNOWN_STD)
    return ScaleEvidence(
        kind, what, math.log(metres / found.length), log_std, f"{found.length:.5g} units by {found.surface}"
    )


def _check_metres(metres: float, what: str) -> None:
    if not (math.isfinite(metres) and metres > 0):
        raise InputError(f"{what[0].upper()}{what[1:]} is {metres:g} m; it must be a positive number of metres.")
