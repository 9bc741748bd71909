"""The licences of everything installed in this environment, as a page; called by .ci/lock."""

from __future__ import annotations

import importlib.metadata
import re

HEAD = """\
# Licences

concealer is Apache-2.0. Below is what `pip` installs beside it for all extras that CI uses, by its own account; made by
`.ci/lock`, versions are those that CI is pinned to. The shipped networks' data and attribution are on their cards in
`engines/zoo`.

PyAV's wheels hold FFmpeg, which calls itself LGPL-3.0-or-later, and beside it the encoders x264 and x265, which are
GPL-2.0-or-later. concealer ships none of them: whoever ships it together with PyAV's wheel minds these too.

| package | version | licence |
|---|---|---|"""
_LONG = 60


def licence(metadata: importlib.metadata.PackageMetadata) -> str:
    """In a few words, from the fields that say it, the newer ones first."""
    told = metadata.get("License-Expression")
    if not told:
        classified = [
            line.split("::")[-1].strip() for line in metadata.get_all("Classifier", []) if line.startswith("License ::")
        ]
        told = ", ".join(classified)
    if not told:
        told = (metadata.get("License") or "").strip().splitlines()[0:1] or "not told"
        told = told if isinstance(told, str) else told[0]
    return re.sub(r"\|", "/", told if len(told) <= _LONG else told[:_LONG] + " ...")


def main() -> None:
    print(HEAD)
    found = {one.metadata["Name"].lower(): one for one in importlib.metadata.distributions()}
    for name, one in sorted(found.items()):
        if name not in ("concealer", "pip", "setuptools"):
            print(f"| {name} | {one.version} | {licence(one.metadata)} |")


if __name__ == "__main__":
    main()
