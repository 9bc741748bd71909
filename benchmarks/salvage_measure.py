"""How much of a broken recording came back, and whether sound and pictures still fit each other."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from benchmarks.salvage_files import Broken, packets
from pipelines.reading import Source


@dataclass(frozen=True)
class Outcome:
    """Of one broken copy."""

    pictures: int
    """Whose bytes are there."""
    pictures_found: int
    sound: int
    """Packets of sound whose bytes are there."""
    sound_found: int
    extra: int
    """Samples found that are none of the original's."""
    sync: float | None
    """The most seconds that sound and pictures are apart from where they were; None without sound."""
    drift: float
    """The most seconds that pictures are apart from where they were, as to the first found."""
    told: str
    """What is said of it."""
    parameter_sets: str


def outcome(original: Path, copy: Broken, like: str | None = None) -> Outcome:
    """Open the copy as `conceal` does and hold it against the original. Raises InputError if it cannot be opened."""
    truth = packets(original)
    source = Source(str(copy.path), like=like)
    found = source.salvaged
    source.close()
    if found is None:
        known, shift = packets(copy.path), 0
    else:
        with tempfile.NamedTemporaryFile(suffix=".mov") as whole:
            whole.write(found.index + copy.path.read_bytes())
            whole.flush()
            known, shift = packets(Path(whole.name)), len(found.index)
    mine = {kind: {(place - shift, size): (pts, dts) for place, size, pts, dts in known[kind]} for kind in known}
    there = {kind: [one for one in truth[kind] if copy.holds(one[0], one[1])] for kind in truth}
    pairs = {kind: [(one, mine[kind][one[:2]]) for one in there[kind] if one[:2] in mine[kind]] for kind in there}
    if there["audio"] and not pairs["audio"] and known["audio"]:
        pairs["audio"] = _by_bytes(there["audio"], known["audio"], shift)
    all_of = {kind: {one[:2] for one in truth[kind]} for kind in truth}
    extra = sum(key not in all_of["video"] for key in mine["video"])
    moved = [(one[0], new[0] - one[2]) for one, new in pairs["video"]]
    return Outcome(
        len(there["video"]),
        len(pairs["video"]),
        len(there["audio"]),
        len(pairs["audio"]),
        extra,
        _apart(moved, [(one[0], new[0] - one[2]) for one, new in pairs["audio"]]),
        max((abs(by - moved[0][1]) for _, by in moved), default=0.0),
        "" if found is None else found.text(),
        "its own index" if found is None else found.parameter_sets,
    )


def _by_bytes(
    there: list[tuple[int, int, float, float]], known: list[tuple[int, int, float, float]], shift: int
) -> list[tuple[tuple[int, int, float, float], tuple[float, float]]]:
    """PCM is cut into packets as anybody likes: a packet of the original is found if its bytes are in some."""
    known = sorted(known)
    places = [place - shift for place, *_ in known]
    pairs = []
    for one in there:
        number = bisect_right(places, one[0]) - 1
        if number < 0:
            continue
        place, size, pts, dts = places[number], *known[number][1:]
        after = known[number + 1] if number + 1 < len(known) else None
        covered = one[0] + one[1] <= place + size or (after is not None and after[0] - shift <= place + size)
        if covered and one[0] < place + size:
            share = (one[0] - place) / size
            following = after[2] if after is not None else pts
            pairs.append((one, (pts + share * max(0.0, min(following - pts, 1.0)), dts)))
    return pairs


def _apart(video: list[tuple[int, float]], sound: list[tuple[int, float]]) -> float | None:
    """Each packet of sound against the nearer of the pictures before and behind it in the file: behind a hole that is
    the one that it was written with."""
    if not sound:
        return None
    video = sorted(video)
    places = [place for place, _ in video]
    worst = 0.0
    for place, moved in sound:
        number = bisect_right(places, place)
        near = video[max(0, number - 1) : number + 1]
        worst = max(worst, min((abs(moved - by) for _, by in near), default=0.0))
    return worst
