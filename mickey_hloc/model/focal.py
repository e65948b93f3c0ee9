"""Other focal lengths than the training's: MicKey learns depth at one focal length, so its depth scales with it.

An object of size S at depth Z covers f S / Z pixels. The network sees the pixels only and answers with the depth that
fits its training focal length f_train, so at focal length f its depth is f_train / f times the true one.
"""

import dataclasses
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

from mickey_hloc.model.mickey import MetricKeypoints, MicKey

FOCAL_CORRECTIONS = {
    "none": "the network's depth as it is",
    "depth": "depth times f / f_train",
    "resize": "the image is resized so that its focal length becomes f_train",
}
WARN_RATIO = 1.2  # farther from the training focal length than this, the user is told


def focal_ratio(focal_px: float, training_focal_px: float | None, network_scale: float = 1.0) -> float | None:
    """The factor by which the network's depths have to be multiplied to be true: f / f_train.

    >>> focal_ratio(1000.0, 500.0), focal_ratio(1000.0, 500.0, network_scale=0.5)
    (2.0, 1.0)

    Args:
        focal_px: of the image, > 0.
        training_focal_px: at which the model learned depth; None = many.
        network_scale: size of the image the network saw, relative to the image of ``focal_px``.

    Returns:
        The factor; None where the model learned depth at many focal lengths and no factor is right.
    """
    return None if training_focal_px is None else focal_px * network_scale / training_focal_px


def focal_note(ratio: float | None, training_focal_px: float | None) -> str | None:
    """What a user should know of depths that are not corrected, in one sentence; None where they are about right.

    >>> focal_note(1.1, 500.0)

    Args:
        ratio: of ``focal_ratio``. training_focal_px: at which the model learned depth; None = many.
    """
    if ratio is None or training_focal_px is None or 1 / WARN_RATIO <= ratio <= WARN_RATIO:
        return None
    return (
        f"the focal length is {ratio * training_focal_px:.0f} px at the network's resolution, but the model learned "
        f"depth at {training_focal_px:.0f} px: expect depths about {1 / ratio:.2f} times the true ones, or choose a "
        "focal correction"
    )


def metric_keypoints(
    model: MicKey, images: Tensor, K: Tensor, correction: str = "none", resize_max: int | None = None
) -> MetricKeypoints:
    """Run the model on images of one camera, with a correction for its focal length.

    Args:
        model: the network.
        images: (B, 3, H, W) float in [0, 1].
        K: (3, 3) intrinsics of the images, pixels.
        correction: one of ``FOCAL_CORRECTIONS``; "resize" decides the size, whatever ``resize_max`` says.
        resize_max: larger images are shrunk to this longer side, pixels.

    Returns:
        Keypoints in pixels of the given images.
    """
    trained = model.options.training_focal_px
    focal = float(K[0, 0] + K[1, 1]) / 2
    if trained is not None and correction == "resize":
        return _run_at_scale(model, images, trained / focal)
    scale = 1.0 if resize_max is None else min(1.0, resize_max / max(images.shape[-2:]))
    found = _run_at_scale(model, images, scale)
    ratio = focal_ratio(focal, trained, scale)
    if correction == "depth" and ratio is not None:
        return dataclasses.replace(found, depths=found.depths * ratio)
    note = focal_note(ratio, trained)
    if note is not None:
        warnings.warn(note, stacklevel=2)
    return found


def _run_at_scale(model: MicKey, images: Tensor, scale: float) -> MetricKeypoints:
    height, width = images.shape[-2:]
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    if size == (height, width):
        return model(images.to(model.device))
    resized = F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
    found = model(resized.clamp(0, 1).to(model.device))
    factors = torch.tensor([width / size[1], height / size[0]], device=found.keypoints.device)
    keypoints = (found.keypoints + 0.5) * factors - 0.5  # pixel centres are at integers
    return dataclasses.replace(found, keypoints=keypoints)
