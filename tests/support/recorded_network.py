"""The small recorded network as the files a user has, and the comparison with what was recorded of a network."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.model.mickey import MicKey

TOLERANCE = 1e-4  # relative to the largest value of an output


def write_small_network(compact: Path, folder: Path) -> None:
    """The compact set's network as the full set has one: encoder.pth, mickey_tiny.ckpt (published) and network.npz."""
    with np.load(compact / "weights.npz") as z:
        names = z["names"].tolist()
        shapes = [[int(n) for n in shape if n] for shape in z["shapes"]]
        parts = np.split(z["values"].astype(np.float32), np.cumsum([np.prod(shape) for shape in shapes])[:-1])
        tensors = {n: torch.from_numpy(v).reshape(s) for n, v, s in zip(names, parts, shapes, strict=True)}
        tensors |= {name: torch.from_numpy(z[name]) for name in z.files if z[name].ndim == 0}
    counters = [n.replace("running_var", "num_batches_tracked") for n in tensors if n.endswith("running_var")]
    tensors |= {name: torch.tensor(0) for name in counters}  # of the batch norms: published with the weights, unused
    encoder, checkpoint = (
        {k.removeprefix(p): v for k, v in tensors.items() if k.startswith(p)} for p in ("encoder/", "checkpoint/")
    )
    torch.save(encoder, folder / "encoder.pth")
    torch.save({"epoch": 0, "state_dict": checkpoint}, folder / "mickey_tiny.ckpt")
    shutil.copyfile(compact / "network.npz", folder / "network.npz")


def relative_error(value: Tensor, expected: np.ndarray) -> float:
    return float(np.abs(value.detach().numpy() - expected).max() / np.abs(expected).max())


def image_of(recorded: Mapping[str, np.ndarray], name: str) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(recorded[name]).permute(2, 0, 1)[None].float() / 255


def assert_outputs_as_recorded(model: MicKey, recorded: Mapping[str, np.ndarray], case: str) -> None:
    """Everything the network computes from a recorded pair of images equals what was recorded."""
    images = [image_of(recorded, f"{case}/image{i}") for i in (0, 1)]
    features = model.encode(images[0])
    found = [model(image) for image in images]
    computed = {"encoder0": features.flatten(2)[0].T}
    for i in (0, 1):
        computed |= {
            f"keypoints{i}": found[i].keypoints[0],
            f"depths{i}": found[i].depths[0],
            f"scores{i}": found[i].keypoint_scores[0],
            f"descriptors{i}": found[i].descriptors[0],
        }
    computed["match_probability"] = model.match(*found)[0]
    computed["correspondence_probability"] = model.correspondence_probability(*found)[0]
    assert {f"{case}/{name}" for name in computed} <= set(recorded)
    for name, value in computed.items():
        assert relative_error(value, recorded[f"{case}/{name}"]) < TOLERANCE, f"{case}/{name}"
