"""Folders of recorded numbers and real images; tests that need them skip, with the reason, where they are absent."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(variable: str, default: Path) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{variable} is not set and the default folder {default.name} is absent")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Recorded reference numbers (MICKEY_GOLDEN)."""
    return _folder("MICKEY_GOLDEN", SHARED / "golden")


@pytest.fixture(scope="session")
def data() -> Path:
    """Real RGB-D images with metric poses (MICKEY_DATA)."""
    return _folder("MICKEY_DATA", SHARED / "data")
