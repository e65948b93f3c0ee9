"""The network against recorded numbers, and for sizes, batches and precisions of every kind."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from support.networks import tiny_model
from support.recorded_network import assert_outputs_as_recorded, image_of

from mickey_hloc import load_model
from mickey_hloc.errors import InputError
from mickey_hloc.model.encoder import ENCODERS, DinoV2, DinoV2Options, fold_dinov2_registers, read_dinov2_options
from mickey_hloc.model.heads import sine_encoding
from mickey_hloc.model.matching import DualSoftmax, match_with_ratio_test, mutual_nearest_neighbours
from mickey_hloc.model.mickey import MicKey, MicKeyOptions, autocast_dtype, cpu_multiplies_bf16


def load(folder: Path, precision: str) -> MicKey:
    encoder = folder / "encoder.pth"
    return load_model(folder / "mickey_tiny.ckpt", encoder=encoder, device="cpu", precision=precision)


@pytest.fixture(scope="module")
def network(recorded_network: Path) -> tuple[MicKey, Mapping[str, np.ndarray]]:
    return load(recorded_network, "fp32"), np.load(recorded_network / "network.npz")


@torch.inference_mode()
def test_recorded_outputs(network) -> None:
    model, z = network
    for case in sorted({name.split("/")[0] for name in z}):
        assert_outputs_as_recorded(model, z, case)


@torch.inference_mode()
def test_a_batch_gives_what_single_images_give(network) -> None:
    model, z = network
    images = torch.cat([image_of(z, f"ragged/image{i}") for i in (0, 1)])
    together = model(images)
    for i in (0, 1):
        alone = model(images[i : i + 1])
        torch.testing.assert_close(together[i : i + 1].keypoints, alone.keypoints, atol=1e-3, rtol=0)
        torch.testing.assert_close(together[i : i + 1].depths, alone.depths, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together[i : i + 1].descriptors, alone.descriptors, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_bfloat16_stays_near_float32(network, recorded_network: Path) -> None:
    if cpu_multiplies_bf16() is False:
        pytest.skip("this CPU has no bfloat16 instructions: bf16 is refused on it")
    model, z = network
    half = load(recorded_network, "bf16")
    image = image_of(z, "ragged/image0")
    exact, rounded = model(image), half(image)
    assert rounded.depths.dtype == rounded.descriptors.dtype == torch.float32
    assert not torch.equal(exact.depths, rounded.depths)
    assert float((exact.keypoints - rounded.keypoints).abs().max()) < 1.0
    assert float((exact.descriptors * rounded.descriptors).sum(dim=1).min()) > 0.95


@torch.inference_mode()
def test_two_images_of_different_size() -> None:
    model = tiny_model()
    a, b = model(torch.rand(1, 3, 150, 131)), model(torch.rand(1, 3, 84, 212))
    assert a.grid_shape == (10, 9)
    assert b.grid_shape == (6, 15)
    match, probability = model.match(a, b), model.correspondence_probability(a, b)
    assert match.shape == probability.shape == (1, 90, 90)
    assert float(match.min()) >= 0
    assert float(match.sum(dim=1).max()) <= 1 + 1e-5
    assert float(match.sum(dim=2).max()) <= 1 + 1e-5


@torch.inference_mode()
def test_keypoints_lie_in_their_cells_and_scores_are_a_probability() -> None:
    found = tiny_model()(torch.rand(2, 3, 140, 168))
    rows, columns = found.grid_shape
    cells = found.keypoints.unflatten(1, (rows, columns)) / 14
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    offset = cells - torch.stack([x, y], dim=-1)
    assert float(offset.min()) >= 0
    assert float(offset.max()) <= 1
    torch.testing.assert_close(found.keypoint_scores.sum(dim=1), torch.ones(2))
    scores = found.keypoint_scores.unflatten(1, (rows, columns))
    assert float(scores[:, :3].abs().max()) == float(scores[..., -3:].abs().max()) == 0
    torch.testing.assert_close(found.descriptors.norm(dim=1), torch.ones(2, rows * columns))


def test_an_image_smaller_than_a_cell_is_refused() -> None:
    with pytest.raises(InputError, match="smaller than one 14 px cell"):
        tiny_model()(torch.rand(1, 3, 13, 40))
    with pytest.raises(ValueError, match="float"):
        tiny_model()(torch.zeros(1, 3, 28, 28, dtype=torch.uint8))


@torch.inference_mode()
def test_exponential_depth_is_positive() -> None:
    found = tiny_model(depth_activation="exp", depth_scale_m=3.0)(torch.rand(1, 3, 56, 56))
    assert float(found.depths.min()) > 0
    with pytest.raises(InputError, match="depth_activation of MicKeyOptions must be one of linear, exp"):
        tiny_model(depth_activation="relu")


def test_the_frozen_encoder_stays_frozen() -> None:
    model = tiny_model().train()
    assert not model.encoder.training
    assert model.depth_head.training
    loss = model(torch.rand(1, 3, 112, 112)).depths.sum()
    loss.backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert model.depth_head.depth.weight.grad is not None


@torch.inference_mode()
def test_registers_do_not_become_patches() -> None:
    torch.manual_seed(1)
    encoder = DinoV2(DinoV2Options(channels=64, num_blocks=1, mlp_hidden=64, grid_size=4, num_registers=4)).eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    assert encoder(torch.rand(1, 3, 42, 56)).shape == (1, 64, 3, 4)
    assert read_dinov2_options(encoder.state_dict()).num_registers == 4
    own = encoder.state_dict()
    published = {k: v for k, v in own.items() if k != "reg_token"}
    published["register_tokens"] = own["reg_token"]
    published["cls_token"] = own["cls_token"] - 0.5
    published["pos_embed"] = torch.cat([torch.full((1, 1, 64), 0.5), own["pos_embed"]], dim=1)
    folded = fold_dinov2_registers(published)
    assert set(folded) == set(own)
    for key, value in own.items():
        torch.testing.assert_close(folded[key], value)


@torch.inference_mode()
def test_the_encoder_equals_timms_at_the_stored_grid() -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("vit_small_patch14_dinov2", pretrained=False, depth=2, img_size=70).eval()
    options = read_dinov2_options(theirs.state_dict())
    assert options == DinoV2Options(channels=384, num_blocks=2, mlp_hidden=1536, grid_size=5)
    ours = DinoV2(options).eval()
    ours.load_state_dict(theirs.state_dict())
    image = torch.rand(1, 3, 70, 70)
    expected = theirs.forward_features(image)[:, 1:]
    torch.testing.assert_close(ours(image).flatten(2).transpose(1, 2), expected, atol=1e-5, rtol=1e-5)


def test_the_sine_encoding_tells_all_positions_apart() -> None:
    encoding = sine_encoding(32, 9, 11).flatten(2)[0].T
    distances = torch.cdist(encoding, encoding) + 10 * torch.eye(99)
    assert float(distances.min()) > 0.1
    torch.testing.assert_close(sine_encoding(32, 9, 11)[0, 0, 0, 0], torch.tensor(1.0).sin())


@torch.inference_mode()
def test_dual_softmax_equals_its_definition_with_the_dustbin_in_place() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.nn.functional.normalize(torch.randn(2, 16, n, generator=generator), dim=1) for n in (7, 12))
    matcher = DualSoftmax(0.1)
    matcher.dustbin_score.fill_(1.7)
    padded = torch.full((2, 8, 13), 1.7)
    padded[:, :-1, :-1] = a.mT @ b / 0.1
    expected = (padded.softmax(dim=2) * padded.softmax(dim=1))[:, :-1, :-1]
    torch.testing.assert_close(matcher(a, b), expected, atol=1e-7, rtol=1e-4)


def test_mutual_nearest_neighbours_of_nothing() -> None:
    for shape in ((0, 5), (5, 0), (0, 0)):
        matches, scores = mutual_nearest_neighbours(torch.zeros(shape))
        assert matches.shape == (0, 2)
        assert scores.shape == (0,)


def test_mutual_nearest_neighbours_are_mutual() -> None:
    probability = torch.tensor([[0.9, 0.8, 0.0], [0.95, 0.1, 0.0], [0.0, 0.0, 0.2]])
    matches, scores = mutual_nearest_neighbours(probability)
    assert matches.tolist() == [[1, 0], [2, 2]]
    assert scores.tolist() == pytest.approx([0.95, 0.2])
    assert mutual_nearest_neighbours(probability, 0.5)[0].tolist() == [[1, 0]]


def test_of_equally_good_partners_one_is_taken() -> None:
    matches, scores = mutual_nearest_neighbours(torch.tensor([[0.2, 0.7], [0.1, 0.7], [0.7, 0.3]]))
    assert matches.tolist() == [[0, 1], [2, 0]]
    assert scores.tolist() == pytest.approx([0.7, 0.7])


def test_the_ratio_test_drops_ambiguous_descriptors() -> None:
    eye = torch.eye(8)
    matches, scores = match_with_ratio_test(eye, eye, 0.8)
    assert matches.tolist() == [[i, i] for i in range(8)]
    assert float(scores.min()) == 1.0
    twins = torch.cat([eye[:, :1], eye[:, :1]], dim=1)
    assert len(match_with_ratio_test(eye, twins, 0.8)[0]) == 0
    assert len(match_with_ratio_test(eye[:, :1], eye, 0.8)[0]) == 0  # no second neighbour, no ratio


@pytest.mark.parametrize("multiplies", [True, False, None])
def test_bf16_on_a_cpu_that_cannot_multiply_it_is_refused(
    multiplies: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    found = {} if multiplies is None else {"avx2": True, "avx512_bf16": multiplies}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert autocast_dtype("auto", cpu) is (torch.bfloat16 if multiplies else None)
    if multiplies is False:
        with pytest.raises(InputError, match="bf16 is far slower than fp32 on this CPU"):
            autocast_dtype("bf16", cpu)
    else:
        assert autocast_dtype("bf16", cpu) == torch.bfloat16


def test_auto_leaves_a_convolutional_encoder_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """XFeat's most reliable cell is another in bf16: keypoints moved by up to 11 pixels for a tenth of the time."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    torch.manual_seed(0)
    image, found = torch.rand(1, 3, 64, 64), {}
    model = MicKey(MicKeyOptions(encoder="convolutional", encoder_options={})).eval()
    for model.precision in ("fp32", "auto", "bf16"):
        with torch.no_grad():
            found[model.precision] = model(image).depths
    assert torch.equal(found["auto"], found["fp32"])
    assert not torch.equal(found["bf16"], found["fp32"])
    assert ENCODERS.get("dinov2").auto_is_16_bit


def test_precision_names() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert autocast_dtype("fp32", cpu) is None
    assert autocast_dtype("fp16", gpu) == autocast_dtype("auto", gpu) == torch.float16
    with pytest.raises(InputError, match="needs a GPU"):
        autocast_dtype("fp16", cpu)
    with pytest.raises(InputError, match="choose one of"):
        autocast_dtype("int8", cpu)
