"""Benchmarks by the command line, and rendered data for them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.rendered_scenes import write_scene

from mickey_hloc import cli

Benchmark = Callable[..., int]


@pytest.fixture(scope="session")
def benchmark() -> Benchmark:
    """``mickey-hloc benchmark <name> <arguments>``: its exit status."""
    return lambda name, *arguments: cli.main(["benchmark", name, *map(str, arguments)])


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes with two queries each; not to be changed."""
    folder = tmp_path_factory.mktemp("rendered")
    for name, seed in (("s00001", 3), ("s00002", 8)):
        write_scene(folder / "val" / name, seed)
    return folder


@pytest.fixture
def own_copy(rendered: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(rendered, tmp_path / "dataset"))
