"""What the documents name exists: files, classes, commands with their options; and CONTRIBUTING's example runs."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.documents import (
    PACKAGE,
    ROOT,
    code_blocks,
    command_of,
    command_problem,
    defined_classes,
    defined_names,
    inline_code,
    shell_lines,
    yaml_comments,
)
from test_import_graph import LAYERS

from mickey_hloc.cli import main
from mickey_hloc.errors import InputError
from mickey_hloc.matching import MATCHERS, get_matcher
from mickey_hloc.registry import Preset, tables

ARCHITECTURE, CONTRIBUTING = (ROOT / f"{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING"))
WITH_COMMANDS = [
    *(ARCHITECTURE, CONTRIBUTING, ROOT / "README.md", ROOT / "configs/README.md"),
    *sorted(ROOT.glob("pipelines/*/README.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("configs/**/*.yaml")),
]
FILE = re.compile(r"[\w./-]+(\.(py|md|yaml|toml|cff)|/)")
CLASS = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*|[A-Z][a-z]+[A-Z]\w*")
NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*(\(.*\))?")
OTHERS = {"None", "Raises:", "Options", "make", "data.train.kind", "torch.Generator", "fov_deg", "max_error_px"}


@pytest.fixture(scope="module")
def classes() -> set[str]:
    return set().union(*(defined_classes(path) for path in PACKAGE.rglob("*.py")))


@pytest.fixture(scope="module")
def names() -> set[str]:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").glob("*.py"), ROOT / "tests/conftest.py"]
    return set().union(*(defined_names(path) for path in files))


def example() -> tuple[str, str, str]:
    """CONTRIBUTING's matcher: its file, its code, its line of the table."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    code, line = code_blocks(text, "python")
    path = re.search(r"Write one file\*\*, `([^`]+)`", text)
    assert path is not None
    return path[1], code, line


def test_architecture_has_the_layers_that_are_enforced_from_top_to_bottom() -> None:
    blocks = [b for b in code_blocks(ARCHITECTURE.read_text(encoding="utf-8"), "") if b.startswith("cli ")]
    assert len(blocks) == 1
    listed = [line.partition("#")[0].split() for line in blocks[0].splitlines()]
    assert listed == [entries.split() for entries in reversed(LAYERS)]


@pytest.mark.parametrize("document", [ARCHITECTURE, CONTRIBUTING], ids=lambda path: path.name)
def test_files_classes_and_names_exist(document: Path, classes: set[str], names: set[str]) -> None:
    text = document.read_text(encoding="utf-8")
    known_targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    absent = []
    for code in {*inline_code(text), *re.findall(r"\]\(([\w./-]+)\)", text)} - {example()[0], *OTHERS}:
        program, _, rest = code.partition(" ")
        if FILE.fullmatch(code):
            exists = (ROOT / code).exists() or (PACKAGE / code).exists()
        elif program == "make":
            exists = rest in known_targets
        elif program == "python":
            exists = (ROOT / rest).is_file()
        elif CLASS.fullmatch(code):
            exists = code in classes or (ROOT / f"{code}.md").is_file()
        elif NAME.fullmatch(code):
            exists = set(code.partition("(")[0].split(".")) <= names
        else:
            continue
        if not exists:
            absent.append(code)
    assert not absent, f"{document.name} names what does not exist: {', '.join(sorted(absent))}"


def test_classes_are_in_the_files_that_stand_beside_them() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| (`[^|]+\.py`) \|", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 10
    for named, files in rows:
        paths = [PACKAGE / name for name in inline_code(files)]
        for i, name in enumerate(inline_code(named)):
            path = paths[min(i, len(paths) - 1)]
            assert name in defined_classes(path), f"{name} is not in {path.relative_to(ROOT)}"


