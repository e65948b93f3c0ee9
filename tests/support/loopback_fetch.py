"""What the download tests share."""

from pathlib import Path

import numpy as np

from mickey_hloc.weights.download import DownloadOptions, download
from support.loopback import Loopback

BODY = np.random.default_rng(0).bytes(300_000)
QUICK = DownloadOptions(timeout_s=5.0, retries=3, wait_s=0.0)


def fetch(server: Loopback, target: Path, options: DownloadOptions = QUICK, **keywords) -> Path:
    return download(f"{server.url}/file.bin", target, options=options, progress=False, **keywords)


def leftovers(target: Path) -> set[str]:
    return {p.name for p in target.parent.iterdir()} - {target.name, f"{target.name}.part.lock"}
