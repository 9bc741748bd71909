"""What a report says of one picture that damage touches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

_UNTOLD = 1000.0
"""Mean squared error of blocks of which nothing is told: as between pictures of different scenes, roughly."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture of a stream."""

    stream: int
    pts: int | None
    """In ticks of the stream; None if it is not shown."""
    time: float | None
    """The same in seconds."""
    kind: str
    """I, P, B or "?"."""
    lost: int
    """16x16 blocks, as are the next three."""
    broken: int
    tainted: int
    all: int
    causes: tuple[str, ...]
    method: str | None
    """What painted most of the hole; None: nothing did."""
    milliseconds: float
    confidence: float
    extent_confidence: float
    expected_psnr: float | None
    synthesised: bool
    held: bool

    @property
    def hole(self) -> float:
        """0 to 1: share of its blocks that were lost or broken."""
        return (self.lost + self.broken) / self.all

    @property
    def touched(self) -> float:
        """0 to 1: share of its blocks that are not as they were sent."""
        return (self.lost + self.broken + self.tainted) / self.all

    @property
    def damaged(self) -> bool:
        """It has a hole of its own, or nothing of it arrived."""
        return self.synthesised or bool(self.lost or self.broken)

    @property
    def error(self) -> float:
        """Mean squared error (8-bit scale) that the picture is expected to have; it orders pictures."""
        if self.expected_psnr is None:
            return _UNTOLD * self.touched
        return float(255.0**2 * 10 ** (-self.expected_psnr / 10))


def sight_of(entry: Mapping[str, Any]) -> Sight | None:
    """None if no damage touches the picture. entry: what the JSON report says of it (`pipelines.report`)."""
    if "blocks" not in entry and "confidence" not in entry:
        return None
    blocks = entry.get("blocks", {"lost": 0, "broken": 0, "tainted": 0, "all": 1})
    return Sight(
        entry["stream"],
        entry["pts"],
        entry["time"],
        entry["type"],
        blocks["lost"],
        blocks["broken"],
        blocks["tainted"],
        blocks["all"],
        tuple(entry.get("causes", ())),
        entry.get("method"),
        entry.get("milliseconds", 0.0),
        entry.get("confidence", 1.0),
        entry.get("extent_confidence", 1.0),
        entry.get("expected_psnr"),
        entry.get("synthesised", False),
        entry.get("held", False),
    )


@dataclass(frozen=True)
class VideoFacts:
    """A video stream of the input."""

    index: int
    codec: str
    width: int
    height: int
    rate: Fraction
    """Pictures a second."""
    aspect: Fraction = Fraction(1)
    """Shown width by height of a sample."""
    start: str | None = None
    """Timecode of its first picture, if the container has one."""


@dataclass(frozen=True)
class Subject:
    """What a report is about."""

    input: str
    output: str | None
    container: str
    """FFmpeg's name."""
    videos: tuple[VideoFacts, ...]
    tags: Mapping[str, str]
    """The container's."""
    settings: Mapping[str, str]
    """Those that differ from the default, by their name on the command line."""
    repairs: bool
    """False: it is only analysed."""
    salvaged: str = ""
    """Of a file without index: in words what was found, and by what."""
