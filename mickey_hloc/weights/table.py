"""The named weights: what each is, its licence, and where it is published."""

import dataclasses

from mickey_hloc.errors import WeightsError
from mickey_hloc.registry import unknown_name

_MICKEY_URL = "https://storage.googleapis.com/niantic-lon-static/research/mickey/assets/mickey_weights.zip"
_NIANTIC_NOTICE = """\
The MicKey weights are copyright of Niantic, Inc. and licensed for NON-COMMERCIAL use only; they may not be passed on.
Work that uses them must cite Barroso-Laguna et al., "Matching 2D Images in 3D", CVPR 2024.
Full terms: https://github.com/nianticlabs/mickey/blob/main/LICENSE
"""


@dataclasses.dataclass(frozen=True)
class NamedWeights:
    """One line of the table.

    Attributes:
        file: its name where it is placed by hand, and in the archive where ``url`` is one.
        about: what it is.
        licence: of the weights.
        url: where it is published: https, or ``hf:owner/name@commit``; None for a file of this package.
        size_mb: about how large it is, where that is known beforehand.
        notice: printed once, before the weights are first used.
        sha256: what the hub's file has to be.
        is_encoder: an encoder alone, which checkpoints without one need.
    """

    file: str
    about: str
    licence: str
    url: str | None
    size_mb: int | None = None
    notice: str | None = None
    sha256: str | None = None
    is_encoder: bool = False

    @property
    def on_hub(self) -> bool:
        """Whether the Hugging Face hub has it."""
        return (self.url or "").startswith("hf:")


def _dinov2(size: str, commit: str, size_mb: int, sha256: str) -> NamedWeights:
    """As timm has it on the hub: the numbers of the published .pth file, which may also be placed by hand."""
    url = f"hf:timm/vit_{size}_patch14_dinov2.lvd142m@{commit}"
    letter = size[0]
    about = f"DINOv2 encoder, ViT-{letter.upper()}/14"
    file = f"dinov2_vit{letter}14_pretrain.pth"
    return NamedWeights(file, about, "Apache-2.0", url, size_mb, sha256=sha256, is_encoder=True)


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
    "dinov2_vits14": _dinov2(
        *("small", "4610ca143709d58a633b6397a74412c2c3842454", 88),
        "04d27f3400d059fc0cfd7d17dd1909a75bf3ea8fb3eeb48b97cb99e57ee20081",
    ),
    "dinov2_vitb14": _dinov2(
        *("base", "4685c99dabffe5affac90bd99dbffd25801ae58d", 346),
        "55cbb5d887b336d430e649c277b85a1429e724871f9d02ac16203235886d8c7b",
    ),
    "dinov2_vitl14": _dinov2(
        *("large", "4741e1cafbf45415e77074bb0cb42dba76c8684a", 1218),
        "0424a5d1b515278cba3c6640ccbeaacc41de59d3a93df0dd5e494285eea2b355",
    ),
    "small": NamedWeights("small.safetensors", "small MicKey of this package", "Apache-2.0", None),
}
NAMES = tuple(WEIGHTS)


def require_name(name: str) -> NamedWeights:
    """The table's line for a name.

    Raises:
        WeightsError: there is none; the message lists the names.
    """
    if name not in WEIGHTS:
        raise WeightsError(str(unknown_name("weights", name, WEIGHTS)))
    return WEIGHTS[name]
