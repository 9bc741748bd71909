"""The timeline's bars and strips, as places and sizes for the page to draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.reporting.bins import Bin, Bins
from pipelines.reporting.incidents import INHERITED, Incident
from pipelines.reporting.timecode import clock

HEIGHT = 100
_KINDS = 6
"""Causes, and methods, that have a colour of their own."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_LABELS = 6
_CONFIDENCE = 5
"""Steps in which confidence is coloured."""


@dataclass(frozen=True)
class Bar:
    """What stands over one bin, or over several of the same kind."""

    x: int
    width: int
    y: float
    height: float
    kind: str
    """CSS class."""
    text: str


@dataclass(frozen=True)
class Lanes:
    """All of one stream."""

    count: int
    """Bins, the unit of `x`."""
    bars: list[Bar]
    """How much: lost, broken and tainted, stacked."""
    causes: list[Bar]
    methods: list[Bar]
    confidences: list[Bar]
    cause_names: list[tuple[str, str]]
    """CSS class, name."""
    method_names: list[tuple[str, str]]
    ticks: list[tuple[float, str]]
    """Place in percent, label."""
    marks: list[tuple[float, float, int, str]]
    """Of incidents: place and width in percent, number, text."""


def lanes(bins: Bins, incidents: Sequence[tuple[int, Incident]]) -> Lanes:
    """incidents: with their numbers."""
    causes: Counter[str] = Counter()
    methods: Counter[str] = Counter()
    for one in bins.bins.values():
        causes.update(one.causes)
        methods.update(one.methods)
    cause_classes, method_classes = _classes("c", causes), _classes("m", methods)
    bars: list[Bar] = []
    strips: tuple[list[Bar], list[Bar], list[Bar]] = ([], [], [])
    for number, one in sorted(bins.bins.items()):
        if not one.touched:
            continue
        text = _text(number * bins.width, (number + 1) * bins.width, one)
        bars += _stack(number, one, text)
        if one.causes:
            _strip(strips[0], number, cause_classes[one.causes.most_common(1)[0][0]], text)
        if one.methods:
            _strip(strips[1], number, method_classes[one.methods.most_common(1)[0][0]], text)
        _strip(strips[2], number, f"k{min(int(one.confidence * _CONFIDENCE), _CONFIDENCE - 1)}", text)
    count = max(bins.count, 1)
    length = count * bins.width
    marks = [
        (100 * one.start / length, 100 * (one.end - one.start) / length, number, clock(one.start))
        for number, one in incidents
    ]
    return Lanes(count, bars, *strips, _names(cause_classes), _names(method_classes), _ticks(length), marks)


def _classes(letter: str, counts: Counter[str]) -> dict[str, str]:
    ordered = [name for name, _ in counts.most_common()]
    classes = {name: f"{letter}{min(place, _KINDS)}" for place, name in enumerate(ordered)}
    return {name: "tainted" if name == INHERITED else kind for name, kind in classes.items()}


def _names(classes: dict[str, str]) -> list[tuple[str, str]]:
    named = [(kind, name) for name, kind in classes.items() if not kind.endswith(str(_KINDS))]
    others = [kind for kind in classes.values() if kind.endswith(str(_KINDS))]
    return [*named, *([(others[0], "other")] if others else [])]


def _stack(x: int, one: Bin, text: str) -> list[Bar]:
    bars, top = [], float(HEIGHT)
    for kind, part in (("lost", one.lost), ("broken", one.broken), ("tainted", one.tainted)):
        if part > 0:
            height = max(part * HEIGHT, 1.0)
            top -= height
            bars.append(Bar(x, 1, round(top, 1), round(height, 1), kind, text))
            text = ""
    return bars


def _strip(strip: list[Bar], x: int, kind: str, text: str) -> None:
    """Neighbours of the same kind are one."""
    last = strip[-1] if strip else None
    if last is not None and last.kind == kind and last.x + last.width == x:
        strip[-1] = Bar(last.x, last.width + 1, 0, HEIGHT, kind, last.text)
    else:
        strip.append(Bar(x, 1, 0, HEIGHT, kind, text))


def _text(start: float, end: float, one: Bin) -> str:
    parts = [f"{clock(start)} to {clock(end)}: {one.touched} of {one.pictures} pictures touched"]
    shares = (("lost", one.lost), ("corrupt", one.broken), ("predicted from damage", one.tainted))
    parts += [f"{part:.0%} {name}" for name, part in shares if part > 0]
    parts += [", ".join(one.causes), ", ".join(one.methods), f"confidence {one.confidence:.2f}"]
    return "; ".join(part for part in parts if part)


def _ticks(length: float) -> list[tuple[float, str]]:
    step = next((s for s in _STEPS if length / s <= _LABELS), _STEPS[-1])
    ticks, at = [], 0.0
    while at <= length * 0.97:
        ticks.append((100 * at / length, clock(at).partition(".")[0]))
        at += step
    return ticks
