"""Known positions in bundle adjustment: a model with points is pulled to metres by pycolmap's pose priors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError

MIN_PRIORS = 3


def pose_priors(
    model: pycolmap.Reconstruction, positions: Mapping[str, np.ndarray], covariances: Mapping[str, np.ndarray]
) -> list[pycolmap.PosePrior]:
    """Priors for the images of a model that have a position, as pycolmap takes them.

    Args:
        positions: (3,) metres by image name.
        covariances: (3, 3) square metres by image name, positive definite.
    """
    return [
        pycolmap.PosePrior(
            corr_data_id=image.data_id,
            position=positions[image.name],
            position_covariance=covariances[image.name],
            coordinate_system=pycolmap.PosePriorCoordinateSystem.CARTESIAN,
        )
        for image in sorted(model.images.values(), key=lambda image: image.name)
        if image.name in positions
    ]


def adjust_to_priors(model: pycolmap.Reconstruction, priors: list[pycolmap.PosePrior]) -> None:
    """Bundle adjustment with position priors, in place: the model is aligned to them first and comes out in metres.

    Raises:
        InputError: fewer than 3 images with a pose have a prior, or it does not converge.
    """
    with_pose = {model.images[i].data_id.id for i in model.reg_image_ids()}
    usable = [prior for prior in priors if prior.corr_data_id.id in with_pose]
    if len(usable) < MIN_PRIORS:
        raise InputError(f"{len(usable)} images of the model have a position; bundle adjustment needs {MIN_PRIORS}.")
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in model.reg_image_ids():
        config.add_image(image_id)
    options = pycolmap.BundleAdjustmentOptions(refine_focal_length=False, refine_extra_params=False)
    adjuster = pycolmap.create_pose_prior_bundle_adjuster(
        options, pycolmap.PosePriorBundleAdjustmentOptions(), config, usable, model
    )
    summary = adjuster.solve()
    if not summary.is_solution_usable():
        raise InputError("Bundle adjustment with these positions does not converge; are they of these images?")
    model.update_point_3d_errors()
