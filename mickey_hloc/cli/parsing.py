"""The parser of every command: a typo names the word that was meant, and an output is checked before the work."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mickey_hloc.cli.terminal import plain
from mickey_hloc.errors import InputError
from mickey_hloc.io.files import check_writable

_INVALID_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)", re.DOTALL)


class CommandParser(argparse.ArgumentParser):
    """A parser that refuses unknown arguments itself, so that the usage shown is that of the command."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[Any, list[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and not any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            self.error(f"unknown {' '.join(unknown)}{self._meant(unknown)}")
        return found, unknown

    def _meant(self, unknown: Sequence[str]) -> str:
        known = [option for action in self._actions for option in action.option_strings]
        words = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        meant = [near[0] for word in words if (near := difflib.get_close_matches(word, known, n=1))]
        return f"; did you mean {', '.join(meant)}?" if meant else ""

    def error(self, message: str) -> NoReturn:
        """Print the usage and one sentence; exit status 2."""
        found = _INVALID_CHOICE.search(message)
        if found:
            choices = re.findall(r"[\w.:-]+", found[2])
            near = difflib.get_close_matches(found[1], choices, n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {plain(message)}\n")


def check_outputs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse outputs that cannot be written, before hours of work are lost on them.

    Raises:
        InputError: an ``--output`` or ``--report`` cannot be made where it is said to go.
    """
    for action in _all_actions(parser):
        value = getattr(args, action.dest, None)
        if action.dest in ("output", "report") and isinstance(value, Path):
            kinds = str(action.metavar).upper()
            is_file = "FILE" in kinds or "ZIP" in kinds
            if is_file and "DIR" in kinds:  # the name tells which
                is_file = value.suffix.lower() in (".h5", ".hdf5", ".txt")
            try:
                check_writable(value, is_file)
            except InputError as error:
                raise InputError(f"{action.option_strings[-1]}: {error}") from error


def _all_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Those of a parser and of the parsers below it, each destination once."""
    found: dict[str, argparse.Action] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found |= {a.dest: a for a in _all_actions(inner)}
        elif action.option_strings:
            found[action.dest] = action
    return list(found.values())
