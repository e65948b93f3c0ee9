"""Help texts: every option says what it is and its default; a shell completes them."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mickey_hloc.cli import COMMANDS, main
from mickey_hloc.cli.help import Help


def options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from options(below)
        elif action.option_strings and action.help != argparse.SUPPRESS:
            yield action


def parser_of(name: str) -> argparse.ArgumentParser:
    module = __import__(f"mickey_hloc.cli.{name.replace('-', '_')}", fromlist=["add_arguments"])
    parser = argparse.ArgumentParser(name)
    module.add_arguments(parser)
    return parser


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_and_its_default(name: str) -> None:
    formatter = Help(name)
    for action in options(parser_of(name)):
        text = formatter._get_help_string(action)
        assert text, f"{name} {action.option_strings[0]} has no help"
        switch = action.required or action.nargs == 0 or isinstance(action, argparse._HelpAction)
        assert switch or "default" in text, f"{name} {action.option_strings[0]} does not say its default"


# What a number is in: the name of an option's value, or the words of its help, say it.
UNITS = {"N", "PX", "PX[,PX]", "MB", "MP", "DEG", "M", "SHARE", "PROBABILITY", "SEED", "PORT", "METRES", "F,CX,CY,..."}
WORDS = re.compile(r"\b(px|pixels|metres|degrees|0 to 1)\b")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_number_says_its_unit(name: str) -> None:
    for action in options(parser_of(name)):
        values = action.metavar if isinstance(action.metavar, tuple) else (action.metavar,)
        is_number = action.type in (int, float) or isinstance(action.default, (int, float, tuple))
        is_measured = is_number or str(action.dest).endswith(("_px", "_size", "_deg", "_m", "focal", "params"))
        if action.nargs == 0 or not is_measured:
            continue
        assert UNITS.intersection(values) or WORDS.search(action.help or ""), f"{name} {action.option_strings[0]}"


def test_the_list_of_commands_names_the_actions_of_weights() -> None:
    [actions] = [a for a in parser_of("weights")._actions if isinstance(a, argparse._SubParsersAction)]
    assert COMMANDS["weights"].endswith(", ".join(actions.choices))


def test_the_help_on_the_screen_has_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["localize", "--help"])
    assert done.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "between agreeing references (default: 10.0)" in printed
    with pytest.raises(SystemExit):
        main(["evaluate", "mapfree", "--help"])
    assert "(default: text)" in " ".join(capsys.readouterr().out.split())


def test_a_shell_gets_completions() -> None:
    pytest.importorskip("argcomplete")
    line = "mickey-hloc demo --ro"
    asked = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": "/dev/stdout",
    }
    code = "import sys; sys.argv = ['mickey-hloc']; from mickey_hloc.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert "--room" in run.stdout
