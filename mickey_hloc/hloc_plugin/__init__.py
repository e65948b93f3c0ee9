"""Adding our methods to an installed hloc. This folder is all that knows hloc's inside.

hloc imports ``hloc.extractors.<name>`` and takes the one subclass of its BaseModel that was defined there, so a folder
appended to the package's search path is all it takes: nothing of hloc is replaced or changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from mickey_hloc.hloc_plugin.confs import dense_confs, feature_confs, matcher_confs
from mickey_hloc.hloc_plugin.host import import_host, import_host_module, import_step

__all__ = ["import_step", "register"]

_HERE = Path(__file__).resolve().parent


def register(hloc: str | ModuleType | None = None) -> ModuleType:
    """Add the extractor ``mickey``, the matchers ``mickey`` and ``vismatch`` and their confs to hloc.

    Afterwards hloc's own steps take them: ``extract_features.confs["mickey"]``, ``match_features.confs["mickey"]``,
    ``match_dense.confs["vismatch-<name>"]``; ``mickey_hloc.hloc_plugin.confs`` makes others, e.g. with your weights. A
    conf of the host that has one of these names stays. Calling this again changes nothing.

    Args:
        hloc: the package to extend, as a module or by its name, e.g. "imcui.hloc". Default: "hloc".

    Returns:
        The package.

    Raises:
        MissingDependencyError: it, or something that it needs, is not installed; the message has the install line.
        InputError: the package is no hloc.
    """
    host = import_host(hloc)
    for folder in ("extractors", "matchers"):
        search_path = _search_path(host, folder)
        if str(_HERE / folder) not in search_path:
            search_path.append(str(_HERE / folder))
    _add_confs(host, "extract_features", feature_confs())
    _add_confs(host, "match_features", matcher_confs())
    _add_confs(host, "match_dense", dense_confs())
    return host


def _search_path(host: ModuleType, folder: str) -> list[str]:
    package = import_host_module(f"{host.__name__}.{folder}")
    path: list[str] = package.__path__  # type: ignore[assignment]
    return path


def _add_confs(host: ModuleType, step: str, confs: Mapping[str, dict[str, Any]]) -> None:
    known: dict[str, dict[str, Any]] = import_step(host, step).confs
    for name, conf in confs.items():
        known.setdefault(name, conf)
