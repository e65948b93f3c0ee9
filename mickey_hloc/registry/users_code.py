"""Code of the user's own: importing a class of it, and turning its bugs into one sentence that says where."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from mickey_hloc.errors import InputError, MickeyHlocError, MissingDependencyError, PartError

_PACKAGE = __name__.partition(".")[0]


@contextmanager
def users_code(cls: type, kind: str, passed: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Around code of a part: what a part of the user's raises by a bug becomes a PartError, those of ours stay bugs.

    Args:
        passed: exceptions that the caller handles.

    Raises:
        PartError: with the exception, the file and the line.
    """
    try:
        yield
    except (MickeyHlocError, OSError):  # which says the file
        raise
    except Exception as error:
        if isinstance(error, passed) or cls.__module__.partition(".")[0] == _PACKAGE:
            raise
        raise PartError(f"{kind.capitalize()} {cls.__qualname__} broke down: {_told(error, _file_of(cls))}.") from error


def load_users_class(kind: str, base: type, path: str) -> type:
    """The class that ``package.module:Class`` names.

    Raises:
        InputError: no such module or class, or a class of something else.
        MissingDependencyError: the module needs a package that is not installed.
        PartError: the module cannot be imported, or the class is not finished.
    """
    module, _, attribute = path.partition(":")
    found: Any = _import(kind, path, module)
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise InputError(f"The {kind} '{path}' cannot be found: the module {module} has no {attribute}.")
        found = getattr(found, name)
    if not (isinstance(found, type) and issubclass(found, base)):
        other = f", it is a {found.kind}" if isinstance(getattr(found, "kind", None), str) else ""
        where = f"{base.__module__}.{base.__name__}"
        raise InputError(f"'{path}' is no {kind}{other}: it must be a class derived from {where}.")
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))  # type: ignore[attr-defined]
        raise PartError(f"{kind.capitalize()} {found.__qualname__} is not finished: it must define {lacking}.")
    return found


def _import(kind: str, path: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except MickeyHlocError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise InputError(
                f"The {kind} '{path}' cannot be imported: there is no module {error.name}; install its package or "
                "add its folder to PYTHONPATH."
            ) from error
        needed = f"the module {error.name}: install it" if error.name else f"something that is not here: {error}"
        raise MissingDependencyError(f"The {kind} {path} needs {needed}.") from error
    except ImportError as error:
        raise MissingDependencyError(f"The {kind} {path} cannot be imported: {_one_line(error)}.") from error
    except Exception as error:
        raise PartError(f"The {kind} {path} cannot be imported: {_told(error, None)}.") from error


def _told(error: Exception, file: str | None) -> str:
    """An exception in one line, with the last line of ``file`` that it came through, or the last line of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or frames
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    if isinstance(error, SyntaxError):  # whose message has the line
        where = ""
    return f"{type(error).__name__}: {_one_line(error)}{where}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


def _file_of(cls: type) -> str | None:
    try:
        return inspect.getsourcefile(cls)
    except TypeError:  # a class without a file, made in an interpreter
        return None
