"""Files as the publishers have them, in miniature, and as nobody should."""

import io
import zipfile

import torch

DINOV2 = "/dinov2_vits14_pretrain.pth"
ZIP = "/mickey_weights.zip"


def torch_bytes(content: object, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def checkpoint(value: float) -> dict:
    head = {
        "resblock1.conv1.weight": torch.full((8, 12, 3, 3), value),
        "resblock2.conv1.weight": torch.zeros(6, 8, 3, 3),
        "att_layer.layers.0.q_proj.weight": torch.zeros(6, 6),
        "att_layer.layers.1.q_proj.weight": torch.zeros(6, 6),
    }
    state = {f"compute_matches.extractor.depth_head.{k}": v for k, v in head.items()}
    return {"epoch": 3, "pytorch-lightning_version": "2.0.6", "state_dict": state, "callbacks": {}}


def published_zip(folder: str = "mickey_weights/", first: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(folder + "curriculum_learning.yaml", "a: 1\n")
        file.writestr(folder + "mickey.ckpt", torch_bytes(checkpoint(first)))
        file.writestr(folder + "mickey_sc.ckpt", torch_bytes(checkpoint(2.0)))
        file.writestr("__MACOSX/" + folder + "._mickey.ckpt", b"resource fork")
    return buffer.getvalue()


def hostile(name: str, content: bytes = b"x", mode: int | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("mickey.ckpt", torch_bytes(checkpoint(1.0)))
        entry = zipfile.ZipInfo(name)
        if mode is not None:
            entry.create_system, entry.external_attr = 3, mode << 16
        file.writestr(entry, content)
    return buffer.getvalue()
