"""Writes completions and manual page anew. Needs shtab and argparse-manpage, which `pip install -e '.[dev]'` brings."""

from __future__ import annotations

import re

import shtab
from argparse_manpage.manpage import Manpage

from concealer import __version__
from pipelines import archive_cli, check_cli, cli
from pipelines.generated import COMPLETIONS, FOLDER, MANUALS

_FILES = {"names", "sdp", "like", "report", "compare", "preset_file", "outage"}
_PAGES = {
    "conceal": (cli.build_parser, "repair damaged H.264 and HEVC video"),
    "conceal check": (check_cli.build_parser, "find damaged H.264 and HEVC video among files"),
    "conceal archive": (archive_cli.build_parser, "repair a folder of H.264 and HEVC video"),
}
"""By command: what it takes, and what it is for."""


def completion(shell: str) -> str:
    """The script for a shell."""
    parser = cli.build_parser()
    for action in parser._actions:
        if action.dest in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell))


def manual(command: str) -> str:
    """The page of a command in roff."""
    build, purpose = _PAGES[command]
    parser = build()
    name = command.replace(" ", "-")
    options = {
        "prog": command,
        "project_name": "concealer",
        "version": __version__,
        "description": purpose,
        "manual_section": "1",
        "manual_title": "concealer",
    }
    parser._manpage = []  # type: ignore[attr-defined]
    text = str(Manpage(parser, _data=options, format="single-commands-section"))
    # Named as man looks for it, and without the day.
    text = re.sub(r'^\.TH .*?"1" ".*?"', f'.TH {name.upper()} "1" ""', text, count=1)
    text = re.sub(rf"(?<=\.SH NAME\n){command}", name, text, count=1)
    text = text.replace(".SH COMMENTS\n", ".SH NOTES\n.nf\n")
    if command == "conceal":
        text = re.sub(r"(?<=\.B conceal\n).*", lambda usage: usage[0].replace(" conceal ", "\n.br\n.B conceal\n"), text)
    return text


def main() -> None:
    for shell, name in COMPLETIONS.items():
        (FOLDER / name).write_text(completion(shell))
    for command, page in MANUALS.items():
        (FOLDER / page).write_text(manual(command))


if __name__ == "__main__":
    main()
