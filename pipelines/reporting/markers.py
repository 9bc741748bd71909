"""Incidents as marks for players and editors: chapters in FFmpeg's metadata format, and events of an edit list."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pipelines.reporting.incidents import Incident
from pipelines.reporting.sight import Subject
from pipelines.reporting.timecode import Timecode

_MOST_EVENTS = 999
"""Event numbers of CMX 3600 have three digits."""
_LEAST_CHAPTER = 0.001
_COLOURS = ((0.5, "Red", "RED"), (0.9, "Yellow", "YELLOW"), (1.0, "Green", "GREEN"))
"""By confidence up to which it holds: names of DaVinci Resolve, and of Avid."""


def describe(incident: Incident) -> str:
    """In a few words."""
    pictures = f"{incident.pictures} picture{'s' if incident.pictures != 1 else ''}"
    causes = ", ".join(name for name, _ in incident.causes.most_common(3)) or "damage"
    return f"{causes}: {pictures}, up to {incident.touched:.0%} of one, confidence {incident.confidence:.2f}"


def chapters(incidents: Sequence[Incident], duration: float) -> str:
    """FFMETADATA1. What lies between incidents is a chapter as well: in MP4 a chapter lasts until the next."""
    lines = [";FFMETADATA1"]
    at = 0.0
    for start, end, title in _joined(incidents):
        start = max(start, at)
        end = max(end, start + _LEAST_CHAPTER)
        if start - at >= _LEAST_CHAPTER:
            lines += _chapter(at, start, "no damage")
        lines += _chapter(start, end, title)
        at = end
    if duration - at >= _LEAST_CHAPTER:
        lines += _chapter(at, duration, "no damage")
    return "\n".join(lines) + "\n"


def _joined(incidents: Sequence[Incident]) -> list[tuple[float, float, str]]:
    """Those of several streams that overlap are one chapter."""
    joined: list[tuple[float, float, str]] = []
    for one in sorted(incidents, key=lambda one: one.start):
        if joined and one.start <= joined[-1][1]:
            start, end, title = joined[-1]
            joined[-1] = start, max(end, one.end), f"{title}; {describe(one)}"
        else:
            joined.append((one.start, one.end, describe(one)))
    return joined


def _chapter(start: float, end: float, title: str) -> list[str]:
    escaped = "".join(f"\\{c}" if c in "=;#\\\n" else c for c in title)
    times = [f"START={round(start * 1000)}", f"END={round(end * 1000)}"]
    return ["[CHAPTER]", "TIMEBASE=1/1000", *times, f"title={escaped}"]


def edit_list(incidents: Sequence[Incident], subject: Subject, title: str) -> str:
    """CMX 3600: one event for each incident, with a marker for DaVinci Resolve and a locator for Avid's editors."""
    codes = {video.index: Timecode(video.rate, video.start) for video in subject.videos}
    first = next(iter(codes.values()), Timecode(Fraction(25)))
    lines = [f"TITLE: {_plain(title)}", f"FCM: {'DROP FRAME' if first.drops else 'NON-DROP FRAME'}", ""]
    for number, one in enumerate(_worst(incidents), 1):
        code = codes.get(one.stream, first)
        start, end = code.at(one.start), code.at(one.end, more=1)
        frames = round((one.end - one.start) * code.rate) + 1
        resolve, avid = next((r, a) for up_to, r, a in _COLOURS if one.confidence <= up_to)
        text = _plain(describe(one))
        lines.append(f"{number:03}  001      V     C        {start} {end} {start} {end}")
        lines.append(f" |C:ResolveColor{resolve} |M:{text} |D:{frames}")
        lines.append(f"* LOC: {start} {avid:<7} {text}")
        lines.append("")
    return "\n".join(lines)


def _worst(incidents: Sequence[Incident]) -> list[Incident]:
    worst = sorted(incidents, key=lambda one: one.weight, reverse=True)[:_MOST_EVENTS]
    return sorted(worst, key=lambda one: one.start)


def _plain(text: str) -> str:
    """Printable ASCII: what the format knows."""
    return "".join(c if " " <= c <= "~" and c != "|" else "_" for c in text)
