"""Named confs of our methods in hloc's format: what is written (``output``), by which model, from which images.

hloc reuses whatever it finds in an output file, so everything that changes the numbers is part of the file's name.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mickey_hloc.errors import InputError
from mickey_hloc.io.checksum import sha256
from mickey_hloc.weights.metadata import trained_size_px
from mickey_hloc.weights.named import NAMES

DEFAULT_WEIGHTS = "mickey"
# imcui.hloc has a matchers/mickey.py of its own, so ours goes by a name that is free in every host.
MATCHER = "mickey_dual_softmax"

# Matchers that find the keypoints of an image without looking at the other one: they are the same in every pair, and
# rounding them to a grid would only cost accuracy.
_VISMATCH_SPARSE = (
    *("sift-nn", "orb-nn", "superglue", "silk", "dedode", "xfeat", "r2d2"),
    *("sift-lightglue", "superpoint-lightglue", "disk-lightglue", "aliked-lightglue"),
)
_VISMATCH_DENSE = ("loftr", "eloftr", "aspanformer", "matchformer", "roma", "tiny-roma", "romav2", "duster", "master")
_OTHER_WEIGHTS = [name for name in NAMES if not name.startswith("dinov2") and name != DEFAULT_WEIGHTS]
VISMATCH_PREFIX = "vismatch-"


def mickey_conf(
    weights: str | os.PathLike[str] = DEFAULT_WEIGHTS,
    encoder: str | os.PathLike[str] | None = None,
    resize_max: int | Literal["trained"] | None = "trained",
    precision: str = "auto",
) -> dict[str, Any]:
    """Conf of hloc's ``extract_features`` for MicKey.

    Args:
        weights: name or file of the weights, see ``load_model``.
        encoder: name or file of the DINOv2 weights, for checkpoints that leave them out.
        resize_max: px, larger images are shrunk to this longer side; "trained": that of the images the weights were
            trained on, 720 for the published ones. None: no resizing.
        precision: "auto", "fp32", "bf16" or "fp16".
    """
    model = {"name": "mickey", "weights": os.fspath(weights), "precision": precision}
    if encoder is not None:
        model["encoder"] = os.fspath(encoder)
    if resize_max == "trained":
        resize_max = trained_size_px(weights)
    preprocessing: dict[str, Any] = {"grayscale": False}
    if resize_max is not None:
        if resize_max < 1:
            raise InputError(f"resize_max is {resize_max}; it is a number of pixels, or None.")
        preprocessing["resize_max"] = int(resize_max)
    size = "full" if resize_max is None else f"r{resize_max}"
    tags = [_tag(weights), *([] if encoder is None else [_file_safe(Path(encoder).stem)]), size]
    tags += [] if precision == "auto" else [precision]
    return {"output": "feats-" + "-".join(tags), "model": model, "preprocessing": preprocessing}


def mickey_conf_with(
    conf: Mapping[str, Any],
    weights: str | os.PathLike[str] | None,
    encoder: str | os.PathLike[str] | None,
    precision: str | None = None,
) -> dict[str, Any]:
    """A conf of ``mickey_conf`` for other weights: at their own size, unless the conf is for another than its own."""
    model, size = conf["model"], conf["preprocessing"].get("resize_max")
    own = size == trained_size_px(model["weights"])
    return mickey_conf(
        weights or model["weights"], encoder, "trained" if own else size, precision or model["precision"]
    )


def mickey_matcher_conf(
    weights: str | os.PathLike[str] = DEFAULT_WEIGHTS, match_threshold: float = 0.0
) -> dict[str, Any]:
    """Conf of hloc's ``match_features``: dual softmax with MicKey's dustbin, then mutual nearest neighbours.

    Args:
        weights: the same as for the features: they hold the dustbin value and the temperature.
        match_threshold: matches with a smaller probability (Eq. 3) are left out.
    """
    if not 0 <= match_threshold < 1:
        raise InputError(f"match_threshold is {match_threshold}; a probability in [0, 1) is needed.")
    model = {"name": MATCHER, "weights": os.fspath(weights), "match_threshold": float(match_threshold)}
    threshold = f"-p{match_threshold:g}" if match_threshold else ""
    return {"output": f"matches-{_tag(weights)}{threshold}", "model": model}


def vismatch_conf(
    matcher: str, resize_max: int = 1024, max_num_keypoints: int = 2048, quantize_px: int | None = None
) -> dict[str, Any]:
    """Conf of hloc's ``match_dense`` for a matcher of the vismatch package.

    Args:
        matcher: its name, as in ``vismatch.available_models``.
        resize_max: px, larger images are shrunk to this longer side.
        max_num_keypoints: most keypoints (or matches, of dense methods) a pair.
        quantize_px: keypoints of one image within a cell of this size become one, so that matches form tracks through
            several pairs; 0: only equal ones. Default: 0 for methods that detect keypoints image by image, otherwise 4.
    """
    if quantize_px is None:
        quantize_px = 0 if matcher in _VISMATCH_SPARSE else 4
    return {
        "output": f"matches-vismatch-{_file_safe(matcher)}-n{max_num_keypoints}-r{resize_max}-q{quantize_px}",
        "model": {"name": "vismatch", "matcher": matcher, "max_num_keypoints": max_num_keypoints},
        "preprocessing": {"grayscale": False, "resize_max": resize_max, "dfactor": 8},
        "max_error": quantize_px,
        "cell_size": quantize_px,
    }


def feature_confs() -> dict[str, dict[str, Any]]:
    """Ours for ``extract_features.confs``, made anew at every call."""
    confs = {"mickey": mickey_conf(), "mickey-1024": mickey_conf(resize_max=1024)}
    return confs | {_conf_name(weights): mickey_conf(weights) for weights in _OTHER_WEIGHTS}


def matcher_confs() -> dict[str, dict[str, Any]]:
    """Ours for ``match_features.confs``, made anew at every call."""
    confs = {"mickey": mickey_matcher_conf()}
    return confs | {_conf_name(weights): mickey_matcher_conf(weights) for weights in _OTHER_WEIGHTS}


def dense_confs() -> dict[str, dict[str, Any]]:
    """Ours for ``match_dense.confs``, made anew at every call; ``vismatch_conf`` has the others."""
    return {VISMATCH_PREFIX + name: vismatch_conf(name) for name in _VISMATCH_SPARSE + _VISMATCH_DENSE}


def _conf_name(weights: str) -> str:
    return weights if weights.startswith("mickey") else f"mickey-{weights}"


def _tag(weights: str | os.PathLike[str]) -> str:
    """Names go by their name; a file also by its bytes, because training writes another model to the same path."""
    path = Path(weights)
    if not path.is_file():
        return _conf_name(_file_safe(os.fspath(weights)))
    return f"{_conf_name(_file_safe(path.stem))}-{sha256(path)[:8]}"


def _file_safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")
