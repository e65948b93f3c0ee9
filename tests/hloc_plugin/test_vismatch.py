"""Matchers of vismatch as dense matchers of hloc."""

from pathlib import Path
from types import ModuleType

import cv2
import h5py
import numpy as np
import pytest
from support.hlocs import write_texture

from mickey_hloc.errors import InputError
from mickey_hloc.hloc_plugin import import_step
from mickey_hloc.hloc_plugin.confs import vismatch_conf

SHIFT = (23, 11)  # px


@pytest.fixture
def shifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two crops of one picture, the second one larger than the matcher's resizing."""
    pytest.importorskip("vismatch", reason="vismatch is not installed")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # vismatch counts its uses there
    random = np.random.default_rng(0)
    picture = cv2.imread(str(write_texture(tmp_path / "whole.png", 700, 520, seed=1)))
    for _ in range(400):  # corners, which SIFT finds
        corner = random.integers(0, [690, 510])
        colour = random.integers(0, 255, 3).tolist()
        cv2.rectangle(picture, corner.tolist(), (corner + random.integers(5, 25, 2)).tolist(), colour, -1)
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), picture[: 500 - SHIFT[1], : 640 - SHIFT[0]])
    cv2.imwrite(str(folder / "b.png"), picture[SHIFT[1] : 500, SHIFT[0] : 640])
    (tmp_path / "pairs.txt").write_text("a.png b.png")
    return tmp_path


def test_finds_the_shift(host: ModuleType, shifted: Path) -> None:
    conf = vismatch_conf("sift-nn", resize_max=560)
    dense, io = import_step(host, "match_dense"), import_step(host, "utils.io")
    (shifted / host.__name__).mkdir()
    features, matches = dense.main(conf, shifted / "pairs.txt", shifted / "images", shifted / host.__name__)
    found, scores = io.get_matches(matches, "a.png", "b.png")
    a, b = (io.get_keypoints(features, name)[found[:, i]] for i, name in enumerate(("a.png", "b.png")))
    assert len(found) > 50
    assert (scores > 0).all()
    moved = a - b
    np.testing.assert_allclose(np.median(moved, axis=0), SHIFT, atol=0.1)
    assert (np.abs(moved - SHIFT).max(axis=1) < 1).mean() > 0.9
    with h5py.File(matches) as file:
        assert len(file["a.png/b.png/keypoints0"]) >= len(found)


def test_unknown_matcher_lists_the_known(host: ModuleType, shifted: Path) -> None:
    with pytest.raises(InputError, match=r"'lofter' \(did you mean 'loftr'\?\)"):
        import_step(host, "match_dense").main(
            vismatch_conf("lofter"), shifted / "pairs.txt", shifted / "images", shifted
        )


def test_detectors_keep_their_keypoints() -> None:
    assert vismatch_conf("sift-nn")["cell_size"] == 0
    assert vismatch_conf("roma")["cell_size"] == 4
    assert vismatch_conf("roma", quantize_px=8)["output"] != vismatch_conf("roma")["output"]
