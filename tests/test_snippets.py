"""What the README, docs/ and the notebook tell people to type, typed: commands, Python; links; the site."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image
from support.documents import ROOT, code_blocks, command_of, shell_lines

from mickey_hloc.cli import main
from mickey_hloc.datasets.example import FOLDER, NAMES

README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
RUN = ("demo", "pose")  # commands that need nothing but the shipped photos; the options of all are checked elsewhere
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


def snippets() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for i, block in enumerate(code_blocks(page.read_text(encoding="utf-8"), "python")):
            yield f"{named(page)}-{i}", block


def commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for block in code_blocks(page.read_text(encoding="utf-8"), "bash"):
            for words in shell_lines(block):
                command = command_of(words)
                if command is not None and command[0] in RUN:
                    yield f"{named(page)}: {' '.join(words)}", command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader has it: two photos with a focal length in their EXIF data, their depth, their intrinsics."""
    exif = Image.Exif()
    exif[0x8769] = {0xA405: 29}  # 29 mm on film: 517 px
    for name in NAMES:
        Image.open(FOLDER / name).save(tmp_path / name, exif=exif, quality=95)
    for path in FOLDER.iterdir():
        if path.name not in NAMES:
            shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in dict(commands()).items()])
def test_commands_run_as_they_are_written(words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "--report" in words and find_spec("plotly") is None:
        pytest.skip("plotly is not installed: pip install 'mickey-hloc[report]'")
    assert main(words) == 0
    assert "cam1_from_cam0" in capsys.readouterr().out
    if "--report" in words:
        assert (folder / words[words.index("--report") + 1]).is_file()


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in snippets()])
def test_python_runs_as_it_is_written(code: str, folder: Path) -> None:
    if "hloc import" in code.replace("mickey_hloc import", "") and find_spec("hloc") is None:
        pytest.skip("hloc is not installed: pip install git+https://github.com/cvg/Hierarchical-Localization")
    if any(part in code for part in ("solver.solve(problem)", 'Path("images")', '"out/sfm"')):
        compile(code, "snippet", "exec")  # a piece of a longer program: its steps are run by tests/hloc_plugin
        return
    exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})


def test_the_notebook_runs_from_top_to_bottom(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = json.loads((DOCS / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {"__name__": "notebook"}
    for i, cell in enumerate(cell for cell in cells if cell["cell_type"] == "code"):
        assert not cell["outputs"], "a notebook is kept without its outputs"
        exec(compile("".join(cell["source"]), f"cell {i}", "exec"), names)
    assert "degrees and" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    sys.path.insert(0, str(DOCS))
    try:
        import hooks
    finally:
        sys.path.remove(str(DOCS))
    targets = {target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target}
    generated = {*hooks.PAGES, *hooks.PICTURES} if page.parent == DOCS else set()
    absent = [target for target in targets - generated if not (page.parent / target).exists()]
    assert not absent


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
