"""What all commands have in common on their line: one-line errors, options anywhere, presets, several files."""

from __future__ import annotations

import argparse
import contextlib
import os
import tomllib
from collections.abc import Sequence
from typing import NoReturn

from pipelines.errors import OutputError, UsageError, one_line
from pipelines.reading import STDIN, is_live

PRESET_FILE = "--preset-file"
_NOT_IN_FILES = {"help", "version", "completion", PRESET_FILE.removeprefix("--")}


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse prints its usage and leaves."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; {self.prog} --help tells more")


def parse(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Options may stand anywhere, those of a preset file give way to them. Raises UsageError."""
    words = list(argv)
    if "--" in words:  # which argparse forgets where options stand anywhere
        place = words.index("--")
        words[place:] = [f"./{word}" if word[:1] == "-" and word != STDIN else word for word in words[place + 1 :]]
    if PRESET_FILE in _options(parser):
        first = Parser(prog=parser.prog, add_help=False, allow_abbrev=False)
        first.add_argument(PRESET_FILE)
        path = first.parse_known_args(words)[0].preset_file
        words = [*(() if path is None else _preset(parser, path)), *words]
    return parser.parse_intermixed_args(words)


def _preset(parser: Parser, path: str) -> list[str]:
    """The options of a TOML file, as on a command line. Raises UsageError."""
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path}: {one_line(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {one_line(error)}") from error
    options = []
    for key, value in found.items():
        if key in _NOT_IN_FILES or f"--{key}" not in _options(parser):
            raise UsageError(f"{path}: {key}: there is no such option")
        if isinstance(value, bool):
            given = [f"--{key}"] * value
        elif isinstance(value, str | int | float):
            given = [f"--{key}={value}"]
        else:
            raise UsageError(f"{path}: {key}: neither a text, a number nor true or false")
        try:
            parser.parse_intermixed_args(["IN", *given])
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
        options += given
    return options


def _options(parser: argparse.ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings}


def pairs(names: Sequence[str]) -> list[tuple[str, str | None]]:
    """Each input with its output: IN; IN OUT; any number of INs and a folder. Raises UsageError, OutputError."""
    if len(names) == 1:
        return [(names[0], None)]
    *inputs, target = names
    if target.endswith(os.sep) or os.path.isdir(target):
        return _into(inputs, target)
    if len(inputs) > 1:
        raise UsageError(f"{target}: no folder; several inputs go into one: ... {target}/")
    return [(inputs[0], target)]


def _into(inputs: Sequence[str], folder: str) -> list[tuple[str, str | None]]:
    made: dict[str, str] = {}
    for name in inputs:
        if name == STDIN or is_live(name):
            raise UsageError(f"{name}: has no name to bear in a folder; give it an output of its own")
        target = os.path.join(folder, os.path.basename(name))
        if target in made:
            raise UsageError(f"{made[target]} and {name} would both become {target}")
        made[target] = name
    try:
        with contextlib.suppress(FileExistsError):
            os.makedirs(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {one_line(error)}") from error
    return [(name, target) for target, name in made.items()]


def named_after(template: str | None, source: str, several: bool, option: str) -> str | None:
    """A file beside an output, with {name} replaced by the input's. Raises UsageError where all would be one."""
    if template is None:
        return None
    if several and "{name}" not in template:
        raise UsageError(f"{option} {template}: one file for several inputs; put {{name}} into it")
    return template.replace("{name}", os.path.splitext(os.path.basename(source))[0])
