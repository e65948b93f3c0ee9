"""The hloc that is extended or whose models run: its package and modules, or a sentence that says what is missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from mickey_hloc.errors import InputError, MissingDependencyError

HLOC_INSTALL = "pip install git+https://github.com/cvg/Hierarchical-Localization"
_INSTALL = {"hloc": HLOC_INSTALL, "imcui": "pip install --no-deps imcui"}
# Module -> what pip calls it. For others no command is given: hloc's third_party methods import modules with names
# like "extract", and a package of that name on PyPI would be a stranger's.
_PACKAGES = {
    name: name for name in ("h5py", "huggingface_hub", "kornia", "matplotlib", "plotly", "scipy", "torchvision")
}
_PACKAGES |= {"cv2": "opencv-python-headless", "lightglue": "git+https://github.com/cvg/LightGlue", "PIL": "pillow"}


def import_host(hloc: str | ModuleType | None = None) -> ModuleType:
    """The package of an installed hloc, given as a module or by its name, e.g. "imcui.hloc". Default: "hloc".

    Raises:
        MissingDependencyError: it, or something that it needs, is not installed; the message has the install line.
        InputError: the package is no hloc.
    """
    return hloc if isinstance(hloc, ModuleType) else import_host_module(hloc or "hloc")


def import_step(host: ModuleType, step: str) -> ModuleType:
    """One of hloc's steps, e.g. ``reconstruction``.

    Raises:
        MissingDependencyError: it cannot be imported with the packages installed here.
        InputError: the package has no such step.
    """
    return import_host_module(f"{host.__name__}.{step}")


def import_host_module(name: str) -> ModuleType:
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
