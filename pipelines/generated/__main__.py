"""Writes completions and manual page anew. Needs shtab and argparse-manpage, which `pip install -e '.[dev]'` brings."""

from __future__ import annotations

import re

import shtab
from argparse_manpage.manpage import Manpage

from concealer import __version__
from pipelines.cli import build_parser
from pipelines.generated import COMPLETIONS, FOLDER, MANUAL

_FILES = {"names", "sdp", "report", "compare", "preset_file", "outage"}


def completion(shell: str) -> str:
    """The script for a shell."""
    parser = build_parser()
    for action in parser._actions:
        if action.dest in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell))


def manual() -> str:
    """The page in roff."""
    parser = build_parser()
    options = {
        "prog": "conceal",
        "project_name": "concealer",
        "version": __version__,
        "description": "repair damaged H.264 and HEVC video",
        "manual_section": "1",
        "manual_title": "concealer",
    }
    parser._manpage = []  # type: ignore[attr-defined]
    text = str(Manpage(parser, _data=options, format="single-commands-section"))
    text = re.sub(r'^(\.TH CONCEAL "?1"?) ".*?"', r'\1 ""', text, count=1)  # without the day
    text = text.replace(".SH COMMENTS\n", ".SH NOTES\n.nf\n")
    return re.sub(r"(?<=\.B conceal\n).*", lambda usage: usage[0].replace(" conceal ", "\n.br\n.B conceal\n"), text)


def main() -> None:
    for shell, name in COMPLETIONS.items():
        (FOLDER / name).write_text(completion(shell))
    (FOLDER / MANUAL).write_text(manual())


if __name__ == "__main__":
    main()
