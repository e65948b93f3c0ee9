"""XFeat beside EfficientNet-Lite0: who sees what, sizes, and the published network number by number."""

import pytest
import torch

from mickey_hloc.errors import WeightsError
from mickey_hloc.model.encoders.xfeat import XFeatGrid, XFeatOptions
from mickey_hloc.model.encoders.xfeat_efficientnet import NETWORK, XFeatEfficientNet, create_network
from mickey_hloc.model.mickey import MicKey, MicKeyOptions
from mickey_hloc.weights.checkpoints import load_model, save_model
from mickey_hloc.weights.efficientnet import read_efficientnet_weights

HEAD = {"widths": [16, 16, 16, 8], "num_attention_layers": 0, "mlp_hidden": 16, "num_attention_heads": 2}
HEADS = dict.fromkeys(("offset", "depth", "score", "descriptor"), HEAD)


def published_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state of timm's whole network under the names of the published file: the same parameters in the same order."""
    stages, place = (1, 2, 2, 3, 3, 4, 1), {}
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            place[f"blocks.{stage}.{block}"] = f"_blocks.{len(place)}"
    other = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
    other |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    ends = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "blocks":
            names = first if parts[1] == "0" else other
            renamed[f"{place['.'.join(parts[:3])]}.{names[parts[3]]}.{parts[4]}"] = value
        else:
            renamed[f"{ends[parts[0]]}.{parts[1]}"] = value
    return renamed


def test_matching_is_xfeats_and_only_depth_sees_the_rest() -> None:
    torch.manual_seed(0)
    model = MicKey(MicKeyOptions.from_dict({"encoder": "xfeat_efficientnet", **HEADS})).eval()
    xfeat = XFeatGrid(XFeatOptions()).eval()
    xfeat.network.load_state_dict(model.encoder.network.state_dict())
    image = torch.rand(1, 3, 96, 128)
    with torch.no_grad():
        features = model.encode(image)
        assert torch.equal(features[:, : xfeat.channels], xfeat(image))
        before = model.keypoints_from_features(features)
        other = features.clone()
        other[:, xfeat.channels :] += torch.randn(1, features.shape[1] - xfeat.channels, 1, 1)
        after = model.keypoints_from_features(other)
    assert torch.equal(before.keypoints, after.keypoints)
    assert torch.equal(before.descriptors, after.descriptors)
    assert torch.equal(before.keypoint_scores, after.keypoint_scores)
    assert not torch.allclose(before.depths, after.depths)


@pytest.mark.parametrize("size", [(160, 192), (480, 640)])
def test_equals_timms_network_where_sides_are_even(size: tuple[int, int]) -> None:
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model(NETWORK, pretrained=False, features_only=True, out_indices=(2, 3, 4)).eval()
    ours = create_network().eval()
    ours.load_state_dict(theirs.state_dict())
    image = torch.rand(1, 3, *size)
    with torch.no_grad():
        for one, other in zip(ours(image), theirs(image), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("cells", [(1, 1), (2, 3), (5, 5)])
def test_any_number_of_cells(cells: tuple[int, int]) -> None:
    encoder = XFeatEfficientNet(XFeatOptions()).eval()
    features = encoder(torch.rand(1, 3, 16 * cells[0], 16 * cells[1]))
    assert features.shape == (1, encoder.channels, *cells)
    assert torch.isfinite(features).all()


def test_published_weights_are_read_without_the_classifier(tmp_path) -> None:
    import timm

    torch.manual_seed(0)
    whole = timm.create_model(NETWORK, pretrained=False).eval()
    torch.save(published_names(whole.state_dict()), tmp_path / "lite0.pth")
    encoder = XFeatEfficientNet(XFeatOptions()).eval()
    given = encoder.load_state_dict(read_efficientnet_weights(tmp_path / "lite0.pth"), strict=False)
    assert not given.unexpected_keys
    assert all(key.startswith("network.") for key in given.missing_keys)
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        last = whole.blocks(whole.bn1(whole.conv_stem(2 * image - 1)))
        assert torch.allclose(encoder.scene(2 * image - 1)[-1], last, atol=2e-3 * float(last.abs().max()))
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no weights of an EfficientNet-Lite0"):
        read_efficientnet_weights(tmp_path / "other.pth")
    for key in ("other", "_blocks.16._bn0.weight", "_blocks.3._bn9.weight", "_other.weight"):
        torch.save({**published_names(whole.state_dict()), key: torch.zeros(1)}, tmp_path / "more.pth")
        with pytest.raises(WeightsError, match="parameters that no EfficientNet-Lite0 has"):
            read_efficientnet_weights(tmp_path / "more.pth")


def test_files_keep_the_encoder_in_half_and_the_heads_as_they_are(tmp_path) -> None:
    from safetensors import safe_open

    torch.manual_seed(0)
    model = MicKey(MicKeyOptions.from_dict({"encoder": "xfeat_efficientnet", **HEADS})).eval()
    path = save_model(model, tmp_path / "model.safetensors", include_encoder=True)
    with safe_open(path, "pt") as file:
        kinds = {key: file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118
    assert {dtype for key, dtype in kinds.items() if key.startswith("encoder.")} == {torch.float16, torch.int64}
    assert {dtype for key, dtype in kinds.items() if not key.startswith("encoder.")} == {torch.float32, torch.int64}
    again = load_model(path, device="cpu", precision="fp32")
    for key, value in model.state_dict().items():
        stored = value.half().float() if key.startswith("encoder.") and value.is_floating_point() else value
        assert again.state_dict()[key].dtype == value.dtype
        assert torch.equal(again.state_dict()[key], stored), key
    twice = save_model(again, tmp_path / "twice.safetensors", include_encoder=True)
    assert twice.read_bytes() == path.read_bytes()
    with torch.no_grad():
        model.encoder.scene.bn1.running_var[0] = 1e6
    with pytest.raises(WeightsError, match=r"has no room for encoder\.scene\.bn1\.running_var"):
        save_model(model, tmp_path / "large.safetensors", include_encoder=True)
    assert not (tmp_path / "large.safetensors").exists()


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64])
def test_files_with_other_types_are_refused(dtype: torch.dtype, tmp_path) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    torch.manual_seed(0)
    model = MicKey(MicKeyOptions.from_dict({"encoder": "xfeat_efficientnet", **HEADS})).eval()
    path = save_model(model, tmp_path / "model.safetensors", include_encoder=True)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    state = load_file(path)
    state["encoder.scene.conv_stem.weight"] = state["encoder.scene.conv_stem.weight"].to(dtype)
    save_file(state, tmp_path / "other.safetensors", metadata=metadata)
    with pytest.raises(WeightsError, match=r"wrong types: encoder\.scene\.conv_stem\.weight"):
        load_model(tmp_path / "other.safetensors", device="cpu")
