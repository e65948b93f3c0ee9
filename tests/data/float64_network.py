"""MicKey's network written a second time, in plain numpy and float64, to record what small networks must compute.

It shares nothing with the package: every formula stands here as the paper and DINOv2 state it, without regard to speed.
``make.py`` checks it against the numbers of the reference implementation before it records anything with it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import erf

Array = np.ndarray
Weights = Mapping[str, Array]

PATCH = 14
ATTENTION_CHANNELS = 64  # channels of an attention head, in every DINOv2
LINEAR_ATTENTION_HEADS = 8
HEADS = {"offset": "det_offset", "depth": "depth_head", "score": "det_head", "descriptor": "dsc_head"}
LAST_LAYER = {"offset": "xy_offset", "depth": "depth", "score": "score"}


class Found(NamedTuple):
    """What the network finds in one image: (N, 2) px, (N,) m, (N,) and (D, N), N = rows x columns."""

    keypoints: Array
    depths: Array
    scores: Array
    descriptors: Array


def under(weights: Weights, prefix: str) -> dict[str, Array]:
    """The weights whose name begins with ``prefix.``, without it."""
    return {k.removeprefix(prefix + "."): v for k, v in weights.items() if k.startswith(prefix + ".")}


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def layer_norm(x: Array, w: Weights, eps: float) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps) * w["weight"] + w["bias"]


# The encoder: DINOv2.


def resized_positions(stored: Array, rows: int, columns: int) -> Array:
    """Position embedding (g, g, C) at another grid size, (rows, columns, C): bicubic, by the factor (n + 0.1) / g."""
    size = len(stored)
    by_row = np.tensordot(cubic_weights(rows, size), stored, axes=(1, 0))
    return np.tensordot(cubic_weights(columns, size), by_row, axes=(1, 1)).swapaxes(0, 1)


def cubic_weights(count: int, size: int) -> Array:
    """(count, size): how much of each stored cell goes into each resized one; cells beyond the border are repeated."""
    centre = (np.arange(count) + 0.5) * size / (count + 0.1) - 0.5
    weights = np.zeros((count, size))
    for step in range(-1, 3):
        cell = np.floor(centre).astype(int) + step
        d = np.abs(centre - cell)
        a = -0.75
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * (d**3 - 5 * d**2 + 8 * d - 4)
        weights[np.arange(count), cell.clip(0, size - 1)] += np.where(d <= 1, near, np.where(d < 2, far, 0.0))
    return weights


def encode(image: Array, w: Weights) -> Array:
    """Patch tokens after the last LayerNorm, (rows, columns, C), of an image (H, W, 3) of 8 bits."""
    rows, columns = image.shape[0] // PATCH, image.shape[1] // PATCH
    cropped = image[: rows * PATCH, : columns * PATCH].astype(float) / 255
    patches = cropped.reshape(rows, PATCH, columns, PATCH, 3)
    kernel = w["patch_embed.proj.weight"]
    tokens = np.einsum("iyjxc,ocyx->ijo", patches, kernel, optimize=True) + w["patch_embed.proj.bias"]
    size = int(np.sqrt(w["pos_embed"].shape[1]))
    positions = w["pos_embed"][0]
    tokens = tokens + resized_positions(positions[1:].reshape(size, size, -1), rows, columns)
    x = np.concatenate([w["cls_token"][0] + positions[:1], tokens.reshape(rows * columns, -1)])
    for i in range(1 + max(int(k.split(".")[1]) for k in w if k.startswith("blocks."))):
        x = transformer_block(x, under(w, f"blocks.{i}"))
    return layer_norm(x, under(w, "norm"), 1e-6)[1:].reshape(rows, columns, -1)


def transformer_block(x: Array, w: Weights) -> Array:
    y = layer_norm(x, under(w, "norm1"), 1e-6) @ w["attn.qkv.weight"].T + w["attn.qkv.bias"]
    q, k, v = (part.reshape(len(x), -1, ATTENTION_CHANNELS).swapaxes(0, 1) for part in np.split(y, 3, axis=1))
    attended = softmax(q @ k.swapaxes(1, 2) / np.sqrt(ATTENTION_CHANNELS), axis=2) @ v
    y = attended.swapaxes(0, 1).reshape(len(x), -1) @ w["attn.proj.weight"].T + w["attn.proj.bias"]
    x = x + w["ls1.gamma"] * y
    y = layer_norm(x, under(w, "norm2"), 1e-6) @ w["mlp.fc1.weight"].T + w["mlp.fc1.bias"]
    y = 0.5 * y * (1 + erf(y / np.sqrt(2))) @ w["mlp.fc2.weight"].T + w["mlp.fc2.bias"]
    return x + w["ls2.gamma"] * y


# The heads.


def convolve(x: Array, kernel: Array) -> Array:
    """(C, h, w) and (O, C, k, k), k odd -> (O, h, w), zeros beyond the border."""
    margin = kernel.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin)))
    windows = sliding_window_view(padded, kernel.shape[-2:], axis=(1, 2))
    return np.einsum("chwyx,ocyx->ohw", windows, kernel, optimize=True)


def batch_norm(x: Array, w: Weights) -> Array:
    scale = w["weight"] / np.sqrt(w["running_var"] + 1e-5)
    return (x - w["running_mean"][:, None, None]) * scale[:, None, None] + w["bias"][:, None, None]


def residual_block(x: Array, w: Weights, last_relu: bool = True) -> Array:
    y = np.maximum(batch_norm(convolve(x, w["conv1.weight"]), under(w, "bn1")), 0)
    y = batch_norm(convolve(y, w["conv2.weight"]), under(w, "bn2"))
    y = y + (convolve(x, w["shortcut.0.weight"]) if "shortcut.0.weight" in w else x)
    return np.maximum(y, 0) if last_relu else y


def sine_encoding(channels: int, rows: int, columns: int) -> Array:
    """(channels, rows, columns): sin x, cos x, sin y, cos y of each wavelength in turn; x and y count from 1."""
    encoding = np.zeros((channels, rows, columns))
    for k in range(channels // 4):
        frequency = 10000.0 ** (-2 * k / (channels / 2))
        x, y = (np.arange(columns) + 1) * frequency, (np.arange(rows) + 1) * frequency
        encoding[4 * k], encoding[4 * k + 1] = np.sin(x), np.cos(x)
        encoding[4 * k + 2], encoding[4 * k + 3] = np.sin(y)[:, None], np.cos(y)[:, None]
    return encoding


def attention_layer(x: Array, w: Weights) -> Array:
    """Linear self-attention of tokens (N, C): x + norm2(mlp([x, norm1(merge(attention))]))."""
    q, k, v = (
        (x @ w[f"{name}_proj.weight"].T).reshape(len(x), LINEAR_ATTENTION_HEADS, -1).swapaxes(0, 1) for name in "qkv"
    )
    q, k = (np.where(y > 0, y + 1, np.exp(np.minimum(y, 0))) for y in (q, k))  # elu + 1
    similarity = q @ k.swapaxes(1, 2)
    attended = similarity @ v / (similarity.sum(axis=2, keepdims=True) + 1e-6)
    message = layer_norm(attended.swapaxes(0, 1).reshape(len(x), -1) @ w["merge.weight"].T, under(w, "norm1"), 1e-5)
    y = np.maximum(np.concatenate([x, message], axis=1) @ w["mlp.0.weight"].T, 0) @ w["mlp.2.weight"].T
    return x + layer_norm(y, under(w, "norm2"), 1e-5)


def head_trunk(features: Array, w: Weights, is_descriptor: bool) -> Array:
    """Features (rows, columns, C) -> what the head's last layer gets, (channels, rows, columns)."""
    x = features.transpose(2, 0, 1)
    for i in (1, 2, 3):
        x = residual_block(x, under(w, f"resblock{i}"))
    shape = x.shape
    x = (x + sine_encoding(*shape)).reshape(shape[0], -1).T
    layers = under(w, "att_layer.layers")
    for i in range(1 + max(int(k.split(".")[0]) for k in layers)):
        x = attention_layer(x, under(layers, str(i)))
    return residual_block(x.T.reshape(shape), under(w, "resblock4"), last_relu=not is_descriptor)


