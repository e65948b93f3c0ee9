"""The bundled model exported, and run by other programs: the numbers of torch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.networks import tiny_model

from mickey_hloc.cli import main
from mickey_hloc.errors import InputError
from mickey_hloc.features import get_extractor
from mickey_hloc.model.backends import open_backend
from mickey_hloc.model.exporting import exported, write_onnx
from mickey_hloc.model.mickey import MicKey
from mickey_hloc.weights import load_model

SIZES = [(480, 640), (270, 500), (333, 257)]  # cropped to whole cells
SMALL = (100, 640)  # below the graph's least size: run by torch
OUTPUTS = ("keypoints", "depths", "keypoint_scores", "descriptors")


@pytest.fixture(scope="module")
def model() -> MicKey:
    return load_model("small", device="cpu", precision="fp32").eval()


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    assert main(["export", "small", "--output", str(path)]) == 0
    return path


def image(size: tuple[int, int]) -> torch.Tensor:
    """A smooth random image (1, 3, H, W)."""
    coarse = torch.rand(1, 3, size[0] // 12, size[1] // 12, generator=torch.Generator().manual_seed(size[0]))
    return torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_other_programs_give_the_numbers_of_torch(model: MicKey, onnx_file: Path, backend: str) -> None:
    pytest.importorskip(backend)
    network = open_backend(backend, onnx_file, model)
    for size in [*SIZES, SMALL]:
        with torch.inference_mode():
            ours, theirs = model(image(size)), network(image(size))
        assert ours.grid_shape == theirs.grid_shape
        for name in OUTPUTS:
            a, b = getattr(ours, name), getattr(theirs, name)
            worst = float((a - b).abs().max() / a.abs().max())
            print(backend, size, name, f"{worst:.1e}")
            assert worst < 1e-4, name


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_graph_of_dinov2_runs_at_every_size(tmp_path: Path, backend: str) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
    pytest.importorskip(backend)
    model = tiny_model()
    network = open_backend(backend, write_onnx(model, tmp_path / "tiny.onnx"), model)
    for size in [(280, 378), (518, 518), (714, 532)]:  # the example's of the export, the stored grid's, the paper's
        with torch.inference_mode():
            ours, theirs = model(image(size)), network(image(size))
        for name in OUTPUTS:
            torch.testing.assert_close(getattr(theirs, name), getattr(ours, name), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["torch-export", "onnxruntime"])
def test_a_graph_of_dinov2_knows_the_grid_it_was_trained_at(tmp_path: Path, kind: str) -> None:
    model = tiny_model(encoder_options={"channels": 64, "num_blocks": 2, "mlp_hidden": 128, "grid_size": 22})
    with torch.no_grad():
        model.encoder.pos_embed.normal_(generator=torch.Generator().manual_seed(0))
    if kind == "torch-export":
        network = exported(model).module()
    else:
        pytest.importorskip("onnxscript", reason="needs the extra 'onnx'")
        pytest.importorskip(kind)
        network = open_backend(kind, write_onnx(model, tmp_path / "tiny.onnx"), model)
    for size in [(308, 308), (308, 336), (336, 336)]:  # the stored grid, one side of it, another square
        with torch.inference_mode():
            ours, theirs = model(image(size)), network(image(size))
        if kind == "torch-export":
            theirs = dict(zip(OUTPUTS, theirs, strict=True))
        for name in OUTPUTS:
            found = theirs[name] if isinstance(theirs, dict) else getattr(theirs, name)
            torch.testing.assert_close(found, getattr(ours, name), rtol=1e-4, atol=1e-4)


def test_torch_export_is_exact(model: MicKey, tmp_path: Path) -> None:
    assert main(["export", "small", "--to", "torch-export", "--output", str(tmp_path / "small.pt2")]) == 0
    program = torch.export.load(tmp_path / "small.pt2").module()
    with torch.inference_mode():
        found, ours = program(image((480, 640))), model(image((480, 640)))
    for name, values in zip(OUTPUTS, found, strict=True):
        assert torch.equal(values, getattr(ours, name))


def test_a_features_file_says_what_made_it(onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(
        "mickey_hloc.model.exporting.write_onnx", lambda model, path: path.write_bytes(onnx_file.read_bytes())
    )
    monkeypatch.setenv("MICKEY_HLOC_CACHE", str(tmp_path))
    how = {"weights": "small", "device": "cpu", "precision": "fp32"}
    ours, theirs = (get_extractor("mickey", backend=backend, **how) for backend in ("torch", "onnxruntime"))
    assert ours.tag() != theirs.tag()
    assert theirs.identity() == {**ours.identity(), "backend": "onnxruntime"}
    with torch.inference_mode():
        a, b = ours.extract(image((480, 640)))[0], theirs.extract(image((480, 640)))[0]
    assert np.abs(a["depths"] - b["depths"]).max() < 1e-4 * np.abs(a["depths"]).max()
    assert list((tmp_path / "graphs").glob("*.onnx"))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="computes in float32"):
        get_extractor("mickey", weights="small", backend="onnxruntime", precision="bf16")
