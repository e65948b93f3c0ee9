"""What a model's file says about itself: read without the model, and not believed blindly."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from support.networks import tiny_model
from support.published import torch_bytes

from mickey_hloc.errors import WeightsError
from mickey_hloc.model.options import MicKeyOptions
from mickey_hloc.solvers import SOLVERS
from mickey_hloc.weights.checkpoints import load_model, save_model
from mickey_hloc.weights.metadata import METADATA_KEY, ModelMetadata, read_metadata

PUBLISHED = ModelMetadata(training_size_px=720, training_focal_px=570.0, solver="probabilistic")


def written(folder: Path, text: str, name: str = "model.safetensors") -> Path:
    """A file whose metadata under our key is that text."""
    save_file({"a": torch.zeros(1)}, folder / name, metadata={METADATA_KEY: text})
    return folder / name


def test_published_weights_are_known_without_a_download(mirror, tmp_path: Path) -> None:
    assert read_metadata("mickey") == read_metadata("mickey_sc") == PUBLISHED
    assert mirror.requests == []
    (tmp_path / "own.ckpt").write_bytes(torch_bytes({"state_dict": {"a": torch.ones(1)}}))
    assert read_metadata(tmp_path / "own.ckpt") == PUBLISHED


def test_ours_say_it_themselves(tmp_path: Path) -> None:
    model = tiny_model(training_size_px=320, training_focal_px=250.0, solver="joint")
    path = save_model(model, tmp_path / "m.safetensors", include_encoder=True)
    expected = ModelMetadata(320, 250.0, "joint")
    assert read_metadata(path) == read_metadata(str(path)) == expected
    assert load_model(path, device="cpu").options == model.options
    path = save_model(tiny_model(training_size_px=None, training_focal_px=None), path)
    assert read_metadata(path) == ModelMetadata(None, None, "probabilistic")


def test_files_without_the_newer_keys_have_the_published_values(tmp_path: Path) -> None:
    assert read_metadata(written(tmp_path, "{}")) == PUBLISHED
    old = {k: v for k, v in MicKeyOptions(training_size_px=320).to_dict().items() if k != "solver"}
    assert read_metadata(written(tmp_path, json.dumps(old))) == dataclasses.replace(PUBLISHED, training_size_px=320)


def test_the_bundled_model_names_a_solver_that_there_is() -> None:
    assert read_metadata("small") == ModelMetadata(640, 525.0, "joint", "xfeat_efficientnet")
    assert read_metadata("small").solver in SOLVERS.names
    assert load_model("small", device="cpu").options.solver == "joint"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be used"),
        ("[1]", "must be a mapping"),
        ("null", "must be a mapping"),
        ("[" * 100_000, "cannot be used"),
        ('{"colour": 1}', "Unknown option 'colour'"),
        ('{"training_size_px": "640"}', "training_size_px of the model must be a whole number"),
        ('{"training_size_px": 640.5}', "must be a whole number"),
        ('{"training_size_px": true}', "must be a whole number"),
        ('{"training_size_px": -640}', "must be a positive number of pixels"),
        ('{"training_size_px": [640]}', "must be a whole number"),
        ('{"training_focal_px": {}}', "must be a number"),
        ('{"training_focal_px": 0}', "must be a positive number"),
        ('{"training_focal_px": Infinity}', "must be a positive number"),
        ('{"training_focal_px": NaN}', "must be a number"),
        ('{"training_focal_px": 1%s}' % ("0" * 400), "cannot be used"),
        ('{"solver": null}', "solver of the model must be a text"),
        ('{"solver": ["joint"]}', "solver of the model must be a text"),
        ('{"solver": "os:system"}', "solver must be a name of letters, digits, - and _"),
        ('{"solver": "a.b:C"}', "solver must be a name"),
        ('{"solver": "\\u001b[31m"}', "solver must be a name"),
        ('{"solver": "%s"}' % ("x" * 10_000), "solver must be a name"),
        ('{"offset": {"widths": "wide"}}', "widths"),
    ],
    ids=lambda value: value[:40],
)
def test_hostile_metadata_is_one_sentence_that_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    for read in (read_metadata, load_model):
        with pytest.raises(WeightsError, match=message) as caught:
            read(path)
        said = str(caught.value)
        assert str(path) in said
        assert len(said) < len(str(path)) + 500
        assert said.isprintable()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_KEYS = [*MicKeyOptions().to_dict(), "colour"]


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(values=st.dictionaries(st.sampled_from(_KEYS), _JSON, max_size=4) | _JSON)
def test_any_metadata_is_read_or_refused(tmp_path: Path, values: object) -> None:
    path = written(tmp_path, json.dumps(values))
    try:
        found = read_metadata(path)
    except WeightsError:
        with pytest.raises(WeightsError, match=re.escape(str(path))):
            read_metadata(path)
        return
    assert found.training_size_px is None or found.training_size_px >= 1
    assert found.training_focal_px is None or found.training_focal_px > 0
    assert found.solver.replace("-", "").replace("_", "").isalnum()


def test_files_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no tensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    for name, message in {
        "text.safetensors": "not a readable safetensors file",
        "foreign.safetensors": "not a checkpoint of this package",
        "absent.safetensors": "There is no weights file",
        "": "is a folder",
    }.items():
        with pytest.raises(WeightsError, match=message):
            read_metadata(tmp_path / name)
    with pytest.raises(WeightsError, match="did you mean 'small'"):
        read_metadata("smal")


def test_only_the_header_is_read(tmp_path: Path) -> None:
    """The tensors' place may hold anything, also what a recorded checksum does not fit."""
    path = save_model(tiny_model(solver="pnp"), tmp_path / "m.safetensors", include_encoder=True)
    content = bytearray(path.read_bytes())
    content[-1000:] = b"\xff" * 1000
    path.write_bytes(content)
    path.with_name(path.name + ".sha256").write_text(f"{'0' * 64}  {path.name}\n")
    assert read_metadata(path).solver == "pnp"
    with pytest.raises(WeightsError, match="checksum"):
        load_model(path, device="cpu")


@pytest.mark.parametrize(
    "code",
    [
        "import mickey_hloc.weights, mickey_hloc.weights.named, mickey_hloc.weights.metadata",
        "from mickey_hloc.weights import read_metadata; read_metadata('small'), read_metadata('mickey')",
        "import mickey_hloc.cli.weights",
        "from mickey_hloc import cli\ntry: cli.main(['weights', '--help'])\nexcept SystemExit: pass",
        "from mickey_hloc import cli; cli.main(['weights', 'info', 'small']), cli.main(['weights', 'list'])",
    ],
)
def test_names_and_metadata_need_no_torch(code: str) -> None:
    heavy = ("torch", "timm", "kornia", "pycolmap", "cv2", "matplotlib")
    code += f"\nimport sys; loaded = [m for m in {heavy} if m in sys.modules]; assert not loaded, loaded"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
