"""Tiny random networks, saved to a folder and loaded through the library's own code."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mickey_hloc.cli import main
from mickey_hloc.depth import get_depth_source
from mickey_hloc.depth.transformers import TransformersOptions, check_metric
from mickey_hloc.errors import InputError, WeightsError

transformers = pytest.importorskip("transformers")

SIZES = {"landscape.jpg": (81, 47), "portrait.jpg": (33, 90), "narrow.png": (34, 60)}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        Image.fromarray(pixels.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(folder / name)
    Image.new("L", (50, 40), 90).save(folder / "grey.png")
    Image.new("RGB", (3, 40), (90, 0, 0)).save(folder / "sliver.png")
    return folder


def dinov2(**options: Any) -> Any:
    return transformers.Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        **options,
    )


def depth_anything(kind: str = "metric") -> Any:
    backbone = dinov2(reshape_hidden_states=False, apply_layernorm=True)
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20,
    )
    size = {"height": 56, "width": 56}
    processor = transformers.DPTImageProcessor(size=size, keep_aspect_ratio=True, ensure_multiple_of=14)
    return transformers.DepthAnythingForDepthEstimation(config), processor


def dpt() -> Any:
    config = transformers.DPTConfig(
        backbone_config=dinov2(reshape_hidden_states=False),
        is_hybrid=False,
        hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        readout_type="project",
    )
    size = {"height": 56, "width": 56}
    return transformers.DPTForDepthEstimation(config), transformers.DPTImageProcessor(size=size, ensure_multiple_of=14)


def zoedepth() -> Any:
    config = transformers.ZoeDepthConfig(
        backbone_config=transformers.BeitConfig(
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=64,
            patch_size=16,
            out_features=["stage1", "stage2", "stage3", "stage4"],
            reshape_hidden_states=False,
        ),
        backbone_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=8,
        bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 1],
    )
    processor = transformers.ZoeDepthImageProcessor(size={"height": 64, "width": 64})
    return transformers.ZoeDepthForDepthEstimation(config), processor


def glpn() -> Any:
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 8, 8, 8], depths=[1] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8, max_depth=10
    )
    return transformers.GLPNForDepthEstimation(config), transformers.GLPNImageProcessor()


def depth_pro() -> Any:
    encoder: dict[str, Any] = {"model_type": "dinov2", "hidden_size": 16, "num_hidden_layers": 2, "mlp_ratio": 2}
    encoder |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    config = transformers.DepthProConfig(
        fusion_hidden_size=8,
        patch_size=32,
        initializer_range=0.05,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.25],
        scaled_images_feature_dims=[8, 8],
        use_fov_model=True,
        image_model_config=encoder,
        patch_model_config=encoder,
        fov_model_config=encoder,
    )
    processor = transformers.DepthProImageProcessor(size={"height": 64, "width": 64})
    return transformers.DepthProForDepthEstimation(config), processor


def save(folder: Path, model: Any, processor: Any) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


NETWORKS = {
    "depth-anything-v2-metric": depth_anything,
    "dpt-dinov2-small-nyu": dpt,
    "zoedepth": zoedepth,
    "glpn": glpn,
    "depth-pro": depth_pro,
}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks_from_a_folder(name: str, images: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = save(tmp_path / name, *NETWORKS[name]())
    source = get_depth_source(f"transformers:{folder}", images, device="cpu")
    for image, (width, height) in SIZES.items():
        depth_map = source.depth_map(image)
        assert depth_map.shape == (height, width)
        assert not bool((depth_map <= 0).any())
        corners = depth_map[[0, -1], [0, -1]]
        depths = source.depths(image, torch.tensor([[0.0, 0.0], [width - 1.0, height - 1.0]]))
        known = ~corners.isnan()
        torch.testing.assert_close(depths[known], corners[known])


def test_the_processor_and_network_are_those_of_the_folder(images: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, processor = depth_anything()
    folder = save(tmp_path / "model", model, processor)
    with Image.open(images / "landscape.jpg") as image:
        inputs = processor(images=image, return_tensors="pt")
        with torch.inference_mode():
            output = model.eval()(**inputs)
    expected = processor.post_process_depth_estimation(output, target_sizes=[(47, 81)])[0]["predicted_depth"]
    depth_map = get_depth_source(f"transformers:{folder}", images, device="cpu").depth_map("landscape.jpg")
    assert float(expected.max()) > 0
    torch.testing.assert_close(depth_map.nan_to_num(), expected.clamp(min=0).clone(), rtol=1e-4, atol=1e-5)
    grey = get_depth_source(f"transformers:{folder}", images, device="cpu").depth_map("grey.png")
    assert grey.shape == (40, 50)


def test_inverse_depth_with_known_scale_and_shift(images: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = save(tmp_path / "hybrid", *dpt())
    raw = get_depth_source(f"transformers:{folder}", images, metric=True).depth_map("landscape.jpg")
    options = {"inverse_scale": 0.3, "inverse_shift": 0.1}
    depth_map = get_depth_source(f"transformers:{folder}", images, **options).depth_map("landscape.jpg")
    torch.testing.assert_close(depth_map, 1 / (0.3 * raw.nan_to_num() + 0.1), rtol=1e-4, atol=1e-5)


def test_relative_depth_is_refused(images: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "relative", *depth_anything("relative"))
    with pytest.raises(InputError, match="relative depth, known up to scale and shift only"):
        get_depth_source(f"transformers:{folder}", images)
    folder = save(tmp_path / "dpt-large", *dpt())
    with pytest.raises(InputError, match="does not say that its depth is in metres"):
        get_depth_source(f"transformers:{folder}", images)


@pytest.mark.parametrize(
    ("kind", "name", "fits"),
    [
        ("zoedepth", "Intel/zoedepth-nyu", True),
        ("depth_pro", "apple/DepthPro-hf", True),
        ("dpt", "facebook/dpt-dinov2-large-kitti", True),
        ("dpt", "Intel/dpt-large", False),
        ("dpt", "Intel/dpt-hybrid-midas", False),
        ("chmv2", "facebook/chmv2", False),
    ],
)
def test_which_published_models_are_metric(kind: str, name: str, fits: bool) -> None:
    config = transformers.PretrainedConfig()
    config.model_type = kind
    if fits:
        check_metric(config, name, TransformersOptions())
    else:
        with pytest.raises(InputError):
            check_metric(config, name, TransformersOptions())


def test_models_that_cannot_be_loaded(images: Path, tmp_path: Path) -> None:
    def refused(model: object, message: str) -> None:
        with pytest.raises(WeightsError, match=message):
            get_depth_source(f"transformers:{model}", images).depth_map("landscape.jpg")

    refused(tmp_path / "absent", "No folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "cannot be loaded|no depth network")  # old versions guess a type
    folder = save(tmp_path / "damaged", *depth_anything())
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    refused(folder, "cannot be loaded")
    weights.unlink()
    refused(folder, "cannot be loaded")
    model, _ = depth_anything()
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("head.")}
    model.save_pretrained(folder, state_dict=state)
    refused(folder, r"lacks \d+ weights")
    classifier = transformers.Dinov2ForImageClassification(dinov2())
    classifier.save_pretrained(tmp_path / "classifier")
    refused(tmp_path / "classifier", "no depth network")


def test_needs_a_model_an_image_folder_and_readable_images(images: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder or hub id"):
        get_depth_source("transformers", images)
    with pytest.raises(InputError, match="image folder"):
        get_depth_source("transformers:a/b")
    with pytest.raises(InputError, match="known: device"):
        get_depth_source("transformers:a/b", images, half=True)
    folder = save(tmp_path / "model", *glpn())
    whole = (images / "landscape.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.jpg cannot be read"):
        get_depth_source(f"transformers:{folder}", tmp_path).depth_map("cut.jpg")


def test_weights_are_loaded_when_depth_is_asked_for(images: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "model", *glpn())
    (folder / "model.safetensors").unlink()
    source = get_depth_source(f"transformers:{folder}", images)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        source.depths("landscape.jpg", torch.zeros(1, 2))
    with pytest.raises(InputError, match="The device 'abacus' cannot be used here"):
        get_depth_source(f"transformers:{save(folder, *glpn())}", images, device="abacus").depth_map("landscape.jpg")


def test_a_photo_that_exif_turns_is_refused_or_used_as_stored(images: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "model", *glpn())
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(images / "narrow.png") as image:
        image.save(tmp_path / "turned.png", exif=exif)
    with pytest.raises(InputError, match=r"turned\.png has EXIF orientation 6.*exif_turn=ignore"):
        get_depth_source(f"transformers:{folder}", tmp_path).depth_map("turned.png")
    stored = get_depth_source(f"transformers:{folder}", tmp_path, exif_turn="ignore").depth_map("turned.png")
    plain = get_depth_source(f"transformers:{folder}", images).depth_map("narrow.png")
    torch.testing.assert_close(stored, plain, equal_nan=True)
    command = f"depth transformers:{folder} --images {tmp_path} --name net --option device=cpu"
    assert main(command.split()) == 2
    assert main([*command.split(), "--exif", "ignore"]) == 0
    assert main(f"depth constant:2 --images {tmp_path} --name flat --exif ignore".split()) == 0


def test_an_image_that_the_network_cannot_take(images: Path, tmp_path: Path) -> None:
    source = get_depth_source(f"transformers:{save(tmp_path / 'zoe', *zoedepth())}", images)
    with pytest.raises(InputError, match=r"cannot process .*sliver\.png of 3x40"):
        source.depth_map("sliver.png")
