"""Other focal lengths than the training's: MicKey learns depth at one focal length, so its depth scales with it.

An object of size S at depth Z covers f S / Z pixels. The network sees the pixels only and answers with the depth that
fits its training focal length f_train, so at focal length f its depth is f_train / f times the true one.
"""

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
        "focal correction (--focal-correction depth)"
    )
