"""Completions and the manual pages, made from the command's own options by `python -m pipelines.generated`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
COMPLETIONS = {"bash": "conceal", "zsh": "_conceal", "fish": "conceal.fish"}
"""File by shell, named as the shell looks for it."""
MANUALS = {"conceal": "conceal.1", "conceal check": "conceal-check.1", "conceal archive": "conceal-archive.1"}
"""Page by command."""


class ShowFile(argparse.Action):
    """Prints the completions of a shell, and leaves."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        print((FOLDER / COMPLETIONS[str(values)]).read_text(), end="")
        parser.exit()