def test_what_a_new_part_writes_is_in_its_base_class() -> None:
    lines = CONTRIBUTING.read_text(encoding="utf-8").splitlines()
    rows = [row.split("|") for row in lines if re.match(r"\| [\w ]+ \| `\w+` in `[\w/]+\.py` \|", row)]
    assert len(rows) == 8
    for _, _, base, write, say, table, _ in rows:
        name, file = inline_code(base)
        cls = getattr(importlib.import_module(f"mickey_hloc.{file.removesuffix('.py').replace('/', '.')}"), name)
        declared = {key for c in cls.__mro__ for key in (*vars(c), *getattr(c, "__annotations__", {}))}
        wanted = [code for code in inline_code(write) if code.startswith("_")]
        assert wanted
        assert {*wanted, *inline_code(say)} <= declared, f"{name} lacks what {CONTRIBUTING.name} says of it"
        assert hasattr(tables, inline_code(table)[0])


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_their_options_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    if document.suffix == ".yaml":
        lines = shell_lines(yaml_comments(text))
    else:
        written = [code + (" ..." if " --" not in code else "") for code in inline_code(text) if "mickey-hloc " in code]
        lines = [words for block in [*code_blocks(text, "bash"), *written] for words in shell_lines(block)]
    for words in lines:
        command = command_of(words)
        if command is not None and not command[0].startswith("<"):
            problem = command_problem(command)
            assert problem is None, f"{document.name}: {' '.join(words)}: {problem}"
        for word in words:
            if re.fullmatch(r"(configs|pipelines|benchmarks|tests)/[\w/.]+", word):
                assert (ROOT / word).exists(), f"{document.name} names {word}"


def test_stale_commands_and_options_are_found() -> None:
    assert "no such command" in str(command_problem(["ablate", "grid.yaml"]))
    assert "--outputs" in str(command_problem(["benchmark", "mapfree", "data", "--outputs", "out"]))
    assert "--conf" in str(command_problem(["poses", "...", "--conf", "pnp"]))
    assert "not accepted" in str(command_problem(["localize-sfm", "images"]))
    assert command_problem(["benchmark", "mapfree", "data", "--output", "out"]) is None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the example's file, which both ``similarity`` and ``mickey_hloc.matching.similarity`` find."""
    path, code, _ = example()
    (tmp_path / Path(path).name).write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    package = importlib.import_module(".".join(Path(path).parent.parts))
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for module in [name for name in sys.modules if name.split(".")[-1] == Path(path).stem]:
        del sys.modules[module]


def test_the_example_matches_by_its_dotted_path(folder: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    descriptors0, descriptors1 = (
        torch.nn.functional.normalize(torch.randn(8, n, generator=generator), dim=0) for n in (40, 30)
    )
    features0, features1 = (
        {"keypoints": torch.zeros(d.shape[1], 2), "descriptors": d, "image_size": torch.tensor([64, 48])}
        for d in (descriptors0, descriptors1)
    )
    similarity = descriptors0.T @ descriptors1
    expected = [
        int(row.argmax()) if row.max() == similarity[:, row.argmax()].max() and row.max() >= 0.6 else -1
        for row in similarity
    ]
    matches0, scores0 = get_matcher("similarity:SimilarityMatcher", min_similarity=0.6).match(features0, features1)
    assert matches0.tolist() == expected
    assert 3 < sum(partner >= 0 for partner in expected) < 30
    torch.testing.assert_close(scores0, similarity.max(dim=1).values)
    empty = {**features1, "keypoints": torch.zeros(0, 2), "descriptors": torch.zeros(8, 0)}
    assert get_matcher("similarity:SimilarityMatcher").match(features0, empty)[0].eq(-1).all()
    with pytest.raises(InputError, match="min_similarity"):
        get_matcher("similarity:SimilarityMatcher", min_similarity=2)


def test_the_example_runs_by_its_line_and_its_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [(name, target)] = ast.literal_eval(f"{{{example()[2]}}}").items()
    monkeypatch.setitem(MATCHERS._presets, name, Preset(target))
    assert get_matcher(name).tag() == name
    [words] = [
        w for b in code_blocks(CONTRIBUTING.read_text(encoding="utf-8"), "bash") for w in shell_lines(b) if "demo" in w
    ]
    assert main(words[1:]) == 0
    printed = capsys.readouterr().out
    assert "truth" in printed
    degrees = re.search(r"error +([\d.]+) degrees", printed)
    assert degrees is not None
    assert float(degrees[1]) < 5
