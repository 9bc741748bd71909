"""What is remembered of a file: one line of the manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

SCHEMA = "concealer-archive/1"

Status = Literal["repaired", "rewritten", "copied", "left out"]
"""repaired: damage was found and repaired; rewritten: no picture is damaged, but the file is not a copy of the input;
copied: byte for byte; left out: needs no repair, and is not wanted then."""


@dataclass(frozen=True)
class Content:
    """What a file holds."""

    size: int
    sha256: str
    stamp: str = ""
    """Changes when the file is written to, as far as its store tells: time of change, ETag."""

    def same(self, other: Content) -> bool:
        """Byte for byte, wherever and whenever they were written."""
        return (self.size, self.sha256) == (other.size, other.sha256)


@dataclass(frozen=True)
class Record:
    """Finished work on one file."""

    name: str
    """Relative to both folders, with "/"."""
    input: Content
    settings: str
    """Digest of those that the output hangs on."""
    version: str
    """Of the program."""
    status: Status
    output: Content | None
    """None: there is none."""
    video: bool = True
    """H.264 or HEVC was found in it."""
    route: str | None = None
    """How a damaged one was repaired: "splice", "gop", "encode"."""
    pictures: int = 0
    damaged: int = 0
    repaired: int = 0
    bytes_kept: int = 0
    """Of a copied file; of video payloads of a repaired one that are in the output as they were."""
    seconds: float = 0.0
    processor_seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """In JSON's types."""
        return {"schema": SCHEMA, **asdict(self)}

    def line(self) -> str:
        """One line of the manifest."""
        return json.dumps(self.as_dict()) + "\n"


_KNOWN = {one.name for one in fields(Record)}


def read_record(line: str) -> Record | None:
    """Of a line of a manifest; None if it is not whole, or of another schema."""
    try:
        known: dict[str, Any] = json.loads(line)
        if known.get("schema") != SCHEMA or known["status"] not in get_args(Status):
            return None
        output = known["output"]
        values = {name: value for name, value in known.items() if name in _KNOWN}
        values["input"] = Content(**known["input"])
        values["output"] = None if output is None else Content(**output)
        return Record(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def digest_of(known: object) -> str:
    """Short digest of anything in JSON's types."""
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
