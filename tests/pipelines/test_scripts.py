"""The files of pipelines/ run as scripts and hand everything on to the command that they name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.rendered_scenes import write_scene

import mickey_hloc

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
COMMANDS = {
    "sfm.py": "sfm",
    "localize_sfm.py": "localize-sfm",
    "mapfree/run.py": "benchmark mapfree",
    "scannet/run.py": "benchmark scannet",
    "sevenscenes/run.py": "benchmark sevenscenes",
    "ablation/run.py": "benchmark grid",
}


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The script with this copy of the package."""
    path = os.pathsep.join([str(Path(mickey_hloc.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(PIPELINES / script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "120"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)


def test_every_script_is_tested() -> None:
    assert {path.relative_to(PIPELINES).as_posix() for path in PIPELINES.rglob("*.py")} == set(COMMANDS)


@pytest.mark.parametrize("script", COMMANDS)
def test_help_is_that_of_the_command(script: str) -> None:
    done = run_script(script, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: mickey-hloc {COMMANDS[script]} ")
    assert "--output" in done.stdout
    assert f"``mickey-hloc {COMMANDS[script]}``" in (PIPELINES / script).read_text()


def test_from_images_to_the_table(tmp_path: Path) -> None:
    write_scene(tmp_path / "data" / "val" / "s00001", 3)
    method = ["--feature", "sift", "--depth", "png:sensor"]
    done = run_script("mapfree/run.py", tmp_path / "data", "--track", "all", "--output", tmp_path / "out", *method)
    assert done.returncode == 0, done.stderr
    assert "sift-r1600+nn-ratio+sensor+procrustes" in done.stdout
    assert "2 queries have a pose, 0 have none" in done.stderr
    assert (tmp_path / "out" / "val" / "results-all").is_dir()


def test_the_exit_status_is_that_of_the_command(tmp_path: Path) -> None:
    done = run_script("mapfree/run.py", tmp_path, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("mickey-hloc benchmark: ")
