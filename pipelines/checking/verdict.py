"""What a check found of one file, for people, for JSON and for tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

SCHEMA = "concealer-check/1"

Status = Literal["intact", "damaged", "failed", "passed over"]
Method = Literal["decoded", "headers"]
Severity = Literal["none", "slight", "moderate", "severe"]

_SLIGHT, _MODERATE = 0.001, 0.02
"""Shares of the picture area below which damage is called so."""


@dataclass(frozen=True)
class Stretch:
    """Damage without a long pause in it. Seconds count from the first picture of the file."""

    start: float
    end: float
    pictures: int
    """Damaged ones, and those predicted from damage."""


@dataclass
class StreamCheck:
    """One video stream."""

    codec: str
    pictures: int = 0
    """That are there or are known to be missing."""
    damaged: int = 0
    """Pictures with lost or broken blocks, or missing as a whole."""
    lost: int = 0
    """Of those: the ones of which nothing is there."""
    tainted: int = 0
    """Pictures without a hole of their own that were predicted from damage; by headers: at most so many."""
    without_references: int = 0
    """Pictures that are predicted from what lies before the start, as in a cut recording: that is no damage."""
    misplaced: int = 0
    """Pictures whose access unit came one place too early or too late."""
    unreadable_sets: int = 0
    """Parameter sets that arrived damaged where others are known, which decoders may forget; 1 where a stream begins
    without whole ones."""
    retimed: int = 0
    """Pictures whose time is wrong."""
    blocks: int = 0
    """Blocks of 16x16 of all pictures."""
    lost_blocks: int = 0
    broken_blocks: int = 0
    tainted_blocks: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    """Damaged pictures by cause."""
    stretches: list[Stretch] = field(default_factory=list)
    pauses: list[Stretch] = field(default_factory=list)
    """More than a second without a picture, in the recording or lost: times alone can't tell."""
    seconds: float = 0.0
    """From the first picture to the end of the last."""

    @property
    def is_damaged(self) -> bool:
        return bool(self.damaged or self.tainted or self.misplaced or self.unreadable_sets)


@dataclass
class FileCheck:
    """One file."""

    path: str
    method: Method
    status: Status = "intact"
    reason: str | None = None
    """Why it could not be checked, or not all of it is there to be."""
    streams: dict[int, StreamCheck] = field(default_factory=dict)
    """By index, or PID of a transport stream that was not decoded."""
    transport_losses: int = 0
    """Places at which packets of a transport stream are missing, over all its streams."""
    transport_errors: int = 0
    """Packets that a demodulator marked as damaged."""
    unread: int = 0
    """Bytes that are in no packet that could be read."""
    seconds: float = 0.0
    """The check took."""

    def judge(self) -> None:
        """Set the status by what was found."""
        hurt = self.transport_losses or self.transport_errors or self.unread or self.reason
        self.status = "damaged" if hurt or any(one.is_damaged for one in self.streams.values()) else "intact"

    def total(self, name: str) -> int:
        """A count over all streams."""
        return sum(getattr(one, name) for one in self.streams.values())

    @property
    def area(self) -> float:
        """Share of the picture area that is lost or broken, or by decoding, predicted from that too."""
        names = ("lost_blocks", "broken_blocks", "tainted_blocks")
        return sum(map(self.total, names)) / max(self.total("blocks"), 1)

    @property
    def severity(self) -> Severity:
        """By the area; by headers alone it is at least so bad, as what damage spreads to is not seen."""
        if self.status != "damaged":
            return "none"
        return "slight" if self.area < _SLIGHT else "moderate" if self.area < _MODERATE else "severe"

    @property
    def stretches(self) -> list[Stretch]:
        """Of all streams, by time."""
        return sorted((s for one in self.streams.values() for s in one.stretches), key=lambda s: (s.start, s.end))

    @property
    def video_seconds(self) -> float:
        """Of the longest stream."""
        return max((one.seconds for one in self.streams.values()), default=0.0)

    def as_dict(self) -> dict[str, object]:
        """All of it in JSON's types."""
        return {
            "schema": SCHEMA,
            **asdict(self),
            "severity": self.severity,
            "area": round(self.area, 6),
            "pictures": self.total("pictures"),
            "damaged": self.total("damaged"),
            "video_seconds": round(self.video_seconds, 3),
            "seconds": round(self.seconds, 3),
        }


CSV_COLUMNS = (
    "path", "status", "method", "severity", "pictures", "damaged", "damaged_percent", "lost", "tainted",
    "tainted_percent", "area_percent", "transport_losses", "transport_errors", "unread", "video_seconds", "stretches",
    "reason",
)  # fmt: skip


def csv_row(one: FileCheck) -> list[str]:
    """One row of `CSV_COLUMNS`; stretches as START-END, with spaces between."""
    pictures, damaged, tainted = one.total("pictures"), one.total("damaged"), one.total("tainted")
    stretches = " ".join(f"{timecode(s.start)}-{timecode(s.end)}" for s in one.stretches)
    known = [
        one.path, one.status, one.method, one.severity, pictures, damaged, percent(damaged, pictures, ""),
        one.total("lost"), tainted, percent(tainted, pictures, ""), f"{100 * one.area:.4f}", one.transport_losses,
        one.transport_errors, one.unread, f"{one.video_seconds:.3f}", stretches, one.reason or "",
    ]  # fmt: skip
    return [str(value) for value in known]


def percent(part: int, whole: int, unit: str = " %") -> str:
    """A share in percent: never 0 for what is there, never 100 for what is not all."""
    share = 100 * part / max(whole, 1)
    text = f"{share:.2f}" if share < 1 else f"{share:.1f}"
    if part and float(text) == 0:
        text = "<0.01" if unit else f"{share:.6f}"
    elif part < whole and float(text) == 100:
        text = ">99.9" if unit else f"{share:.6f}"
    return text + unit


def timecode(seconds: float) -> str:
    """HH:MM:SS.mmm."""
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
