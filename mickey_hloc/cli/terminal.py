"""What reaches the terminal: text without control sequences, whatever files are called; how signals end a command."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from typing import Any, TextIO

from mickey_hloc.io.signals import on_sigterm

TERMINATED = 128 + signal.SIGTERM
STYLES = {"good": "1;32", "bad": "1;31"}  # bold green, bold red

# Control characters but newline, tab, and what progress bars need: carriage return and the cursor one line up.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\x1b(?!\[A)"
)


class Terminated(BaseException):
    """SIGTERM asked this process to end; what is finished is kept."""


def plain(text: str) -> str:
    """A text with control characters written as escapes, so that a name cannot act on the terminal.

    >>> plain("a\\x1b[31m\\x07.jpg")
    'a\\\\x1b[31m\\\\x07.jpg'
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def has_colours(stream: TextIO) -> bool:
    """Whether a stream is a terminal that shows colours and whose user has not said no (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"


def styled(text: str, style: str, stream: TextIO) -> str:
    """A ``plain`` text in one of ``STYLES`` where the stream has colours."""
    return f"\x1b[{STYLES[style]}m{plain(text)}\x1b[0m" if has_colours(stream) else plain(text)


def say(text: str, style: str) -> None:
    """Print a line, on a terminal in one of ``STYLES``; files and pipes get the text alone."""
    if isinstance(sys.stdout, _PlainStream):
        sys.stdout.write_styled(text, style)
    else:
        print(text)


class _PlainStream:
    """A stream that writes ``plain`` text; everything else is the stream's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(plain(text))

    def write_styled(self, text: str, style: str) -> None:
        self._stream.write(styled(text, style, self._stream) + "\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def plain_output(out: TextIO, err: TextIO) -> Iterator[None]:
    """Both standard streams write plain text in the block."""
    with redirect_stdout(_PlainStream(out)), redirect_stderr(_PlainStream(err)):  # type: ignore[type-var]
        yield


@contextmanager
def terminable(light: bool = False) -> Iterator[None]:
    """SIGTERM raises ``Terminated`` in the block, so that locks and temporary files are removed; in the main thread.
    Ctrl+C raises ``KeyboardInterrupt``, as ever.

    A signal that arrives while a library calls us back may come out of it as any other exception: the block ends by
    ``Terminated`` or ``KeyboardInterrupt`` then too.

    Args:
        light: nothing in the block imports pycolmap, which would take the signal for itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handle: Callable[[Any], Any] = partial(signal.signal, signal.SIGTERM) if light else on_sigterm
    before = handle(signal.SIG_DFL)
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not in a shell's background
    process = os.getpid()
    sent: list[BaseException] = []

    def end(number: int, _: object) -> None:
        if os.getpid() != process:  # a child that was forked has nothing to remove
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        sent.append(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())
        raise sent[-1]

    handle(end)
    if interruptible:
        signal.signal(signal.SIGINT, end)
    try:
        with _callbacks_end_too():
            yield
    except BaseException:
        if sent:
            raise sent[-1] from None
        raise
    finally:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        handle(before)


@contextmanager
def _callbacks_end_too() -> Iterator[None]:
    """A signal within a callback that lets no exception through ends the process; the next run removes what is left."""

    def unraisable(told: sys.UnraisableHookArgs) -> None:
        if isinstance(told.exc_value, Terminated | KeyboardInterrupt):
            os._exit(TERMINATED if isinstance(told.exc_value, Terminated) else 128 + signal.SIGINT)
        hook(told)

    hook = sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
