"""Makes the compact set of recorded numbers from the full one: ``python tests/data/make.py FOLDER_OF_THE_FULL_SET``.

What is in there, and how far it can be trusted, stands in the README.md beside this file.
"""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from float64_network import (
    Array,
    Found,
    Weights,
    encode,
    head_trunks,
    keypoints_of,
    last_layer_weights,
    match_probability,
    resized_positions,
    sine_encoding,
)
from small_network import packed, small_network

DUSTBIN = "compute_matches.matcher.matching_mat.dustbin_score"
AGREEMENT = 1e-5  # of the float64 network with the reference implementation, relative to an output's largest value
CASES = ("landscape", "portrait", "ragged")
IMAGE_SIZE = 7 * 14 + 5, 9 * 14 + 3  # height and width: 7 x 9 cells and a rest that is cropped
PUBLISHED_GRID = 51, 38  # cells of a portrait of 540 x 720
STEPS = 2.0**20  # of the solver's probability, in 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("full", type=Path, help="folder with encoder.pth, mickey_tiny.ckpt, *.npz and mapfree/")
    make(parser.parse_args().full, Path(__file__).resolve().parent)


def make(full: Path, output: Path) -> None:
    """Write the compact set into a folder that exists.

    Raises:
        RuntimeError: the float64 network does not reproduce the full set.
    """
    encoder, checkpoint = read_weights(full / "encoder.pth"), read_weights(full / "mickey_tiny.ckpt")
    with np.load(full / "network.npz") as recorded:
        inputs = {case: check_against_reference(recorded, case, encoder, checkpoint) for case in CASES}
        np.savez_compressed(output / "pieces.npz", **pieces(recorded, inputs["ragged"], encoder, checkpoint))
    small = small_network(encoder, checkpoint)
    np.savez_compressed(output / "weights.npz", **packed(small))
    np.savez_compressed(output / "network.npz", **network_case("ragged", small))
    with np.load(full / "solver.npz") as solver:
        np.savez_compressed(output / "solver.npz", **compact_solver(solver))
    with np.load(full / "losses.npz") as losses:
        np.savez_compressed(output / "losses.npz", **compact_losses(losses))
    for path in (full / "mapfree").rglob("*.*"):
        copy = output / path.relative_to(full)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def read_weights(path: Path) -> dict[str, Array]:
    """Names and float64 values of a checkpoint's weights, without its counters."""
    content = torch.load(path, weights_only=True)
    state = content.get("state_dict", content)
    return {k: v.double().numpy() for k, v in state.items() if v.is_floating_point()}


def run_heads(features: Array, checkpoint: Weights) -> tuple[dict[str, Array], Found]:
    """Features (rows, columns, C) -> what each head's last layer gets, and the keypoints."""
    trunks = head_trunks(features, checkpoint)
    return trunks, keypoints_of(trunks, last_layer_weights(checkpoint))


def outputs(features: Array, found0: Found, found1: Found, dustbin: float) -> dict[str, Array]:
    """Everything that is recorded of a pair of images, under its name in the full set; Eq. 2 and 3 last."""
    named = {"encoder0": features.reshape(-1, features.shape[-1])}
    for i, found in enumerate((found0, found1)):
        named |= {f"{name}{i}": value for name, value in found._asdict().items()}
    match = match_probability(found0.descriptors, found1.descriptors, dustbin)
    named["match_probability"] = match
    named["correspondence_probability"] = match * found0.scores[:, None] * found1.scores
    return named


def check_against_reference(
    recorded: Mapping[str, Array], case: str, encoder: Weights, checkpoint: Weights
) -> dict[str, Array]:
    """What the last layers of the first image get, once every output is known to equal the reference's."""
    features = [encode(recorded[f"{case}/image{i}"], encoder) for i in (0, 1)]
    (inputs, found0), (_, found1) = (run_heads(f, checkpoint) for f in features)
    for name, value in outputs(features[0], found0, found1, checkpoint[DUSTBIN]).items():
        expected = recorded[f"{case}/{name}"]
        error = np.abs(value - expected).max() / np.abs(expected).max()
        if error > AGREEMENT:
            raise RuntimeError(f"{case}/{name}: the float64 network differs from the reference by {error:.1e}")
    return inputs


