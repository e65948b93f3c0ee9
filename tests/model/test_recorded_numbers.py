"""Formulas of the network against the reference's own numbers; the whole of a small network is in test_network.py.

The numbers are part of the repository, see tests/data/README.md.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.recorded_network import TOLERANCE, relative_error
from torch import Tensor

from mickey_hloc.model.encoder import DinoV2, DinoV2Options
from mickey_hloc.model.heads import DescriptorHead, HeadOptions, sine_encoding
from mickey_hloc.model.mickey import MetricKeypoints, MicKey, MicKeyOptions

HEADS = ("offset", "depth", "score", "descriptor")
LAST_LAYERS = {"offset": "xy_offset", "depth": "depth", "score": "score"}


@pytest.fixture(scope="module")
def pieces(compact: Path) -> dict[str, np.ndarray]:
    with np.load(compact / "pieces.npz") as z:
        return {name: z[name] for name in z.files}


def features_of(pieces: dict[str, np.ndarray]) -> Tensor:
    """What the last layer of each head gets, one after the other: (1, 224, 9, 10)."""
    return torch.from_numpy(np.concatenate([pieces[f"last_layers/{name}_input"] for name in HEADS]))[None]


@pytest.fixture(scope="module")
def last_layers(pieces: dict[str, np.ndarray]) -> MicKey:
    """A network whose heads have no trunk: each takes its channels of the features for what its last layer gets."""
    head = HeadOptions(widths=(8, 8, 128, 32), num_attention_layers=0)
    sizes = {"channels": 64, "num_blocks": 1, "mlp_hidden": 64, "grid_size": 4}
    options = MicKeyOptions("dinov2", sizes, offset=head, depth=head, score=head, descriptor=head)
    model = MicKey(options).eval()
    start = 0
    for name in HEADS:
        end = start + len(pieces[f"last_layers/{name}_input"])
        part = getattr(model, f"{name}_head")
        part.trunk = lambda features, channels=slice(start, end): features[:, channels]
        if name in LAST_LAYERS:
            weight = torch.from_numpy(pieces[f"last_layers/{name}_weight"])[:, :, None, None]
            getattr(part, LAST_LAYERS[name]).load_state_dict({"weight": weight})
        start = end
    model.matcher.load_state_dict({"dustbin_score": torch.from_numpy(pieces["matching/dustbin_score"])})
    return model


@pytest.fixture
def found(last_layers: MicKey, pieces: dict[str, np.ndarray]) -> MetricKeypoints:
    """Keypoints of a 9 x 10 grid from what the last layers get."""
    return last_layers.keypoints_from_features(features_of(pieces))


@torch.inference_mode()
def test_the_last_layers_give_the_references_keypoints(found: MetricKeypoints, pieces: dict[str, np.ndarray]) -> None:
    assert found.grid_shape == (9, 10)
    assert relative_error(found.keypoints[0], pieces["last_layers/keypoints"]) < TOLERANCE
    assert relative_error(found.depths[0], pieces["last_layers/depths"]) < TOLERANCE
    assert relative_error(found.keypoint_scores[0], pieces["last_layers/scores"]) < TOLERANCE
    recorded = pieces["last_layers/descriptors"]
    assert relative_error(found.descriptors[0, :, : recorded.shape[1]], recorded) < TOLERANCE


@torch.inference_mode()
def test_the_descriptors_give_the_references_probabilities(
    last_layers: MicKey, found: MetricKeypoints, pieces: dict[str, np.ndarray]
) -> None:
    descriptors, scores = (torch.from_numpy(pieces[f"matching/{name}1"])[None] for name in ("descriptors", "scores"))
    other = MetricKeypoints(found.keypoints, found.depths, scores, descriptors, found.grid_shape)
    rows = pieces["matching/rows"]
    match = last_layers.match(found, other)[0, rows]
    assert relative_error(match, pieces["matching/match_probability"]) < TOLERANCE
    probability = last_layers.correspondence_probability(found, other)[0, rows]
    assert relative_error(probability, pieces["matching/correspondence_probability"]) < TOLERANCE


@torch.inference_mode()
def test_the_position_embedding_at_other_grids(pieces: dict[str, np.ndarray]) -> None:
    encoder = positions_only(torch.from_numpy(pieces["positions/stored"]))
    resized = encoder(torch.rand(1, 3, 9 * 14, 10 * 14))[0, 0]
    assert relative_error(resized, pieces["positions/resized_9x10"][..., 0]) < TOLERANCE
    y, x = pieces["cells_51x38"].T
    resized = encoder(torch.rand(1, 3, 51 * 14, 38 * 14))[0, 0, y, x]
    assert relative_error(resized, pieces["positions/resized_51x38"][..., 0]) < TOLERANCE


def positions_only(stored: Tensor) -> DinoV2:
    """An encoder whose first channel is the position embedding, stored for (37, 37, 1): the rest adds zeros."""
    encoder = DinoV2(DinoV2Options(channels=64, num_blocks=1, mlp_hidden=64, grid_size=37)).eval()
    for parameter in encoder.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        encoder.pos_embed[0, 1:, 0] = stored.flatten()
    encoder.norm = torch.nn.Identity()
    return encoder


def test_the_sine_encoding_at_the_published_size(pieces: dict[str, np.ndarray]) -> None:
    y, x = pieces["cells_51x38"].T
    encoding = sine_encoding(128, 51, 38)[0, :, y, x].T
    assert relative_error(encoding, pieces["sine/encoding_128_51x38"]) < TOLERANCE


@torch.inference_mode()
def test_the_descriptors_constant_decides_where_features_vanish() -> None:
    head = DescriptorHead(8, HeadOptions(widths=(8, 8, 4, 8), num_attention_layers=0))
    head.trunk = lambda features: features
    found = head(torch.full((1, 4, 1, 1), 1e-5))
    torch.testing.assert_close(
        found, torch.full((1, 4, 1, 1), 1 / 5**0.5), rtol=TOLERANCE, atol=0
    )  # 1e-5 / sqrt(5e-10)


@torch.inference_mode()
def test_an_image_that_is_all_border_has_scores_of_0(last_layers: MicKey, pieces: dict[str, np.ndarray]) -> None:
    assert torch.equal(last_layers.score_head(features_of(pieces)[..., :6, :6]), torch.zeros(1, 1, 6, 6))
