"""The named weights: what each is, its licence, and where it is published."""

import dataclasses

from mickey_hloc.errors import WeightsError
from mickey_hloc.registry import unknown_name

_MICKEY_URL = "https://storage.googleapis.com/niantic-lon-static/research/mickey/assets/mickey_weights.zip"
_DINOV2_URL = "https://dl.fbaipublicfiles.com/dinov2/{0}/{0}_pretrain.pth"
_NIANTIC_NOTICE = """\
The MicKey weights are copyright of Niantic, Inc. and licensed for NON-COMMERCIAL use only; they may not be passed on.
Work that uses them must cite Barroso-Laguna et al., "Matching 2D Images in 3D", CVPR 2024.
Full terms: https://github.com/nianticlabs/mickey/blob/main/LICENSE
"""


@dataclasses.dataclass(frozen=True)
class NamedWeights:
    """One line of the table.

    Attributes:
        file: its name in the cache, and in the archive where ``url`` is one.
        about: what it is.
        licence: of the weights.
        url: where it is published; None for a file of this package.
        size_mb: about how large it is, where that is known beforehand.
        notice: printed once, before the weights are first used.
    """

    file: str
    about: str
    licence: str
    url: str | None
    size_mb: int | None = None
    notice: str | None = None


def _dinov2(name: str, about: str, size_mb: int) -> NamedWeights:
    url = _DINOV2_URL.format(name)
    return NamedWeights(url.rpartition("/")[2], f"DINOv2 encoder, {about}", "Apache-2.0", url, size_mb)


WEIGHTS = {
    "mickey": NamedWeights(
        "mickey.ckpt", "MicKey heads for ViT-L/14", "non-commercial", _MICKEY_URL, notice=_NIANTIC_NOTICE
    ),
    "mickey_sc": NamedWeights(
        "mickey_sc.ckpt",
        "MicKey heads for ViT-L/14, trained with overlap scores",
        "non-commercial",
        _MICKEY_URL,
        notice=_NIANTIC_NOTICE,
    ),
    "dinov2_vits14": _dinov2("dinov2_vits14", "ViT-S/14", 88),
    "dinov2_vitb14": _dinov2("dinov2_vitb14", "ViT-B/14", 346),
    "dinov2_vitl14": _dinov2("dinov2_vitl14", "ViT-L/14", 1218),
    "small": NamedWeights("small.safetensors", "small MicKey of this package", "Apache-2.0", None),
}
NAMES = tuple(WEIGHTS)
# What their publisher's files have to be, as many who downloaded them recorded it; of MicKey's zip no record was found.
PINNED = {
    "dinov2_vits14_pretrain.pth": "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    "dinov2_vitb14_pretrain.pth": "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
    "dinov2_vitl14_pretrain.pth": "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
}


def require_name(name: str) -> NamedWeights:
    """The table's line for a name.

    Raises:
        WeightsError: there is none; the message lists the names.
    """
    if name not in WEIGHTS:
        raise WeightsError(str(unknown_name("weights", name, WEIGHTS)))
    return WEIGHTS[name]
