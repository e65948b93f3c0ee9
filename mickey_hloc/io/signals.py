"""Signals that end a command: who takes care of them.

pycolmap, when it is imported, takes SIGTERM for itself: it prints a stack trace of C++ before it lets the process end,
and hangs where the signal comes while a library is being loaded. So whoever handles SIGTERM does that through this
module, which imports it first.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

_STOPS = (signal.SIGTERM, signal.SIGINT)


def on_sigterm(handler: Callable[[int, Any], None] | signal.Handlers) -> Any:
    """Handle SIGTERM from now on; returns the handler before. In the main thread."""
    with stop_signals_wait():
        import pycolmap

        assert pycolmap  # its handler is in place now
        return signal.signal(signal.SIGTERM, handler)


@contextmanager
def stop_signals_wait() -> Iterator[None]:
    """SIGTERM and Ctrl+C arrive after the block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def starting_workers() -> Iterator[None]:
    """Processes of a pool that are started in the block see to SIGTERM and Ctrl+C in ``begin_worker``, not before."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # started in the block, it would let the signals through again
    with stop_signals_wait():
        yield


def begin_worker() -> None:
    """Begin a process of a pool: it ends quietly when the first process, which takes care of signals, ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C goes to all processes of a terminal
    on_sigterm(signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
