"""Folders of recorded numbers and real images; tests that need them skip, with the reason, where they are absent.

A compact set of recorded numbers is part of the repository (``tests/data``, see its README.md) and always checked.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.recorded_network import write_small_network

SHARED = Path(__file__).resolve().parents[2] / "shared"
COMPACT = Path(__file__).resolve().parent / "data"

# No test is timed: neither its examples nor how long drawing them takes.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{variable} is not set and the default folder {default.name} is absent")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """All recorded reference numbers (MICKEY_GOLDEN)."""
    return _folder("MICKEY_GOLDEN", SHARED / "golden")


@pytest.fixture(scope="session")
def compact() -> Path:
    """The recorded numbers that are part of the repository."""
    return COMPACT


@pytest.fixture(scope="session", params=["compact", "golden"])
def recorded(request: pytest.FixtureRequest) -> Path:
    """Folder with solver.npz, losses.npz and mapfree: once the compact one, once the full one (MICKEY_GOLDEN)."""
    return Path(request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def small_network(compact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with encoder.pth, mickey_tiny.ckpt and network.npz: the network of the compact set, as files."""
    folder = tmp_path_factory.mktemp("small_network")
    write_small_network(compact, folder)
    return folder


@pytest.fixture(scope="session", params=["small_network", "golden"])
def recorded_network(request: pytest.FixtureRequest) -> Path:
    """Folder with encoder.pth, mickey_tiny.ckpt and network.npz: once the small one, once the full one."""
    return Path(request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def data() -> Path:
    """Real RGB-D images with metric poses (MICKEY_DATA)."""
    return _folder("MICKEY_DATA", SHARED / "data")
