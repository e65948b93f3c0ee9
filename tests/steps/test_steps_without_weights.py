"""Steps that need no weights open none, and go without the bundled model."""

import subprocess
import sys

import pytest

from mickey_hloc import extract_features
from mickey_hloc.errors import MickeyHlocError


def test_importing_the_steps_opens_no_weights():
    code = (
        "import sys\nopened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "import mickey_hloc, mickey_hloc.extract_features, mickey_hloc.match_features, mickey_hloc.estimate_poses\n"
        "import mickey_hloc.two_view.estimator, mickey_hloc.hloc_plugin\n"
        "print([path for path in opened if path.endswith(('.safetensors', '.ckpt', '.pth', '.h5'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_bundled_model_costs_nobody_else_anything(images, tmp_path, monkeypatch):
    monkeypatch.setattr("mickey_hloc.weights.named._BUNDLED", tmp_path / "nowhere")
    report = extract_features.extract(extract_features.get_conf("sift"), images[0], tmp_path / "feats.h5")
    assert not report.skipped
    with pytest.raises(MickeyHlocError, match="small"):
        extract_features.get_conf("mickey-small")
