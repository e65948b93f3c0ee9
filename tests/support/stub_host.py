"""A package with hloc's interfaces and tiny models, written to a folder: what our steps ask of a host, nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILES = {
    "__init__.py": "",
    "utils/__init__.py": "",
    "utils/base_model.py": """
import inspect
from torch import nn

class BaseModel(nn.Module):
    default_conf = {}
    required_inputs = []
    def __init__(self, conf):
        super().__init__()
        self.conf = {**self.default_conf, **conf}
        self._init(self.conf)
    def forward(self, data):
        for key in self.required_inputs:
            assert key in data, f"Missing key {key} in data"
        return self._forward(data)

def dynamic_load(root, model):
    module = __import__(f"{root.__name__}.{model}", fromlist=[""])
    classes = inspect.getmembers(module, inspect.isclass)
    classes = [c for _, c in classes if c.__module__ == module.__name__ and issubclass(c, BaseModel)]
    assert len(classes) == 1
    return classes[0]
""",
    "extract_features.py": """
confs = {
    "corners": {"output": "feats-corners", "model": {"name": "corners", "step": 16},
                "preprocessing": {"grayscale": True, "resize_max": 160, "force_resize": True, "width": 10}},
    "global": {"output": "global-feats-x", "model": {"name": "corners"}, "preprocessing": {}},
}
""",
    "match_features.py": """
confs = {
    "same": {"output": "matches-same", "model": {"name": "same"}},
    "weightless": {"output": "matches-weightless", "model": {"name": "weightless", "features": "disk"}},
    "broken": {"output": "matches-broken", "model": {"name": "broken"}},
}
""",
    "match_dense.py": """
confs = {"grid": {"output": "matches-grid", "model": {"name": "grid"}, "max_error": 4, "cell_size": 4,
                  "preprocessing": {"grayscale": True, "resize_max": 1024, "dfactor": 8}}}
""",
    "extractors/__init__.py": "",
    "extractors/corners.py": """
import torch
from ..utils.base_model import BaseModel

class Corners(BaseModel):
    default_conf = {"step": 8}
    required_inputs = ["image"]
    def _init(self, conf):
        pass
    def _forward(self, data):
        assert data["image"].shape[:2] == (1, 1)
        height, width = data["image"].shape[-2:]
        y, x = torch.meshgrid(torch.arange(0, height, self.conf["step"]),
                              torch.arange(0, width, self.conf["step"]), indexing="ij")
        keypoints = torch.stack([x, y], -1).reshape(-1, 2).float()
        count = len(keypoints)
        return {"keypoints": [keypoints], "scores": [torch.ones(count)],
                "descriptors": [torch.nn.functional.normalize(torch.eye(count)[:64], dim=0)]}
""",
    "matchers/__init__.py": "",
    "matchers/same.py": """
import torch
from ..utils.base_model import BaseModel

class Same(BaseModel):
    required_inputs = ["image0", "keypoints0", "scores0", "descriptors0", "image1", "keypoints1", "descriptors1"]
    def _init(self, conf):
        pass
    def _forward(self, data):
        assert data["image0"].shape[-1] == 320
        n0, n1 = data["keypoints0"].shape[1], data["keypoints1"].shape[1]
        matches = torch.arange(n0)
        matches[matches >= n1] = -1
        return {"matches0": matches[None], "matching_scores0": torch.full((1, n0), 0.5)}
""",
    "matchers/weightless.py": """
from urllib.error import URLError
from ..utils.base_model import BaseModel

def download(url, dst):
    raise URLError("no network")

class Weightless(BaseModel):
    def _init(self, conf):
        download("https://example.org/weights/disk_lightglue.pth", "/cache/disk_lightglue.pth")
""",
    "matchers/broken.py": """
from ..utils.base_model import BaseModel

class Broken(BaseModel):
    def _init(self, conf):
        pass
    def _forward(self, data):
        raise KeyError("a bug of somebody")
""",
    "matchers/grid.py": """
import torch
from ..utils.base_model import BaseModel

class Grid(BaseModel):
    default_conf = {"step": 8}
    def _init(self, conf):
        pass
    def _forward(self, data):
        height, width = data["image0"].shape[-2:]
        assert height % 8 == 0 and width % 8 == 0
        step = self.conf["step"]
        y, x = torch.meshgrid(torch.arange(4, height, step), torch.arange(4, width, step), indexing="ij")
        points = torch.stack([x, y], -1).reshape(-1, 2).float()
        return {"keypoints0": points, "keypoints1": points + 0.25, "scores": torch.linspace(0, 1, len(points))}
""",
}


def write_stub_host(folder: Path, name: str = "stubhloc") -> str:
    """Write the package; the folder must come into ``sys.path``."""
    for path, text in FILES.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return name


@contextmanager
def importable_stub_host(folder: Path, name: str = "stubhloc") -> Iterator[str]:
    """The name of a written package that can be imported until the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield write_stub_host(folder, name)
