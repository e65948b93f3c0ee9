"""Adding our methods to an installed hloc. This folder is all that knows hloc's inside.

hloc imports ``hloc.extractors.<name>`` and takes the one subclass of its BaseModel that was defined there, so a folder
appended to the package's search path is all it takes: nothing of hloc is replaced or changed.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from mickey_hloc.confs import dense_confs, feature_confs, matcher_confs
from mickey_hloc.errors import InputError, MissingDependencyError

HLOC_INSTALL = "pip install git+https://github.com/cvg/Hierarchical-Localization"
_INSTALL = {"hloc": HLOC_INSTALL, "imcui": "pip install --no-deps imcui"}
# Module -> what pip calls it. For others no command is given: hloc's third_party methods import modules with names
# like "extract", and a package of that name on PyPI would be a stranger's.
_PACKAGES = {
    name: name for name in ("h5py", "huggingface_hub", "kornia", "matplotlib", "plotly", "scipy", "torchvision")
}
_PACKAGES |= {"cv2": "opencv-python-headless", "lightglue": "git+https://github.com/cvg/LightGlue", "PIL": "pillow"}
_HERE = Path(__file__).resolve().parent


def register(hloc: str | ModuleType | None = None) -> ModuleType:
    """Add the extractor ``mickey``, the matchers ``mickey`` and ``vismatch`` and their confs to hloc.

    Afterwards hloc's own steps take them: ``extract_features.confs["mickey"]``, ``match_features.confs["mickey"]``,
    ``match_dense.confs["vismatch-<name>"]``; ``mickey_hloc.confs`` makes others, e.g. with your weights. A conf of the
    host that has one of these names stays. Calling this again changes nothing.

    Args:
        hloc: the package to extend, as a module or by its name, e.g. "imcui.hloc". Default: "hloc".

    Returns:
        The package.

    Raises:
        MissingDependencyError: it, or something that it needs, is not installed; the message has the install line.
        InputError: the package is no hloc.
    """
    host = hloc if isinstance(hloc, ModuleType) else _import(hloc or "hloc")
    for folder in ("extractors", "matchers"):
        search_path = _search_path(host, folder)
        if str(_HERE / folder) not in search_path:
            search_path.append(str(_HERE / folder))
    _add_confs(host, "extract_features", feature_confs())
    _add_confs(host, "match_features", matcher_confs())
    _add_confs(host, "match_dense", dense_confs())
    return host


def import_step(host: ModuleType, step: str) -> ModuleType:
    """One of hloc's steps, e.g. ``reconstruction``.

    Raises:
        MissingDependencyError: it cannot be imported with the packages installed here.
        InputError: the package has no such step.
    """
    return _import(f"{host.__name__}.{step}")


def _import(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"'{name}' is not the name of a Python package, e.g. hloc or imcui.hloc.")
    package = name.partition(".")[0]
    install = _INSTALL.get(package, HLOC_INSTALL)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing == package:
            raise MissingDependencyError(f"{package} is not installed; install it with: {install}") from error
        if f"{name}.".startswith(f"{missing}."):
            raise InputError(f"{name} is no part of an hloc: there is no module {missing}.") from error
        known = _PACKAGES.get(missing.partition(".")[0])
        advice = f"install it with: pip install {known}" if known else "see where hloc says how to get it"
        raise MissingDependencyError(f"{name} needs the module {missing}, which is not installed; {advice}") from error
    except (ImportError, AttributeError) as error:  # e.g. a fork that uses what newer numpy or pycolmap removed
        raise MissingDependencyError(
            f"{name} does not work with the packages installed here ({error}); the maintained one: {HLOC_INSTALL}"
        ) from error


def _search_path(host: ModuleType, folder: str) -> list[str]:
    package = _import(f"{host.__name__}.{folder}")
    path: list[str] = package.__path__  # type: ignore[assignment]
    return path


def _add_confs(host: ModuleType, step: str, confs: Mapping[str, dict[str, Any]]) -> None:
    known: dict[str, dict[str, Any]] = import_step(host, step).confs
    for name, conf in confs.items():
        known.setdefault(name, conf)
