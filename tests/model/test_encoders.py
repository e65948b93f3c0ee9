"""Every encoder keeps the contract: a grid of features, one cell per stride."""

import copy

import pytest
import torch

from mickey_hloc.errors import InputError
from mickey_hloc.model.encoder import ENCODERS, Encoder
from mickey_hloc.model.encoders.disk import CELL, peaks
from mickey_hloc.model.mickey import MicKey, MicKeyOptions

SMALL_HEAD = {"widths": [16, 16, 16, 8], "num_attention_layers": 1, "mlp_hidden": 16, "num_attention_heads": 2}
HEADS = dict.fromkeys(("offset", "depth", "score", "descriptor"), SMALL_HEAD)
OPTIONS = {
    "dinov2": {"channels": 64, "num_blocks": 1, "mlp_hidden": 64},
    "disk": {},
    "xfeat": {},
    "xfeat_efficientnet": {},
    "timm": {"name": "vit_small_patch16_dinov3.lvd1689m", "num_blocks": 1},
    "convolutional": {"widths": [8, 8, 16], "blocks": [0, 1, 1], "context_widths": [8, 8], "context_blocks": [1, 0]},
}


@pytest.mark.parametrize("name", ENCODERS.names)
def test_contract(name: str) -> None:
    torch.manual_seed(0)
    encoder = ENCODERS.get(name).from_options(OPTIONS[name]).eval()
    assert isinstance(encoder, Encoder)
    s = encoder.stride
    with torch.no_grad():
        features = encoder(torch.rand(2, 3, 3 * s, 5 * s))
    assert features.shape == (2, encoder.channels, 3, 5)
    assert torch.isfinite(features).all()
    with pytest.raises(InputError, match=f"'no_such_option' of encoder {type(encoder).__name__}; known: "):
        ENCODERS.get(name).from_options({"no_such_option": 1})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dinov2", {"channels": 100}, "channels must be a multiple of 64, got 100"),
        ("dinov2", {"channels": 0}, "multiple of 64"),
        ("dinov2", {"channels": "64"}, "channels of encoder DinoV2 must be a whole number, got '64'"),
        ("dinov2", {"patch_size": 14.0}, "patch_size of encoder DinoV2 must be a whole number"),
        ("dinov2", {"num_blocks": True}, "num_blocks of encoder DinoV2 must be a whole number"),
        ("dinov2", {"grid_size": 0}, "grid_size must be 1 or more"),
        ("dinov2", {"num_registers": -1}, "num_registers must be 0 or more"),
        ("disk", {"descriptor_channels": 0}, "descriptor_channels must be 1 or more"),
        ("timm", {"name": "hf_hub:me/mine"}, "a name of timm.list_models"),
        ("timm", {"name": "vit_of_nobody"}, "has no network 'vit_of_nobody'"),
        ("timm", {"name": "resnet18"}, "no plain vision transformer"),
        ("timm", {"num_blocks": 0}, "num_blocks must be 1 or more"),
        ("convolutional", {"widths": [8, -8], "blocks": [0, 0]}, "widths must be positive"),
        ("convolutional", {"widths": [8], "blocks": [-1]}, "blocks must be"),
        ("convolutional", {"widths": [], "blocks": []}, "widths must be at least one"),
        ("convolutional", {"widths": 8}, "widths of encoder Convolutional must be a list"),
    ],
)
def test_wrong_sizes_are_one_sentence(name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ENCODERS.get(name).from_options(options)


@pytest.mark.parametrize("name", ENCODERS.names)
def test_a_model_on_every_encoder(name: str) -> None:
    torch.manual_seed(0)
    options = MicKeyOptions.from_dict({"encoder": name, "encoder_options": OPTIONS[name], **HEADS})
    model = MicKey(options).train()
    found = model(torch.rand(2, 3, 150, 171))  # no multiple of any stride
    loss = found.depths.square().mean() + (found.descriptors * torch.randn_like(found.descriptors)).mean()
    loss.backward()
    with_gradient = [p.grad is not None for p in model.encoder.parameters()]
    assert not any(with_gradient) if model.encoder.frozen else all(with_gradient)


@pytest.mark.parametrize("name", [name for name in ENCODERS.names if ENCODERS.get(name).frozen])
def test_a_frozen_encoder_is_as_published_from_the_beginning(name: str) -> None:
    """A new module of torch is in training mode, where batch normalisation changes with every image that it sees."""
    torch.manual_seed(0)
    model = MicKey(MicKeyOptions.from_dict({"encoder": name, "encoder_options": OPTIONS[name], **HEADS}))
    before = copy.deepcopy(model.encoder.state_dict())
    images = torch.rand(2, 3, 96, 128)
    with torch.no_grad():
        features = model.encode(images)
        assert torch.equal(features, model.eval().encode(images))
    assert all(torch.equal(before[key], value) for key, value in model.encoder.state_dict().items())


def test_disk_peaks_are_where_the_heat_is() -> None:
    D, H, W = 8, 32, 48
    heat = torch.full((1, 1, H, W), -100.0)
    heat[0, 0, 5::CELL, 12::CELL] = 100.0
    dense = torch.zeros(1, D, H, W)
    dense[:, 3, 5::CELL, 12::CELL] = 2.0
    dense[:, 4, 6::CELL] = 9.0
    descriptors, place, logsum = peaks(dense, heat)
    assert descriptors.shape == (1, D, 2, 3)
    assert torch.allclose(descriptors.argmax(dim=1), torch.tensor(3))
    assert torch.allclose(descriptors.square().mean(dim=1), torch.tensor(1.0), atol=1e-4)
    offset = torch.sigmoid(2 * place)
    assert torch.allclose(offset[:, 0] * CELL, torch.tensor(12.5), atol=1e-3)
    assert torch.allclose(offset[:, 1] * CELL, torch.tensor(5.5), atol=1e-3)
    assert torch.allclose(logsum, torch.tensor(2.0), atol=1e-4)


def test_convolutional_sizes() -> None:
    with pytest.raises(InputError, match="as many widths"):
        ENCODERS.get("convolutional").from_options({"widths": [8, 8], "blocks": [1]})
    with pytest.raises(InputError, match="pool"):
        ENCODERS.get("convolutional").from_options({"pool": 0})
    options = {"widths": [8, 8, 8], "blocks": [0, 0, 1], "context_widths": [], "context_blocks": []}
    assert ENCODERS.get("convolutional").from_options(options).stride == 8


def test_pooled_encoder_sees_the_half_sized_image() -> None:
    torch.manual_seed(0)
    whole = ENCODERS.get("convolutional").from_options({**OPTIONS["convolutional"], "pool": 2}).eval()
    half = ENCODERS.get("convolutional").from_options(OPTIONS["convolutional"]).eval()
    half.load_state_dict(whole.state_dict())
    images = torch.rand(1, 3, 64, 80)
    with torch.no_grad():
        assert whole.stride == 2 * half.stride
        assert torch.allclose(whole(images), half(torch.nn.functional.avg_pool2d(images, 2)), atol=1e-5)
