"""The pipelines as modules, and rendered data for them."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from support.rendered_scenes import write_scene

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"


@pytest.fixture(scope="session")
def pipeline() -> Callable[[str], ModuleType]:
    """``pipelines/<name>/run.py`` as a module."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"pipeline_{name}", PIPELINES / name / "run.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


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
