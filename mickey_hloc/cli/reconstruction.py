"""From the arguments of ``mickey-hloc sfm`` to the model, by hloc's own steps; prints what became of the images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mickey_hloc.cli.hloc_matching import chosen_matching
from mickey_hloc.cli.machines import chosen_engine
from mickey_hloc.cli.scale import chosen_evidence
from mickey_hloc.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType

    import pycolmap

    from mickey_hloc.scale_reconstruction import Evidence, ScaledModel


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """What became of the images.

    Attributes:
        model: without scale; None: there is none.
        names: of the images that it was made from.
        image_dir: where they are.
        scaled: the model in metres, where that was asked for.
        status: exit status of the command.
    """

    model: pycolmap.Reconstruction | None
    names: Sequence[str]
    image_dir: Path
    scaled: ScaledModel | None = None
    status: int = 0


def reconstruct(args: argparse.Namespace) -> Reconstructed:
    """From images to the model, which is written; prints what became of them. One at a time writes to an output."""
    from mickey_hloc.io.locks import sole_writer

    with sole_writer(args.output / ".lock", str(args.output)):
        return _reconstruct(args)


def _reconstruct(args: argparse.Namespace) -> Reconstructed:
    from mickey_hloc.hloc_plugin import import_step, register
    from mickey_hloc.hloc_plugin.steps import check_shared_cameras, extract, find_images, make_pairs, match, method_name
    from mickey_hloc.io.colmap import check_written
    from mickey_hloc.io.files import atomic_folder

    hloc = register(args.hloc)
    import_step(hloc, "reconstruction")  # a package that it lacks shows here
    camera_options = _camera_options(args)
    extractor, matching = chosen_matching(args).resolve_matching()
    has_depth = extractor is not None and "depths" in extractor.datasets
    evidence = _evidence(args, has_depth) if args.metric else None
    how = args.pairs or "exhaustive"
    if args.images.is_file():
        args.images, how = _frames_of_video(args), args.pairs or "sequential"

    globs = {"globs": args.glob} if args.glob else {}
    names = find_images(args.images, args.image_list, exif_turn=args.exif, **globs)
    check_shared_cameras(args.images, names, args.camera_mode, args.camera_params is not None)
    counts = {"num_matched": args.num_matched, "overlap": args.overlap}
    pairs = make_pairs(hloc, how, args.images, args.output, names, **counts)
    features = None
    if extractor is not None:
        with chosen_engine(args) as engine:
            features = extract(extractor, args.images, args.output, names, engine)
    own_depth = features
    features, matches = match(hloc, matching, pairs, args.images, args.output, features)

    sfm_dir = args.output / f"sfm-{method_name(extractor, matching)}-{pairs.stem}"
    with atomic_folder(sfm_dir) as made:
        model = _map(hloc, args, names, made, pairs, features, matches, camera_options)
        if model is not None:
            check_written(model, made)
    found = Reconstructed(model, names, args.images, status=report(model, len(names), sfm_dir))
    if found.status or model is None:
        return found
    _report_focals(model, sfm_dir)
    if evidence is None:
        print("the model has no scale: its unit is arbitrary; --metric or `mickey-hloc scale` brings it to metres")
        return found
    if evidence.depth is None and has_depth:
        evidence = replace(evidence, depth=f"mickey:{own_depth}")
    scaled, status = _scale(evidence, args, sfm_dir)
    return replace(found, scaled=scaled, status=status)


def _map(
    hloc: ModuleType,
    args: argparse.Namespace,
    names: list[str],
    sfm_dir: Path,
    pairs: Path,
    features: Path,
    matches: Path,
    camera_options: dict[str, str],
) -> pycolmap.Reconstruction | None:
    """The COLMAP model, by the mapper that was chosen."""
    import pycolmap

    from mickey_hloc.hloc_plugin.global_mapper import reconstruct_globally
    from mickey_hloc.hloc_plugin.steps import reconstruct

    mode = pycolmap.CameraMode.__members__[args.camera_mode]
    if args.mapper == "global":
        return reconstruct_globally(
            hloc, args.images, names, sfm_dir, pairs, features, matches, mode, camera_options, not args.camera_params
        )
    found: pycolmap.Reconstruction | None = reconstruct(
        hloc,
        args.images,
        names,
        sfm_dir=sfm_dir,
        pairs=pairs,
        features=features,
        matches=matches,
        camera_mode=mode,
        image_options=camera_options,
        mapper_options=_fixed_camera() if args.camera_params else None,
    )
    return found


def _evidence(args: argparse.Namespace, has_depth: bool) -> Evidence:
    """The evidence for the scale; that there is some shows before the long work starts."""
    evidence = chosen_evidence(args, "feature")
    known = (
        evidence.depth,
        evidence.gps,
        evidence.positions,
        *evidence.lengths,
        *evidence.distances,
        *evidence.baselines,
    )
    if not any(known) and not has_depth:
        raise InputError("--metric needs something that says the scale: --depth, --known-length, --gps, ...")
    return evidence


def _frames_of_video(args: argparse.Namespace) -> Path:
    """The folder with the frames of the video that is given in place of a folder."""
    from mickey_hloc.io.video import SUFFIXES, SamplingOptions, is_video, sample_frames

    if not is_video(args.images):
        raise InputError(f"{args.images} is neither a folder of images nor a video ({', '.join(SUFFIXES)}).")
    folder: Path = args.output / f"frames-{args.images.stem}"
    names = sample_frames(args.images, folder, SamplingOptions(max_frames=args.max_frames))
    print(f"{len(names)} frames of {args.images.name}: {folder}")
    return folder


def _report_focals(model: pycolmap.Reconstruction, sfm_dir: Path) -> None:
    """Print what became of the focal lengths, and what that means for lengths."""
    import pycolmap

    with pycolmap.Database.open(sfm_dir / "database.db") as database:
        guesses = {camera.camera_id: camera for camera in database.read_all_cameras()}
    for number, camera in sorted(model.cameras.items())[:5]:
        before, after = guesses[number].mean_focal_length(), camera.mean_focal_length()
        if abs(after / before - 1) < 1e-6:
            continue
        known = "of EXIF data or the pairs" if guesses[number].has_prior_focal_length else "a guess"
        print(
            f"camera {number}: focal length {before:.0f} px ({known}) refined to {after:.0f} px; if it is 1 % too "
            "long, lengths across the view come out 1 % too short at a scale from depth"
        )


def _scale(evidence: Evidence, args: argparse.Namespace, sfm_dir: Path) -> tuple[ScaledModel, int]:
    """The same model in metres, beside the one without scale, and the exit status."""
    from mickey_hloc import scale_reconstruction
    from mickey_hloc.cli.scale import report as report_scale

    output = sfm_dir.with_name(f"metric-{sfm_dir.name.removeprefix('sfm-')}")
    found = scale_reconstruction.main(sfm_dir, output, evidence, args.images, args.accept, overwrite=True)
    return found, report_scale(found, output)


def report(model: pycolmap.Reconstruction | None, num_images: int, sfm_dir: Path) -> int:
    """Print what became of the images; exit status 1 where there is no model."""
    if model is None or model.num_reg_images() == 0:
        print(f"no model: no two of the {num_images} images have enough matches that agree with one motion")
        return 1
    print(
        f"{model.num_reg_images()} of {num_images} images, {model.num_points3D()} points, "
        f"{model.compute_mean_track_length():.1f} images a point, "
        f"reprojection error {model.compute_mean_reprojection_error():.2f} px: {sfm_dir}"
    )
    return 0


def _fixed_camera() -> dict[str, bool]:
    """What is known stays as it is; COLMAP would take it as a first guess."""
    return {f"ba_refine_{part}": False for part in ("focal_length", "principal_point", "extra_params")}


def _camera_options(args: argparse.Namespace) -> dict[str, str]:
    """COLMAP aborts the whole process at a camera it does not understand, so it is checked here."""
    import pycolmap

    from mickey_hloc.io.cameras import CAMERA_MODELS
    from mickey_hloc.io.text import parse_numbers
    from mickey_hloc.registry import unknown_name

    model = (args.camera_model or "SIMPLE_RADIAL").upper()
    if model not in CAMERA_MODELS:
        raise unknown_name("camera model", model, CAMERA_MODELS)
    if args.camera_params is None:
        return {"camera_model": model}
    params = parse_numbers(args.camera_params.split(","), "--camera-params")
    camera = pycolmap.Camera(model=model, width=1, height=1, params=params)
    if not camera.verify_params():
        raise InputError(f"--camera-params has {len(params)} numbers, but {model} needs: {camera.params_info}.")
    return {"camera_model": model, "camera_params": args.camera_params}
