"""Confs of our parts in hloc's format: what is written (``output``), by which model, from which images.

hloc reuses whatever it finds in an output file, so everything that changes the numbers is part of the file's name.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Literal

from mickey_hloc.errors import InputError, WeightsError
from mickey_hloc.features import EXTRACTORS
from mickey_hloc.features.mickey import TRAINED, MickeyExtractor
from mickey_hloc.hloc_plugin.parts import HostedPairModel
from mickey_hloc.matching import MATCHERS
from mickey_hloc.matching.mickey import DualSoftmaxMatcher
from mickey_hloc.pair_models import PAIR_MODELS, VISMATCH_PREFIX, PairModel
from mickey_hloc.pair_models.vismatch import VismatchPairModel

# imcui.hloc has a matchers/mickey.py of its own, so ours goes by a name that is free in every host.
MATCHER = "mickey_dual_softmax"

# Matchers that find the keypoints of an image without looking at the other one: they are the same in every pair, and
# rounding them to a grid would only cost accuracy.
_VISMATCH_SPARSE = (
    *("sift-nn", "orb-nn", "superglue", "silk", "dedode", "xfeat", "r2d2"),
    *("sift-lightglue", "superpoint-lightglue", "disk-lightglue", "aliked-lightglue"),
)
TRACK_CELL_PX = 4  # keypoints of one image within a cell of this size become one, so that matches form tracks


def mickey_conf(
    weights: str | os.PathLike[str] = "mickey",
    encoder: str | os.PathLike[str] | None = None,
    resize_max: int | Literal["trained"] | None = TRAINED,
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
    options: dict[str, Any] = {"weights": os.fspath(weights), "precision": precision}
    if encoder is not None:
        options["encoder"] = os.fspath(encoder)
    part = MickeyExtractor(**options, preprocessing={"resize_max": resize_max})
    preprocessing: dict[str, Any] = {"grayscale": False}
    if part.preprocessing.resize_max is not None:
        preprocessing["resize_max"] = part.preprocessing.resize_max
    return {"output": f"feats-{part.tag()}", "model": {"name": "mickey", **options}, "preprocessing": preprocessing}


def mickey_matcher_conf(weights: str | os.PathLike[str] = "mickey", match_threshold: float = 0.0) -> dict[str, Any]:
    """Conf of hloc's ``match_features``: dual softmax with MicKey's dustbin, then mutual nearest neighbours.

    Args:
        weights: the same as for the features: they hold the dustbin value and the temperature.
        match_threshold: matches with a smaller probability (Eq. 3) are left out.
    """
    part = DualSoftmaxMatcher(weights=os.fspath(weights), match_threshold=match_threshold)
    return {"output": f"matches-{part.tag()}", "model": {"name": MATCHER, **vars(part.options)}}


def vismatch_conf(
    matcher: str, resize_max: int = 1024, max_num_keypoints: int = 2048, quantize_px: int | None = None
) -> dict[str, Any]:
    """Conf of hloc's ``match_dense`` for a matcher of the vismatch package.

    Args:
        matcher: its name, as in ``vismatch.available_models``.
        resize_max: px, larger images are shrunk to this longer side.
        max_num_keypoints: maximum number of keypoints (or of matches, of dense methods) a pair.
        quantize_px: keypoints of one image within a cell of this size become one, so that matches form tracks through
            several pairs; 0: only equal ones. Default: 0 for methods that detect keypoints image by image, otherwise 4.
    """
    preprocessing = {"resize_max": resize_max}
    part = PAIR_MODELS.create(
        VISMATCH_PREFIX + matcher, max_num_keypoints=max_num_keypoints, preprocessing=preprocessing
    )
    return track_conf(part, quantize_px)


def track_conf(part: PairModel, quantize_px: int | None = None) -> dict[str, Any]:
    """Conf of hloc's ``match_dense`` that runs a pair model and rounds its keypoints, so that tracks form.

    Raises:
        InputError: the pair model is none that hloc can run.
    """
    if isinstance(part, HostedPairModel):
        return {**part.conf, "output": f"matches-{part.tag()}"}
    if not isinstance(part, VismatchPairModel):
        raise InputError(f"hloc cannot run the pair model {part.name}; it runs its own and those of vismatch.")
    o = part.options
    if quantize_px is None:
        quantize_px = 0 if o.matcher in _VISMATCH_SPARSE else TRACK_CELL_PX
    return {
        "output": f"matches-{part.tag()}-q{quantize_px}",
        "model": {"name": "vismatch", "matcher": o.matcher, "max_num_keypoints": o.max_num_keypoints},
        "preprocessing": {
            "grayscale": False,
            "resize_max": part.preprocessing.resize_max,
            "dfactor": o.size_multiple,
        },
        "max_error": quantize_px,
        "cell_size": quantize_px,
    }


def feature_confs() -> dict[str, dict[str, Any]]:
    """Ours for ``extract_features.confs``, made anew at every call; weights that are not here are left out."""
    confs = {}
    for name in EXTRACTORS.names:
        with contextlib.suppress(WeightsError):
            part = EXTRACTORS.create(name)
            if isinstance(part, MickeyExtractor):
                o = part.options
                confs[name] = mickey_conf(o.weights, o.encoder, o.preprocessing.resize_max, o.precision)
    return confs


def matcher_confs() -> dict[str, dict[str, Any]]:
    """Ours for ``match_features.confs``, made anew at every call."""
    parts = {name: MATCHERS.create(name) for name in MATCHERS.names}
    return {
        name: mickey_matcher_conf(part.options.weights)
        for name, part in parts.items()
        if isinstance(part, DualSoftmaxMatcher)
    }


def dense_confs() -> dict[str, dict[str, Any]]:
    """Ours for ``match_dense.confs``, made anew at every call; ``vismatch_conf`` has the others."""
    parts = [PAIR_MODELS.create(name) for name in PAIR_MODELS.names]
    return {part.name: track_conf(part) for part in parts if isinstance(part, VismatchPairModel)}
