"""A tiny world on disk and a tiny configuration, for tests of whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

TINY_HEAD = {"widths": [8, 8, 8, 8], "num_attention_layers": 1, "mlp_hidden": 8, "num_attention_heads": 2}


def write_world(root: Path, frames: int = 6, size: tuple[int, int] = (96, 80)) -> None:
    """A Map-free layout with a train and a val scene: one textured wall 2 m away, cameras in a row."""
    rng = np.random.default_rng(0)
    wall = np.repeat(np.repeat(rng.integers(0, 255, (30, 60, 3), dtype=np.uint8), 8, axis=0), 8, axis=1)
    w, h = size
    for split, scene in (("train", "s00000"), ("val", "s00460")):
        folder = root / split / scene
        names = [f"seq0/frame_{i:05d}.jpg" for i in range(frames if split == "train" else 1)]
        names += [f"seq1/frame_{i:05d}.jpg" for i in range(3)] if split == "val" else []
        for sequence in ("seq0", "seq1"):
            (folder / sequence).mkdir(parents=True, exist_ok=True)
        poses = []
        for i, name in enumerate(names):
            x = 0.08 * i  # metres; 40 px a metre on the wall at 80 px focal length
            left = 20 + round(40 * x)
            Image.fromarray(wall[40 : 40 + h, left : left + w]).save(folder / name, quality=95)
            depth = folder / name.replace(".jpg", ".sensor.png")
            Image.fromarray(np.full((h, w), 2000, dtype=np.uint16)).save(depth)
            poses.append(f"{name} 1 0 0 0 {-x} 0 0\n")
        (folder / "poses.txt").write_text("".join(poses))
        lines = [f"{name} 80 80 {(w - 1) / 2} {(h - 1) / 2} {w} {h}\n" for name in names]
        (folder / "intrinsics.txt").write_text("".join(lines))
        if split == "train":
            pairs = [(0, i, 0, j) for i in range(frames) for j in range(i + 1, frames)]
            overlaps = np.linspace(0.4, 0.9, len(pairs), dtype=np.float32)
            np.savez(folder / "overlaps.npz", idxs=np.array(pairs, dtype=np.uint16), overlaps=overlaps)


def tiny_values(root: Path, output: Path, **changes: Any) -> dict[str, Any]:
    """A configuration that trains in seconds."""
    values: dict[str, Any] = {
        "name": "tiny",
        "output": str(output),
        "data": {
            "train": {"kind": "mapfree", "root": str(root)},
            "val": {"kind": "mapfree", "root": str(root), "split": "val", "judge": "png:sensor"},
            "size_wh": [96, 80],
            "batch_size": 2,
            "pairs_per_epoch": 4,
            "workers": 0,
        },
        "model": {
            "encoder": "convolutional",
            "encoder_options": {
                "widths": [8, 8, 8],
                "blocks": [0, 0, 1],
                "context_widths": [8],
                "context_blocks": [0],
            },
            **dict.fromkeys(("offset", "depth", "score", "descriptor"), TINY_HEAD),
            "depth_activation": "exp",
            "depth_scale_m": 2.0,
            "score_border_cells": 1,
        },
        "loss": {"num_sets": 2, "num_samples": 20, "num_hypotheses": 3, "sample_size": 4},
        "curriculum": {"by": "none"},
        "validation": {"solver": {"num_sets": 2, "num_samples": 30, "num_hypotheses": 5}, "pictures": 1},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "devices": 1, "log_every_steps": 1},
    }
    for key, value in changes.items():
        where = values
        *path, last = key.split("__")
        for part in path:
            where = where.setdefault(part, {})
        where[last] = value
    return values


def state_of(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a run's checkpoint."""
    loaded: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return loaded
