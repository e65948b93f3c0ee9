"""Signals that end a command: who takes care of them.

pycolmap, when it is imported, takes SIGTERM for itself and prints a stack trace of C++ before it lets the process end.
So it is imported here first, and whoever handles SIGTERM does that through this module.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pycolmap

assert pycolmap  # its handler is in place now, and is replaced below


def on_sigterm(handler: Callable[[int, Any], None] | signal.Handlers) -> Any:
    """Handle SIGTERM from now on; returns the handler before. In the main thread."""
    return signal.signal(signal.SIGTERM, handler)


def begin_worker() -> None:
    """Begin a process of a pool: it ends quietly when the first process, which takes care of signals, ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C goes to all processes of a terminal
    on_sigterm(signal.SIG_DFL)
