"""Links, pictures, the notebook and the site of the documents. What they tell people to type: test_pages_run.py."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.documents import ROOT

from mickey_hloc.datasets.example import FOLDER

README, DOCS = ROOT / "README.md", ROOT / "docs"
ELSEWHERE = [ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "configs/README.md")]
PAGES = [README, *ELSEWHERE, *sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("pipelines/*/README.md"))]
PAGES += sorted((ROOT / "mickey_hloc").rglob("*.md"))
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped photos."""
    copy = Path(shutil.copytree(FOLDER, tmp_path / "folder"))
    monkeypatch.chdir(copy)
    return copy


def test_the_notebook_runs_from_top_to_bottom(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = json.loads((DOCS / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {"__name__": "notebook"}
    for i, cell in enumerate(cell for cell in cells if cell["cell_type"] == "code"):
        assert not cell["outputs"], "a notebook is kept without its outputs"
        exec(compile("".join(cell["source"]), f"cell {i}", "exec"), names)
    assert "degrees and" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files_of_the_clone(page: Path) -> None:
    targets = {target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target}
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_front_page_is_short_and_its_pictures_are_small() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert 1 <= len(pictures) <= 3
    for picture in (DOCS / "pictures").iterdir():
        assert picture.stat().st_size < 300_000, picture.name


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for module in ("mkdocs", "material", "mkdocstrings_handlers"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "WARNING" not in run.stderr
    assert "RelativePose" in (tmp_path / "site/api/index.html").read_text(encoding="utf-8")
    start = (tmp_path / "site/get-started/index.html").read_text(encoding="utf-8")
    assert '(<a href="../model-small/">model card</a>)' in start  # a file elsewhere in the clone, a page of the site
