"""Step: a COLMAP or hloc model without scale, and what says something of it -> the model in metres.

Metric depth at the model's points, lengths that somebody knows, positions of the cameras, the baseline of a rig: each
gives metres per unit of the model with an interval, and together they give the scale.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pycolmap

from mickey_hloc import __version__, extract_features
from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.sources import get_depth_source, split_spec
from mickey_hloc.errors import InputError
from mickey_hloc.features import get_extractor
from mickey_hloc.io.colmap import read_colmap_model
from mickey_hloc.io.files import atomic_folder
from mickey_hloc.io.locks import sole_writer
from mickey_hloc.io.trajectory import write_tum
from mickey_hloc.metric.depth_scale import DepthScale, DepthScaleOptions, depth_scale
from mickey_hloc.metric.evidence import MetricScale, ScaleEvidence, combine
from mickey_hloc.metric.gps import Alignment, align, read_exif_gps, read_gps, read_positions
from mickey_hloc.metric.lengths import KnownDistance, KnownLength, RigBaseline
from mickey_hloc.metric.rewriting import REPORT, check_output, model_folder, rescale, write_model

_FEATURE_FILES = (".h5", ".hdf5")


@dataclass(frozen=True)
class Evidence:
    """What says something of the scale.

    Attributes:
        depth: a source, or its spec; "mickey:<weights>" runs MicKey on the images.
        lengths, distances, baselines: what is known in metres.
        gps: "exif", or a file ``name latitude longitude altitude``.
        positions: a file ``name x y z``, metres, z up.
        depth_options: of the source.
        options: of the scale from depth.
        exif_turn: photos that EXIF turns, where MicKey runs on them: "refuse" them or "ignore" the turn.
    """

    depth: str | DepthSource | None = None
    lengths: Sequence[KnownLength] = ()
    distances: Sequence[KnownDistance] = ()
    baselines: Sequence[RigBaseline] = ()
    gps: str | Path | None = None
    positions: Path | None = None
    depth_options: dict[str, Any] = field(default_factory=dict)
    options: DepthScaleOptions = field(default_factory=DepthScaleOptions)
    exif_turn: str = "refuse"


@dataclass(frozen=True)
class ScaledModel:
    """What the step found.

    Attributes:
        scale: with all evidence.
        depth: the images behind the scale from depth, where there is a source.
        alignments: to GPS or positions.
        model: in metres; as it was where the scale was refused.
        metric_from_model: the similarity that was applied; None where the scale was refused.
    """

    scale: MetricScale
    depth: DepthScale | None
    alignments: tuple[Alignment, ...]
    model: pycolmap.Reconstruction
    metric_from_model: pycolmap.Sim3d | None


def main(
    model: Path,
    output: Path,
    evidence: Evidence,
    image_dir: Path | None = None,
    accept: str = "supported",
    overwrite: bool = False,
    ply: bool = False,
    tum: bool = False,
) -> ScaledModel:
    """Write a model in metres, with ``scale.json`` beside its files.

    Args:
        model: the folder of a COLMAP model, or a folder with one in sparse/0 as 3DGS and Nerfstudio have it; not
            touched.
        output: the folder to write; it appears whole or not at all, in the same layout. With sparse/0 in the model's
            folder, its images are linked there.
        image_dir: of the images; needed by most depth sources and by GPS from EXIF.
        accept: "supported" writes nothing where the evidence is too weak, "all" does.
        overwrite: replace what an earlier run wrote.
        ply, tum: write points3D.ply and trajectory.txt as well.

    Returns:
        What was found; ``metric_from_model`` is None where nothing was written.

    Raises:
        InputError: wrong input, or no evidence that can be used.
    """
    model, output = Path(model), Path(output)
    folder = model_folder(model)
    check_output(output, model, overwrite)
    found = scale_model(read_colmap_model(folder), evidence, image_dir, accept)
    if found.metric_from_model is not None:
        with sole_writer(output.with_name(f".{output.name}.lock"), str(output)):
            check_output(output, model, overwrite)  # another run may have written it since
            _write(found, model, folder, output, image_dir, ply, tum)
    return found


def _write(
    found: ScaledModel, model: Path, folder: Path, output: Path, image_dir: Path | None, ply: bool, tum: bool
) -> None:
    with atomic_folder(output) as temporary:
        inner = temporary / folder.relative_to(model)
        write_model(found.model, inner, like=folder)
        if ply:
            found.model.export_PLY(str(inner / "points3D.ply"))
        if tum:
            images = [found.model.images[i] for i in found.model.reg_image_ids()]
            write_tum(inner / "trajectory.txt", {image.name: image.cam_from_world() for image in images})
        (inner / REPORT).write_text(json.dumps(report_values(found, folder), indent=1) + "\n", encoding="utf-8")
        photos = model / "images" if image_dir is None else Path(image_dir)
        if inner != temporary and photos.is_dir():
            (temporary / "images").symlink_to(photos.resolve(), target_is_directory=True)


def scale_model(
    model: pycolmap.Reconstruction, evidence: Evidence, image_dir: Path | None = None, accept: str = "supported"
) -> ScaledModel:
    """Find the scale of a model and bring it to metres, in place.

    Args:
        model: not changed where the scale is refused.
        image_dir, accept: see ``main``.

    Raises:
        InputError: no evidence that can be used.
    """
    if accept not in ("supported", "all"):
        raise InputError(f"accept must be supported or all, got {accept!r}.")
    if model.num_reg_images() < 2:
        raise InputError(f"The model has {model.num_reg_images()} image with a pose; a scale needs at least 2.")
    found: list[ScaleEvidence] = []
    by_depth = None
    if evidence.depth is not None:
        with opened_depth(evidence, model, image_dir) as source:
            by_depth = depth_scale(model, source, evidence.options)
        found.append(by_depth.evidence)
    known: list[KnownLength | KnownDistance | RigBaseline] = [*evidence.lengths, *evidence.distances]
    found += [one.evidence(model) for one in [*known, *evidence.baselines]]
    alignments = _alignments(model, evidence, image_dir)
    found += [alignment.evidence for alignment in alignments]
    if not found:
        raise InputError(
            "Nothing says what the scale is: give a depth source, a known length or distance, a rig's baseline, GPS or "
            "positions."
        )
    scale = combine(found)
    if scale.weakness and accept == "supported":
        return ScaledModel(scale, by_depth, alignments, model, None)
    turn = next((a.metric_from_model for a in alignments if a.is_turned), None)
    return ScaledModel(scale, by_depth, alignments, model, rescale(model, scale.scale, turn))


@contextlib.contextmanager
def opened_depth(
    evidence: Evidence,
    model: pycolmap.Reconstruction,
    image_dir: Path | None,
    images: Sequence[str] | None = None,
) -> Iterator[DepthSource]:
    """The depth source of the evidence; MicKey's depth is computed first where its weights are named.

    Args:
        images: names of those that MicKey runs on; None: all of the model.

    Raises:
        InputError: a source that cannot be used.
    """
    if isinstance(evidence.depth, DepthSource):
        yield evidence.depth
        return
    spec = str(evidence.depth)
    name, argument = split_spec(spec)
    if name != "mickey" or argument.endswith(_FEATURE_FILES):
        yield get_depth_source(spec, image_dir=image_dir, **evidence.depth_options)
        return
    if image_dir is None:
        raise InputError(f"Depth source '{spec}' needs the image folder: give --images DIR.")
    options: dict[str, Any] = {"weights": argument} if argument else {}
    if evidence.exif_turn != "refuse":
        options["preprocessing"] = {"exif_turn": evidence.exif_turn}
    extractor = get_extractor("mickey", **options)
    names = sorted(images or (model.images[i].name for i in model.reg_image_ids()))
    present = [name for name in names if (Path(image_dir) / name).is_file()]
    if not present:
        raise InputError(f"None of the model's {len(names)} images is in {image_dir}, e.g. '{names[0]}'.")
    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "mickey.h5"
        extract_features.extract(extractor, Path(image_dir), features, image_list=present)
        source = get_depth_source("mickey", image_dir=image_dir, features=features, **evidence.depth_options)
        source.spec = spec
        yield source


def _alignments(model: pycolmap.Reconstruction, evidence: Evidence, image_dir: Path | None) -> tuple[Alignment, ...]:
    found = []
    if evidence.gps == "exif":
        if image_dir is None:
            raise InputError("GPS from EXIF data needs the image folder: give --images DIR.")
        names = sorted(model.images[i].name for i in model.reg_image_ids())
        found.append(align(model, read_exif_gps(Path(image_dir), names), "GPS in EXIF"))
    elif evidence.gps is not None:
        found.append(align(model, read_gps(Path(evidence.gps)), f"GPS in {Path(evidence.gps).name}"))
    if evidence.positions is not None:
        found.append(align(model, read_positions(evidence.positions), f"positions in {evidence.positions.name}"))
    return tuple(found)


def report_values(found: ScaledModel, source: Path) -> dict[str, Any]:
    """What ``scale.json`` holds: plain values, NaN as None."""
    scale, sim3 = found.scale, found.metric_from_model
    evidence = [
        {**asdict(e), "scale": e.scale, "interval_95": list(e.interval_95), "residual": residual}
        for e, residual in zip(scale.evidence, scale.residuals, strict=True)
    ]
    values = {
        "made_by": f"mickey_hloc {__version__}",
        "model": source.name,
        "unit": "metres",
        "scale": scale.scale,
        "interval_95": list(scale.interval_95),
        "relative_std": scale.relative_std,
        "weakness": scale.weakness,
        "disagreements": list(scale.disagreements),
        "evidence": evidence,
        "images": [] if found.depth is None else [asdict(image) for image in found.depth.images],
        "alignments": [
            {"what": a.evidence.what, "residual_m": a.residual_m, "outliers": list(a.outliers)}
            for a in found.alignments
        ],
        "metric_from_model": None if sim3 is None else sim3.matrix().tolist(),
    }
    plain: dict[str, Any] = _without_nan(values)
    return plain


def _without_nan(value: Any) -> Any:
    """Json has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
