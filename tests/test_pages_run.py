"""README, docs/ and the READMEs beside the code: every command and snippet runs as it is written, page by page."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.documents import ROOT, command_of
from support.page_pieces import NEEDS, NOT_RUN, NOT_RUN_PYTHON, SHORTENED, Piece, beginning, found_in, pieces
from support.reader import write_folder

from mickey_hloc import Method, TwoViewEstimator, load_example
from mickey_hloc.cli import main
from mickey_hloc.solvers import get_solver

Reader = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the documents take as given; not to be changed."""
    return write_folder(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def readers(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Reader]:
    """The folder and the Python names of somebody who reads a page from top to bottom."""
    known: dict[str, Reader] = {}

    def of(page: str) -> tuple[Path, dict[str, Any]]:
        if page not in known:
            folder = Path(shutil.copytree(world, tmp_path_factory.mktemp("reader") / "folder"))
            (folder / "configs").symlink_to(ROOT / "configs")
            names: dict[str, Any] = {"__name__": "snippet"}
            if page.startswith("mickey_hloc/confidence"):
                names |= a_problem()
            known[page] = folder, names
        return known[page]

    return of


def a_problem() -> dict[str, Any]:
    """What the page on confidence takes as given."""
    example = load_example()
    result = TwoViewEstimator(Method(weights="small")).estimate(example.photo0, example.photo1)
    return {"solver": get_solver("joint"), "problem": result.problem}


def name_of(piece: Piece) -> str:
    return f"{piece.page}: {'python' if piece.language == 'python' else ' '.join(piece.words)}"


@pytest.mark.parametrize("piece", [piece for piece in pieces() if piece.not_run is None], ids=name_of)
def test_pages_do_what_they_say_from_top_to_bottom(
    piece: Piece, readers: Callable[[str], Reader], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = [need for part, need in NEEDS.items() if part in " ".join(piece.text.split())]
    for package, how in needed:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: {how}")
    place, names = readers(piece.page)
    monkeypatch.chdir(place)
    if piece.language == "python":
        exec(compile(piece.text, piece.page, "exec"), names)
        return
    command = command_of(piece.words)
    if command is None:
        run_in_shell(piece.text)
    elif command[0] == "serve":
        serve_until_it_answers(command)
    else:
        words = [*command, *(beginning(SHORTENED, piece.text) or [])]
        assert main(words) == 0
        out = capsys.readouterr().out
        assert command[0] not in ("demo", "pose") or "cam1_from_cam0" in out
        for option in ("--output", "--report"):
            assert option not in words or (place / words[words.index(option) + 1]).exists()


def run_in_shell(line: str) -> None:
    """What is no command of ours: the programs beside this Python are found first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = line.split(maxsplit=1)[0]
    if program == "eval" and shutil.which("register-python-argcomplete", path=path) is None:
        pytest.skip("register-python-argcomplete is not beside this Python")
    run = subprocess.run(["bash", "-c", line], env={**os.environ, "PATH": path}, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr


def serve_until_it_answers(words: list[str]) -> None:
    """The page, at a port that is free, for this machine alone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mickey_hloc.cli", *words, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        end = time.monotonic() + 240
        while True:
            try:
                answer = urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10).read()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.5)
        assert b"mickey_hloc" in answer
    finally:
        process.terminate()
        printed, _ = process.communicate(timeout=60)
    assert f"http://127.0.0.1:{port} (stop with Ctrl-C; photos are not kept)" in printed


def test_what_is_not_run_has_one_reason_each() -> None:
    lines = [piece for piece in pieces() if piece.not_run is not None]
    for start in NOT_RUN:
        assert [piece for piece in lines if beginning({start: 1}, piece.text)], f"no page says {start} any more"
    for part in NOT_RUN_PYTHON:
        assert [piece for piece in lines if found_in({part: 1}, piece.text)], f"no page says {part} any more"
    for piece in lines:
        if piece.language == "python":
            compile(piece.text, piece.page, "exec")
        elif piece.words[0] == "make":
            assert f"\n{piece.words[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
