"""What was found in words: one line a file, one line of all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pipelines.checking.verdict import FileCheck, percent, timecode
from pipelines.summary import counted

_MOST_STRETCHES = 4
FAST = "headers and transport only, not decoded"


def line(one: FileCheck) -> str:
    """One file."""
    path = one.path.translate({code: f"\\x{code:02x}" for code in (*range(32), 127)})
    if one.status in ("failed", "passed over"):
        return f"failed   {path}: {one.reason}"
    text = f"{one.status:8} {path}: " + (
        _damage(one) if one.status == "damaged" else counted(one.total("pictures"), "picture")
    )
    remarks = _remarks(one) + ([FAST] if one.method == "headers" else [])
    return ", ".join([text, *remarks])


def _damage(one: FileCheck) -> str:
    pictures, damaged, tainted = one.total("pictures"), one.total("damaged"), one.total("tainted")
    of = counted(pictures, "picture")
    text = f"{damaged} of {of} damaged ({percent(damaged, pictures)})" if damaged else f"{of}, none of them damaged"
    if lost := one.total("lost"):
        text += f", {lost} of them missing"
    if tainted and one.method == "headers":
        text += f", at most {tainted} more predicted from them"
    elif tainted:
        text += f", {tainted} more predicted from damage ({percent(tainted, pictures)})"
    at_least = "at least " if one.method == "headers" else ""
    names = ("lost_blocks", "broken_blocks", "tainted_blocks")
    area = percent(sum(map(one.total, names)), one.total("blocks"))
    text += f"; severity: {at_least}{one.severity} ({area} of the picture area)"
    return text + _places(one)


def _places(one: FileCheck) -> str:
    stretches = one.stretches
    told = [f"{timecode(s.start)}-{timecode(s.end)}" for s in stretches[:_MOST_STRETCHES]]
    more = len(stretches) - len(told)
    return f"; at {', '.join(told)}{f' and {more} more' if more else ''}" if told else ""


def _remarks(one: FileCheck) -> list[str]:
    pauses = [pause for stream in one.streams.values() for pause in stream.pauses]
    longest = max((pause.end - pause.start for pause in pauses), default=0.0)
    misplaced, retimed, before = map(one.total, ("misplaced", "retimed", "without_references"))
    unreadable = one.total("unreadable_sets")
    known = [
        (one.transport_losses, f"transport packets missing at {counted(one.transport_losses, 'place')}"),
        (one.transport_errors, f"{counted(one.transport_errors, 'transport packet')} marked as damaged"),
        (misplaced, f"{counted(misplaced, 'access unit')} out of place"),
        (unreadable, f"{counted(unreadable, 'damaged parameter set')}"),
        (retimed, f"{counted(retimed, 'wrong time')}"),
        (before, f"{before} predicted from what lies before the start"),
        (len(pauses), f"{counted(len(pauses), 'pause')} without pictures, up to {longest:.1f} s"),
        (one.unread, f"{counted(one.unread, 'byte')} not readable"),
        (one.reason is not None, str(one.reason)),
    ]
    return [text for count, text in known if count]


@dataclass
class Sum:
    """All files of a run."""

    by_status: Counter[str] = field(default_factory=Counter)
    pictures: int = 0
    damaged: int = 0
    video_seconds: float = 0.0

    def add(self, one: FileCheck) -> None:
        self.by_status[one.status] += 1
        self.pictures += one.total("pictures")
        self.damaged += one.total("damaged")
        self.video_seconds += one.video_seconds

    @property
    def checked(self) -> int:
        """Files that are told of, failed ones among them."""
        return self.by_status["intact"] + self.by_status["damaged"] + self.by_status["failed"]

    def line(self, seconds: float, fast: bool) -> str:
        """In one line. seconds: all of it took."""
        states = ", ".join(f"{self.by_status[name]} {name}" for name in ("intact", "damaged", "failed"))
        parts = [
            f"{counted(self.checked, 'file')}: {states}",
            f"{self.damaged} of {counted(self.pictures, 'picture')} damaged",
        ]
        if self.by_status["passed over"]:
            parts.append(f"{self.by_status['passed over']} without H.264 or HEVC video passed over")
        if fast:
            parts.append(FAST)
        speed = f" ({self.video_seconds / seconds:.0f} times real time)" if seconds > 0 else ""
        parts.append(f"{timecode(self.video_seconds)} of video in {seconds:.1f} s{speed}")
        return "; ".join(parts)
