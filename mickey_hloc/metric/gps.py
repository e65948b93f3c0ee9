"""Positions of the cameras in metres, from GPS or a file, as evidence for the scale and to turn the model upright."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from PIL import ExifTags, Image

from mickey_hloc.depth.base import image_path
from mickey_hloc.errors import InputError
from mickey_hloc.io.text import parse_numbers, read_rows
from mickey_hloc.metric.evidence import Z95, ScaleEvidence
from mickey_hloc.metric.measuring import MODEL_STD
from mickey_hloc.metric.robust import OUTLIER_STDS, t_quantile

_TRIPLES = 300
MIN_POSITIONS = 3
POOR_FIT = 0.15  # residual over extent: beyond it the positions are not those of the cameras
LEAST_SHARE = 0.7  # of positions that fit: with fewer they are not those of the cameras
LEAST_RESIDUAL_M = 1e-4


@dataclass(frozen=True)
class Alignment:
    """Where a model lies among known positions of its cameras.

    Attributes:
        evidence: for the scale; its ``contradiction`` says what does not fit.
        metric_from_model: the similarity.
        residual_m: root mean square distance of the cameras that count, after alignment.
        outliers: names of images whose position does not fit.
        is_turned: whether the positions determine the rotation as well: cameras on a line leave it open.
    """

    evidence: ScaleEvidence
    metric_from_model: pycolmap.Sim3d
    residual_m: float
    outliers: tuple[str, ...]
    is_turned: bool


def read_positions(path: Path) -> dict[str, np.ndarray]:
    """Lines ``name x y z``, metres, as COLMAP's aligner reads them: name -> (3,).

    Raises:
        InputError: no such file, or a line that is none.
    """
    found = {}
    for number, fields in read_rows(path, "file of positions"):
        where = f"{path}, line {number}"
        if len(fields) != 4:
            raise InputError(f"{where}: expected 'name x y z', got {len(fields)} fields.")
        if fields[0] in found:
            raise InputError(f"{where}: '{fields[0]}' is there twice; remove one of the lines.")
        found[fields[0]] = np.array(parse_numbers(fields[1:], where))
    return found


def read_gps(path: Path) -> dict[str, np.ndarray]:
    """Lines ``name latitude longitude altitude``, degrees and metres (WGS 84): name -> (3,) metres east, north, up.

    Raises:
        InputError: no such file, or a line that is none.
    """
    table = read_positions(path)
    for name, (latitude, longitude, _) in table.items():
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise InputError(
                f"{path}: '{name}' has latitude {latitude:g} and longitude {longitude:g} degrees; write 'name latitude "
                "longitude altitude', or give positions in metres as such."
            )
    return enu_from_gps(table)


def read_exif_gps(image_dir: Path, names: list[str]) -> dict[str, np.ndarray]:
    """(3,) metres east, north, up of the images whose EXIF data have a position with altitude.

    Raises:
        InputError: an image leads out of the folder.
    """
    table = {name: place for name in names if (place := _exif_place(image_path(image_dir, name))) is not None}
    return enu_from_gps(table)


def enu_from_gps(places: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(latitude, longitude, altitude) by name to metres east, north and up of the first one."""
    if not places:
        return {}
    values = np.stack(list(places.values()))
    transform = pycolmap.GPSTransform(pycolmap.GPSTransformEllipsoid.WGS84)
    earth = np.asarray(transform.ellipsoid_to_ecef(values))
    enu = np.asarray(transform.ecef_to_enu(earth, earth[0]))
    return dict(zip(places, enu, strict=True))


