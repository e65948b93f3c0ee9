"""Signatures of functions of other packages, read off their source without importing it, or off a stub."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

Signature = list[list[str | None]]  # of each parameter its name, its kind and its default as text


def of_source(source: str, qualified_name: str) -> Signature:
    """Of a function or a method ``Class.method`` in the text of a module."""
    body: list[ast.stmt] = ast.parse(source).body
    found: Any = None
    for part in qualified_name.split("."):
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        [*_, found] = [node for node in body if isinstance(node, kinds) and node.name == part]
        body = found.body
    assert isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef))
    a = found.args
    positional = [*a.posonlyargs, *a.args]
    padded = [None] * (len(positional) - len(a.defaults)) + list(a.defaults)
    rows = [[arg.arg, "positional", _text(default)] for arg, default in zip(positional, padded, strict=True)]
    rows += [[a.vararg.arg, "varargs", None]] if a.vararg else []
    rows += [[arg.arg, "keyword", _text(d)] for arg, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    rows += [[a.kwarg.arg, "kwargs", None]] if a.kwarg else []
    return rows


def of_function(function: Callable[..., Any]) -> Signature:
    """Of a function that is here, e.g. a stub."""
    kinds = {
        inspect.Parameter.VAR_POSITIONAL: "varargs",
        inspect.Parameter.KEYWORD_ONLY: "keyword",
        inspect.Parameter.VAR_KEYWORD: "kwargs",
    }
    return [
        [p.name, kinds.get(p.kind, "positional"), None if p.default is p.empty else repr(p.default)]
        for p in inspect.signature(function).parameters.values()
    ]


def _text(default: ast.expr | None) -> str | None:
    """A default as ``repr`` writes it; what is no plain value as it stands there."""
    if default is None:
        return None
    try:
        return repr(ast.literal_eval(default))
    except ValueError:
        return ast.unparse(default)
