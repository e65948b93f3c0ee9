"""Matching many images takes no more memory than matching a few."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

KEYPOINTS, IMAGES = 1200, 120

SCRIPT = """
import sys
from pathlib import Path
from mickey_hloc import match_features

def peak_mib():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM:")) / 1024

names = [f"{i}.png" for i in range(int(sys.argv[2]))]
conf = {"output": "m", "model": {"name": "mickey", "weights": "small"}}
peaks = []
for part in (names[:8], names):
    pairs = [(name, part[(i + 1) % len(part)]) for i, name in enumerate(part)]
    match_features.main(conf, pairs, Path(sys.argv[1]), Path("m.h5"), overwrite=True, progress=False)
    peaks.append(peak_mib())
print(peaks[1] - peaks[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system does not tell peaks of memory")
def test_the_heap_does_not_grow_with_every_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "feats.h5", "w") as file:
        for i in range(IMAGES):
            group = file.create_group(f"{i}.png")
            descriptors = rng.normal(size=(128, KEYPOINTS))
            group["keypoints"] = rng.uniform(0, 480, (KEYPOINTS, 2)).astype(np.float32)
            group["descriptors"] = (descriptors / np.linalg.norm(descriptors, axis=0)).astype(np.float16)
            group["image_size"] = np.array([640, 480])
    command = [sys.executable, "-c", SCRIPT, "feats.h5", str(IMAGES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    kept = IMAGES * KEYPOINTS * 128 * 4 / 2**20  # the features themselves, in float32
    print(f"{float(done.stdout):.0f} MiB more for {IMAGES} images, whose features have {kept:.0f}")
    assert float(done.stdout) < kept + 100
