"""Networks that are quick to build."""

import torch

from mickey_hloc.model.mickey import MicKey
from mickey_hloc.model.options import HeadOptions, MicKeyOptions


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
