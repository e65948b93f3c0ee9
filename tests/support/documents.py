"""What the documents of the project name: inline code, blocks of code, commands with their options."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

from mickey_hloc.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mickey_hloc"
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, without their indentation."""
    return [textwrap.dedent(body) for _, found, body in _BLOCK.findall(text) if found == language]


def code_in_order(text: str) -> list[tuple[str, str]]:
    """The language and the text of every fenced block, in the order of the page."""
    return [(found, textwrap.dedent(body)) for _, found, body in _BLOCK.findall(text)]


def inline_code(text: str) -> list[str]:
    """What stands between backticks outside of blocks."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", _BLOCK.sub("", text))]


def shell_lines(block: str) -> list[list[str]]:
    """The words of each line of shell, comments left out and continued lines joined."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def yaml_comments(text: str) -> str:
    """The indented lines of a yaml file's comments, which are its commands."""
    return "\n".join(line[1:].strip() for line in text.splitlines() if line.startswith("#   "))


def command_of(words: list[str]) -> list[str] | None:
    """The words behind ``mickey-hloc``, settings of the environment aside; None for another program."""
    while words and re.fullmatch(r"\w+=\S*", words[0]):
        words = words[1:]
    return words[1:] if words and words[0].split("/")[-1] == "mickey-hloc" else None


def command_problem(words: list[str]) -> str | None:
    """Why a command would not run as it is written; None where it would.

    Words with ``...`` stand for anything, so that only the name and the options are checked.
    """
    if words[:1] == ["--version"]:
        return None
    if not words or words[0] not in COMMANDS:
        return f"no such command; there are {', '.join(COMMANDS)}"
    parser = argparse.ArgumentParser(words[0], exit_on_error=False)
    importlib.import_module(f"mickey_hloc.cli.{words[0].replace('-', '_')}").add_arguments(parser)
    known = set(_visible_options(parser, words[1:]))
    unknown = [word for word in words[1:] if word.startswith("--") and word.partition("=")[0] not in known]
    if unknown:
        return f"no option {', '.join(unknown)} of {words[0]}"
    if "..." in words:
        return None
    try:
        parser.parse_args(words[1:])
    except (SystemExit, argparse.ArgumentError) as error:
        return f"not accepted ({error})"
    return None


def _visible_options(parser: argparse.ArgumentParser, words: list[str]) -> Iterator[str]:
    """The options of a command and of the one chosen below it, those of earlier versions left out."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, chosen in action.choices.items():
                if name in words:
                    yield from _visible_options(chosen, words)
        elif action.help != argparse.SUPPRESS:
            yield from action.option_strings


def defined_names(path: Path) -> set[str]:
    """Classes, functions, their arguments, and whatever else a file gives a name; keys that it writes as texts."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            names.add(node.value)
    return names


def defined_classes(path: Path) -> set[str]:
    """The classes of a file."""
    return {n.name for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.ClassDef)}