def _exif_place(path: Path) -> np.ndarray | None:
    """(latitude, longitude, altitude) of a photo; None where it has none that can be read."""
    try:
        with Image.open(path) as file:
            gps = file.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        degrees = [
            sum(float(part) / 60**power for power, part in enumerate(gps[tag]))
            * (-1 if str(gps.get(ref)) == minus else 1)
            for tag, ref, minus in (
                (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S"),
                (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W"),
            )
        ]
        below = gps.get(ExifTags.GPS.GPSAltitudeRef, 0) in (1, b"\x01")
        altitude = float(gps[ExifTags.GPS.GPSAltitude]) * (-1 if below else 1)
    except (OSError, KeyError, ValueError, TypeError, SyntaxError, ZeroDivisionError):
        return None
    place = np.array([*degrees, altitude])
    return place if np.isfinite(place).all() else None


def align(model: pycolmap.Reconstruction, positions: Mapping[str, np.ndarray], what: str) -> Alignment:
    """Fit the model's cameras to known positions, robustly.

    Args:
        positions: (3,) metres by image name; the third axis points up.
        what: where they come from, for messages.

    Raises:
        InputError: fewer than 3 images with a pose have a position, or all stand at one place.
    """
    images = [model.images[i] for i in model.reg_image_ids() if model.images[i].name in positions]
    images.sort(key=lambda image: image.name)
    if len(images) < MIN_POSITIONS:
        raise InputError(
            f"{what} has positions of {len(images)} of the model's {model.num_reg_images()} images; "
            f"{MIN_POSITIONS} are needed."
        )
    source = np.array([image.projection_center() for image in images])
    target = np.array([positions[image.name] for image in images])
    if np.ptp(target, axis=0).max() < LEAST_RESIDUAL_M or np.ptp(source, axis=0).max() == 0:
        raise InputError(f"All positions of {what} are at one place; they say nothing of the scale.")
    sim3, inliers = _fit(source, target)
    residuals = np.linalg.norm(target - _apply(sim3, source), axis=1)
    rms = float(np.sqrt((residuals[inliers] ** 2).mean()))
    centred = target[inliers] - target[inliers].mean(axis=0)
    extent = float(np.sqrt((centred**2).sum() / len(centred)))
    degrees = max(3 * int(inliers.sum()) - 7, 1)
    sigma = math.sqrt(max(float((residuals[inliers] ** 2).sum()) / degrees, LEAST_RESIDUAL_M**2))
    std = sigma / math.sqrt(float((centred**2).sum())) * t_quantile(0.975, degrees) / Z95
    widths = np.linalg.svd(centred, compute_uv=False) / math.sqrt(len(centred))
    is_turned = bool(widths[1] > max(4 * sigma / math.sqrt(len(centred)), 0.01 * extent))
    up = _mean_up(images, sim3)
    contradiction = _contradiction(what, float(inliers.mean()), rms / extent, up, is_turned)
    outside = tuple(image.name for image, inside in zip(images, inliers, strict=True) if not inside)
    detail = f"{int(inliers.sum())} of {len(images)} positions, residual {rms:.3g} m over {extent:.3g} m"
    evidence = ScaleEvidence(
        "positions", what, math.log(sim3.scale), math.hypot(std, MODEL_STD), detail, contradiction=contradiction
    )
    return Alignment(evidence, sim3, rms, outside, is_turned and not contradiction)


def _fit(source: np.ndarray, target: np.ndarray) -> tuple[pycolmap.Sim3d, np.ndarray]:
    """The similarity with the least median distance over triples of cameras, then least squares on what fits it."""
    count = len(source)
    best: pycolmap.Sim3d | None = None
    best_median = math.inf
    triples = [np.arange(count), *_triples(count)]
    for triple in triples:
        candidate = pycolmap.estimate_sim3d(source[triple], target[triple])
        if candidate is None:
            continue
        median = float(np.median(np.linalg.norm(target - _apply(candidate, source), axis=1)))
        if median < best_median:
            best, best_median = candidate, median
    if best is None:
        raise InputError("The cameras' positions do not determine a scale: they stand at one place or on one line.")
    inliers = np.ones(count, dtype=bool)
    for _ in range(5):
        distances = np.linalg.norm(target - _apply(best, source), axis=1)
        limit = OUTLIER_STDS * max(1.5 * float(np.median(distances)), LEAST_RESIDUAL_M)
        again = distances <= limit
        fitted = pycolmap.estimate_sim3d(source[again], target[again]) if again.sum() >= MIN_POSITIONS else None
        if fitted is None:
            break
        best, same = fitted, bool((again == inliers).all())
        inliers = again
        if same:
            break
    return best, inliers


def _triples(count: int) -> list[np.ndarray]:
    if math.comb(count, 3) <= _TRIPLES:
        return [np.array(triple) for triple in itertools.combinations(range(count), 3)]
    rng = np.random.default_rng(0)
    return [rng.choice(count, 3, replace=False) for _ in range(_TRIPLES)]


def _apply(sim3: pycolmap.Sim3d, points: np.ndarray) -> np.ndarray:
    return sim3.scale * points @ sim3.rotation.matrix().T + sim3.translation


def _mean_up(images: list[pycolmap.Image], sim3: pycolmap.Sim3d) -> float:
    """Third component of the photos' mean upward direction after alignment: 1 upright, -1 upside down."""
    ups = np.array([-image.cam_from_world().rotation.matrix()[1] for image in images]) @ sim3.rotation.matrix().T
    mean = ups.mean(axis=0)
    return float(mean[2] / max(np.linalg.norm(mean), 1e-12))


def _contradiction(what: str, share: float, relative_residual: float, up: float, is_turned: bool) -> str:
    """What does not fit, in a sentence; empty where all does."""
    if share < LEAST_SHARE or relative_residual > POOR_FIT:
        return (
            f"{what} does not fit the model: {share:.0%} of the positions agree with it, with a residual of "
            f"{relative_residual:.0%} of their extent; are axes swapped, or are they of other images?"
        )
    if is_turned and up < -0.3:
        return f"with {what} the photos hang upside down; are two axes swapped, or is one of the wrong sign?"
    return ""
