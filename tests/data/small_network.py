"""The weights of a network small enough to be kept: corners of the tiny network's tensors, coarsely rounded.

Some are scaled by a power of two, so that the small constants under roots and in denominators can be seen in the
outputs.
"""

from collections.abc import Mapping

import numpy as np

Array = np.ndarray

CHANNELS, BLOCKS, MLP_HIDDEN, GRID = 64, 2, 64, 12  # of the encoder; GRID: cells a side of its position embedding
WIDTHS = (8, 8, 16, 8)  # of each head
STORED_GRID = 37

TOKENS = 1 / 32  # small tokens: the LayerNorms' constant shows
BATCH_NORM = {"conv1": 1 / 16, "conv2": 1 / 16, "running_mean": 1 / 16, "running_var": 1 / 256}
ATTENTION = {"merge": 1 / 8, "mlp": 1 / 8}
FIRST_ATTENTION = -6  # times queries' and keys' absolute weights: where elu + 1 is nearly 0, its constant shows
LAST_LAYER = {"xy_offset": 8, "depth": 8, "score": 64}
DUSTBIN = 8  # as much as all descriptors of a row together, which are nearly alike


def small_network(encoder: Mapping[str, Array], checkpoint: Mapping[str, Array]) -> dict[str, Array]:
    """Names, behind ``encoder/`` or ``checkpoint/``, and weights."""
    small = {}
    for name, value in encoder.items():
        if not (name.startswith("blocks.") and int(name.split(".")[1]) >= BLOCKS):
            small[f"encoder/{name}"] = coarse(encoder_corner(name, value))
    for name, value in checkpoint.items():
        small[f"checkpoint/{name}"] = coarse(head_corner(name, value))
    return small


def packed(small: Mapping[str, Array]) -> dict[str, Array]:
    """In few arrays, which take less room: ``names``, ``shapes`` (0 = no such axis), ``values``, and the numbers."""
    tensors = {name: value for name, value in small.items() if value.ndim > 0}
    shapes = [value.shape + (0,) * (4 - value.ndim) for value in tensors.values()]
    return {
        "names": np.array(list(tensors)),
        "shapes": np.array(shapes, dtype=np.int32),
        "values": np.concatenate([value.ravel() for value in tensors.values()]),
        **{name: value for name, value in small.items() if value.ndim == 0},
    }


def coarse(value: Array) -> Array:
    """Rounded to 7 levels (matrices) or 255 (vectors), which float16 holds exactly; a single number stays as it is."""
    if value.ndim == 0:
        return np.float32(value)
    levels = 3 if sum(n > 1 for n in value.shape) > 1 else 127
    step = 2.0 ** np.ceil(np.log2(np.abs(value).max() / levels))
    return np.float16(np.round(value / step) * step)


def corner(value: Array, *shape: int) -> Array:
    """The first entries along each axis for which a size is given."""
    return value[tuple(slice(n) for n in shape[: value.ndim])]


def encoder_corner(name: str, value: Array) -> Array:
    c = CHANNELS
    if name == "pos_embed":
        grid = value[0, 1:, :c].reshape(STORED_GRID, STORED_GRID, c)[:GRID, :GRID]
        return np.concatenate([value[0, :1, :c], grid.reshape(-1, c)])[None] * TOKENS
    if name.endswith("token"):
        return value[..., :c] * TOKENS
    if ".qkv." in name:
        heads = value.reshape(3, -1, *value.shape[1:])[:, :c]  # the first of each of the three
        return corner(heads.reshape(3 * c, *value.shape[1:]), 3 * c, c)
    scale = TOKENS if name.startswith("patch_embed.") or name.endswith("gamma") else 1
    shape = {".fc1.": (MLP_HIDDEN, c), ".fc2.": (c, MLP_HIDDEN), "patch_": (c,)}
    return corner(value, *next((v for k, v in shape.items() if k in name), (c, c))) * scale


def head_corner(name: str, value: Array) -> Array:
    """``compute_matches.extractor.<head>.<part>.<...>``; the matcher's and the score's single numbers as they are."""
    head, part, *rest = name.split(".")[2:]
    if part in LAST_LAYER:
        return corner(value, 2, WIDTHS[3]) * LAST_LAYER[part]
    if part.startswith("resblock"):
        block = int(part[-1])
        widths = (CHANNELS, *WIDTHS)
        out = WIDTHS[2] if block == 4 and head == "dsc_head" else widths[block]
        fan_in = out if rest[0] == "conv2" else widths[block - 1]
        return corner(value, out, fan_in) * BATCH_NORM.get(rest[-1] if rest[0].startswith("bn") else rest[0], 1)
    if part == "att_layer":
        layer, kind = rest[1], rest[2]
        c = WIDTHS[2]
        shape = {"mlp.0": (2 * c, 2 * c), "mlp.2": (c, 2 * c)}.get(".".join(rest[2:4]), (c, c))
        if layer == "0" and kind in ("q_proj", "k_proj"):
            return np.abs(corner(value, *shape)) * FIRST_ATTENTION
        return corner(value, *shape) * ATTENTION.get(kind, 1)
    return value * (DUSTBIN if part == "dustbin_score" else 1)