def head_trunks(features: Array, checkpoint: Weights) -> dict[str, Array]:
    """Head name -> what its last layer gets."""
    extractor = under(checkpoint, "compute_matches.extractor")
    return {name: head_trunk(features, under(extractor, key), name == "descriptor") for name, key in HEADS.items()}


def last_layer_weights(checkpoint: Weights) -> dict[str, Array]:
    """Head name -> weights of its last 1x1 convolution, (out, in)."""
    extractor = under(checkpoint, "compute_matches.extractor")
    return {name: extractor[f"{HEADS[name]}.{layer}.weight"][:, :, 0, 0] for name, layer in LAST_LAYER.items()}


def keypoints_of(trunks: Mapping[str, Array], weights: Mapping[str, Array]) -> Found:
    """The last layers of all heads."""
    rows, columns = trunks["depth"].shape[1:]
    offset, depth, score = (np.tensordot(weights[name], trunks[name], axes=1) for name in LAST_LAYER)
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    keypoints = PATCH * (np.stack([x, y]) + 1 / (1 + np.exp(-offset)))
    scores = np.zeros((rows, columns))
    inside = slice(3, rows - 3), slice(3, columns - 3)
    scores[inside] = np.exp((score[0] - score[0].mean()) / 100)[inside]
    d = trunks["descriptor"].reshape(len(trunks["descriptor"]), -1)
    return Found(
        keypoints.reshape(2, -1).T,
        depth.ravel(),
        (scores / (scores.sum() + 1e-16)).ravel(),
        d / np.sqrt((d**2).sum(axis=0) + 1e-10),
    )


def match_probability(descriptors0: Array, descriptors1: Array, dustbin: float) -> Array:
    """Dual softmax (Eq. 3) of (D, N0) and (D, N1), the dustbin appended as row, column and corner: (N0, N1)."""
    padded = np.full((descriptors0.shape[1] + 1, descriptors1.shape[1] + 1), float(dustbin))
    padded[:-1, :-1] = descriptors0.T @ descriptors1 / 0.1
    return (softmax(padded, axis=1) * softmax(padded, axis=0))[:-1, :-1]
