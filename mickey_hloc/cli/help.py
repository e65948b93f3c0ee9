"""What every help text says: the default of each option, in one way."""

from __future__ import annotations

import argparse


class Help(argparse.HelpFormatter):
    """Adds the default where the text of an option does not say it."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        if not action.option_strings or action.required or action.nargs == 0 or "default" in text:
            return text
        if action.default is argparse.SUPPRESS:
            return text
        if action.default in (None, []):
            return f"{text} (default: not given)".strip()
        value = "x".join(map(str, action.default)) if isinstance(action.default, tuple) else "%(default)s"
        return f"{text} (default: {value})".strip()


class RawHelp(Help, argparse.RawDescriptionHelpFormatter):
    """The same, for parsers whose description and examples keep their lines."""


def use_everywhere(parser: argparse.ArgumentParser) -> None:
    """Give a parser and all parsers below it this help."""
    formatter = parser.formatter_class
    raw = isinstance(formatter, type) and issubclass(formatter, argparse.RawDescriptionHelpFormatter)
    parser.formatter_class = RawHelp if raw else Help
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                use_everywhere(below)
