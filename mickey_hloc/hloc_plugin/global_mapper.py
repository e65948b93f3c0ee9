"""hloc's reconstruction with pycolmap's global mapper (GLOMAP) in place of the incremental one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.hloc_plugin.host import import_step


def reconstruct_globally(
    host: ModuleType,
    image_dir: Path,
    names: Sequence[str],
    sfm_dir: Path,
    pairs: Path,
    features: Path,
    matches: Path,
    camera_mode: pycolmap.CameraMode,
    image_options: dict[str, str],
    refine_camera: bool = True,
) -> pycolmap.Reconstruction | None:
    """A COLMAP model in ``sfm_dir``, the largest that was found, or None.

    Args:
        refine_camera: focal lengths are not known: they are first calibrated from the pairs (pycolmap's view graph
            calibration), then refined.

    Raises:
        InputError: this pycolmap has no global mapper, or COLMAP did not take an image.
    """
    if not hasattr(pycolmap, "global_mapping"):
        raise InputError(
            "This pycolmap has no global mapper: pip install 'pycolmap>=4', or choose --mapper incremental."
        )
    reconstruction, triangulation = import_step(host, "reconstruction"), import_step(host, "triangulation")
    sfm_dir.mkdir(parents=True, exist_ok=True)
    database = sfm_dir / "database.db"
    reconstruction.create_empty_db(database)
    reconstruction.import_images(image_dir, database, camera_mode, list(names), image_options)
    ids = reconstruction.get_image_ids(database)
    missing = sorted(set(names) - set(ids))
    if missing:
        raise InputError(
            f"COLMAP could not take the image {image_dir / missing[0]}; its log above says why: leave the image "
            "out, or convert it to JPEG or PNG."
        )
    with pycolmap.Database.open(database) as opened:
        triangulation.import_features(ids, opened, features)
        triangulation.import_matches(ids, opened, pairs, matches, None, False)
    triangulation.estimation_and_geometric_verification(database, pairs, False)
    options = pycolmap.GlobalPipelineOptions(random_seed=0)
    adjustment = options.mapper.bundle_adjustment
    adjustment.refine_focal_length = adjustment.refine_extra_params = refine_camera
    if refine_camera:
        pycolmap.calibrate_view_graph(database)
    models = sfm_dir / "models"
    models.mkdir(exist_ok=True)
    found = pycolmap.global_mapping(database, image_dir, models, options)
    if not found:
        return None
    model = max(found.values(), key=lambda model: model.num_reg_images())
    model.write(str(sfm_dir))
    shutil.rmtree(models, ignore_errors=True)
    return model