def pieces(
    recorded: Mapping[str, Array], inputs: Mapping[str, Array], encoder: Weights, checkpoint: Weights
) -> dict[str, Array]:
    """The reference's own outputs with what leads to them, and two formulas at the published sizes."""
    case = {k.removeprefix("ragged/"): recorded[k] for k in recorded if k.startswith("ragged/")}
    rows = np.flatnonzero(case["scores0"])
    positions = encoder["pos_embed"][0, 1:, :1].reshape(37, 37, 1)
    cells = np.array([[0, 0], [0, 37], [50, 0], [50, 37], [17, 23], [9, 4]])
    at_cells = cells[:, 0], cells[:, 1]
    return {
        **{f"last_layers/{name}_input": np.float32(value) for name, value in inputs.items()},
        **{f"last_layers/{name}_weight": np.float32(v) for name, v in last_layer_weights(checkpoint).items()},
        **{f"last_layers/{name}": case[f"{name}0"] for name in ("keypoints", "depths", "scores")},
        "last_layers/descriptors": case["descriptors0"][:, :8],
        "matching/descriptors1": case["descriptors1"],
        "matching/scores1": case["scores1"],
        "matching/dustbin_score": np.float32(checkpoint[DUSTBIN]),
        "matching/rows": rows,
        "matching/match_probability": case["match_probability"][rows],
        "matching/correspondence_probability": case["correspondence_probability"][rows],
        "cells_51x38": cells,
        "positions/stored": np.float32(positions),
        "positions/resized_9x10": np.float32(resized_positions(positions, 9, 10)),
        "positions/resized_51x38": np.float32(resized_positions(positions, *PUBLISHED_GRID)[at_cells]),
        "sine/encoding_128_51x38": np.float32(sine_encoding(128, *PUBLISHED_GRID)[:, cells[:, 0], cells[:, 1]].T),
    }


def network_case(case: str, small: Weights) -> dict[str, Array]:
    """Two made-up images and what the small network computes from them, in the layout of the full set."""
    encoder, checkpoint = (
        {k.removeprefix(prefix): v.astype(float) for k, v in small.items() if k.startswith(prefix)}
        for prefix in ("encoder/", "checkpoint/")
    )
    images = [made_up_image(seed) for seed in (0, 1)]
    features = [encode(image, encoder) for image in images]
    found = [run_heads(f, checkpoint)[1] for f in features]
    computed = outputs(features[0], *found, checkpoint[DUSTBIN])
    return {
        **{f"{case}/image{i}": image for i, image in enumerate(images)},
        **{f"{case}/{name}": np.float32(value) for name, value in computed.items()},
    }


def made_up_image(seed: int) -> Array:
    """Random squares of 3 x 3 pixels in 16 levels, which take little room: (H, W, 3) of 8 bits."""
    height, width = IMAGE_SIZE
    squares = np.random.default_rng(seed).integers(0, 16, (height // 3 + 1, width // 3 + 1, 3)) * 17
    return squares.repeat(3, axis=0).repeat(3, axis=1)[:height, :width].astype(np.uint8)


def compact_solver(z: Mapping[str, Array]) -> dict[str, Array]:
    """All of it; the probability in steps of 2^-20, a twentieth of its background's range."""
    return {**{k: z[k] for k in z}, "problem/P": np.float16(np.round(z["problem/P"] * STEPS) / STEPS)}


def compact_losses(z: Mapping[str, Array]) -> dict[str, Array]:
    """All of it; the probability only where a correspondence was drawn, 0 elsewhere: nothing else is read."""
    P = z["train/P"]
    drawn = np.zeros((len(P), P[0].size), dtype=bool)
    np.put_along_axis(drawn, z["train/samples_outer"].reshape(len(P), -1), True, axis=1)
    return {**{k: z[k] for k in z}, "train/P": np.where(drawn.reshape(P.shape), P, np.float32(0))}


if __name__ == "__main__":
    main()
