"""Networks that are quick to build."""

from pathlib import Path

import torch

from mickey_hloc.model.mickey import MicKey
from mickey_hloc.model.options import HeadOptions, MicKeyOptions
from mickey_hloc.weights.checkpoints import save_model


def tiny_model(**options) -> MicKey:
    """Random weights, two blocks, small heads."""
    torch.manual_seed(0)
    head = HeadOptions(widths=(16, 16, 16, 8), num_attention_layers=1, mlp_hidden=32)
    encoder = {"channels": 64, "num_blocks": 2, "mlp_hidden": 128, "grid_size": 5}
    values = {"encoder_options": encoder, "offset": head, "depth": head, "score": head, "descriptor": head}
    model = MicKey(MicKeyOptions(**(values | options))).eval()
    if model.options.encoder == "dinov2":
        torch.nn.init.normal_(model.encoder.pos_embed, std=0.02)
    return model


def save_tiny_model(folder: Path, training_size_px: int | None) -> Path:
    """Weights of a tiny model that say at which size it was trained."""
    model = tiny_model(training_size_px=training_size_px)
    return save_model(model, folder / f"s{training_size_px}.safetensors", include_encoder=True)
