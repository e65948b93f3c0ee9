"""The yaml of a grid of methods: what is combined with what. Unknown keys are errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mickey_hloc.datasets.tracks import Track
from mickey_hloc.errors import InputError
from mickey_hloc.io.text import read_text
from mickey_hloc.registry import make_options, require, unknown_name
from mickey_hloc.registry.yaml_text import parse_yaml
from mickey_hloc.two_view.method import Method

OWN = "own"  # the depth stored with MicKey's keypoints


@dataclass(frozen=True)
class MethodEntry:
    """One line of ``methods``.

    Attributes:
        feature, matcher, weights, encoder, feature_options, matcher_options: see ``Method``.
        depths, solvers: only these labels of the grid; "own" is the depth of MicKey's keypoints. Default: all.
        paper: the name in the paper's table. Default: the label.
    """

    feature: str | None = None
    matcher: str | None = None
    weights: str | None = None
    encoder: str | None = None
    feature_options: Mapping[str, Any] = field(default_factory=dict)
    matcher_options: Mapping[str, Any] = field(default_factory=dict)
    depths: Sequence[str] | None = None
    solvers: Sequence[str] | None = None
    paper: str | None = None


@dataclass(frozen=True)
class DepthEntry:
    """One line of ``depths``, or its ``source`` alone.

    Attributes:
        source: spec of the depth source; "mickey:<weights>" runs MicKey for it.
        paper: the name in the paper's table. Default: the label.
    """

    source: str
    paper: str | None = None


@dataclass(frozen=True)
class SubmissionEntry:
    """One line of ``submissions``, or its ``file`` alone: poses that others estimated.

    Attributes:
        file: a submission zip (Map-free) or a poses file (ScanNet).
        paper: the name in the paper's table. Default: the label.
    """

    file: str
    paper: str | None = None


@dataclass(frozen=True)
class Grid:
    """Methods, depth sources and solvers, and the benchmark that all combinations run on.

    Attributes:
        methods: by label; every one is combined with every depth source and every solver, unless it says otherwise.
        depths: by label.
        solvers: by label: ``solver`` (default: the label) and its options.
        title: of the tables.
        benchmark: "mapfree" or "scannet".
        split, track: of Map-free.
        paper_table: the table of the paper whose figures stand beside.
        submissions: poses files and zips of others.
        timing_pairs: pairs on which matching is timed, one at a time; 0: not at all.
        seed: of the solvers' draws.
        newer_rows: print what others published since the paper, too.
    """

    methods: Mapping[str, MethodEntry]
    depths: Mapping[str, DepthEntry] = field(default_factory=dict)
    solvers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    title: str = ""
    benchmark: Literal["mapfree", "scannet"] = "mapfree"
    split: str = "val"
    track: Track = "single"
    paper_table: int | None = None
    submissions: Mapping[str, SubmissionEntry] = field(default_factory=dict)
    timing_pairs: int = 5
    seed: int = 0
    newer_rows: bool = False


@dataclass(frozen=True)
class Combination:
    """One row. Attributes: labels: of method, depth and solver. paper: method and depth in the paper's table."""

    labels: tuple[str, str, str]
    method: Method
    paper: tuple[str, str]


def read_grid(path: Path) -> Grid:
    """Read and check a grid.

    Raises:
        InputError: no such file, no yaml, an unknown key, or a label that is not in the grid.
    """
    text = read_text(path, "grid")
    try:
        values = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"{path} is no yaml that can be used ({error}).") from error
    if not isinstance(values, dict) or not values.get("methods"):
        raise InputError(f"{path} needs at least 'methods', each with a feature or a matcher.")
    where = f"{path}: "
    values["methods"] = _entries(MethodEntry, values["methods"], f"{where}methods", None)
    values["depths"] = _entries(DepthEntry, values.get("depths", {}), f"{where}depths", "source")
    values["submissions"] = _entries(SubmissionEntry, values.get("submissions", {}), f"{where}submissions", "file")
    values["solvers"] = {
        str(label): _mapping(options or {}, f"{where}solvers, {label}")
        for label, options in _mapping(values.get("solvers", {}), f"{where}solvers").items()
    }
    grid = make_options(Grid, values, where=str(path))
    require(grid, "timing_pairs", grid.timing_pairs >= 0, "a number of pairs, 0 for none")
    combinations(grid)
    return grid


def combinations(grid: Grid, hloc: str = "hloc") -> list[Combination]:
    """All rows in the order of the file.

    Raises:
        InputError: a method names a depth or a solver that the grid has not.
    """
    rows = []
    for name, entry in grid.methods.items():
        for depth in _chosen(entry.depths, {**grid.depths, OWN: None}, list(grid.depths), f"depths of {name}"):
            for solver in _chosen(entry.solvers, grid.solvers, list(grid.solvers), f"solvers of {name}"):
                options = dict(grid.solvers[solver])
                method = Method(
                    feature=entry.feature,
                    matcher=entry.matcher,
                    depth=None if depth == OWN else grid.depths[depth].source,
                    solver=options.pop("solver", solver),
                    solver_options=options,
                    weights=entry.weights,
                    encoder=entry.encoder,
                    feature_options=entry.feature_options,
                    matcher_options=entry.matcher_options,
                    hloc=hloc,
                    accept="all",
                    seed=grid.seed,
                )
                paper_depth = "MicKey" if depth == OWN else grid.depths[depth].paper or depth
                rows.append(Combination((name, depth, solver), method, (entry.paper or name, paper_depth)))
    return rows


def _chosen(
    wanted: Sequence[str] | None, known: Mapping[str, Any], default: Sequence[str], where: str
) -> Sequence[str]:
    if wanted is None:
        return default
    for label in wanted:
        if label not in known:
            raise unknown_name(f"label in {where}:", str(label), known)
    return wanted


def _entries(cls: type[Any], values: Any, where: str, only: str | None) -> dict[str, Any]:
    """Entries by label; a plain text stands for the field ``only``."""
    entries = {}
    for label, value in _mapping(values, where).items():
        fields = {only: value} if only is not None and isinstance(value, str) else value
        entry = _mapping(fields, f"{where}, {label}")
        if only is not None and only not in entry:
            raise InputError(f"{where}, {label}: '{only}' is missing.")
        entries[str(label)] = make_options(cls, entry, where=f"{where}, {label}")
    return entries


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} is '{value}', but lines 'key: value' are needed.")
    return value
