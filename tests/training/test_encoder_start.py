"""Heads that start at the own keypoints, descriptors and confidence of an encoder."""

import pytest
import torch

from mickey_hloc.errors import InputError
from mickey_hloc.model.mickey import MicKey, MicKeyOptions
from mickey_hloc.training.encoder_start import start_from_encoder


def make_model(encoder: str, last_width: int = 32) -> MicKey:
    torch.manual_seed(0)
    head = {"widths": [32, 32, 32, last_width], "num_attention_layers": 1, "mlp_hidden": 16, "num_attention_heads": 2}
    heads = dict.fromkeys(("offset", "depth", "score"), head)
    wide = {**head, "widths": [128, 128, 128, 64]}
    options = {"encoder": encoder, **heads, "descriptor": wide, "depth_activation": "exp", "depth_scale_m": 2.0}
    return MicKey(MicKeyOptions.from_dict({**options, "score_border_cells": 0, "score_temperature": 10.0})).eval()


@pytest.mark.parametrize(("name", "D"), [("disk", 128), ("xfeat", 64)])
def test_network_starts_at_its_encoder(name: str, D: int) -> None:
    model = make_model(name)
    start_from_encoder(model, name)
    g = torch.Generator().manual_seed(1)
    features = torch.randn(2, model.encoder.channels, 12, 14, generator=g)
    with torch.no_grad():
        found = model.keypoints_from_features(features)
    x = torch.arange(14.0)[None, None, :] + torch.sigmoid(2 * features[:, D])
    assert (found.keypoints[..., 0] / 16 - x.flatten(1)).abs().mean() < 0.08
    wanted = torch.softmax(features[:, D + 2].flatten(1), dim=1)
    correlation = torch.corrcoef(torch.stack([found.keypoint_scores.log().flatten(), wanted.log().flatten()]))[0, 1]
    assert correlation > 0.95
    ours = found.descriptors[0].T @ found.descriptors[0]
    theirs = torch.nn.functional.normalize(features[0, :D].flatten(1), dim=0)
    similarity = torch.corrcoef(torch.stack([ours.flatten(), (theirs.T @ theirs).flatten()]))[0, 1]
    assert similarity > 0.7  # DISK's projection to half the width blurs it
    assert (found.depths / 2.0).log().abs().median() < 0.5
    again = make_model(name)
    start_from_encoder(again, name)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("name", ["disk", "xfeat"])
def test_needs_its_own_encoder_and_room(name: str) -> None:
    for other in {"disk", "xfeat", "convolutional"} - {name}:
        with pytest.raises(InputError, match=f"{name} encoder"):
            start_from_encoder(make_model(other), name)
    with pytest.raises(InputError, match="wide"):
        start_from_encoder(make_model(name, last_width=2), name)
