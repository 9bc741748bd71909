"""Tables and targets of the splice benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import (
    CODEC_NAMES,
    clips_of,
    combination_title,
    combinations,
    markdown,
    mean,
    number,
    over_clips,
    select,
)

_MOST_BELOW = 0.1
_REAL_TIME = 3.0


def splice_tables(rows: Sequence[Row]) -> list[str]:
    """Quality and growth by clip, then speed."""
    tables = []
    refused = [row for row in rows if "refused" in row]
    rows = [row for row in rows if "refused" not in row]
    for codec, structure, part in combinations(select(rows, measure="quality")):
        lines = [_line(clip, select(part, clip=clip)) for clip in clips_of(part)]
        lines.append([f"**{cell}**" for cell in _line("mean", part)])
        head = [
            "clip",
            "FFmpeg",
            "repair in the decoder",
            "spliced",
            "difference",
            "growth",
            "over the clean stream",
        ]
        tables += [f"### {combination_title(codec, structure)}", markdown(head, lines)]
    for reason in dict.fromkeys(str(row["refused"]) for row in refused):
        where = [f"{row['clip']} {combination_title(row['codec'], row['structure'])}" for row in refused]
        tables.append(f"Refused ({reason}): {len(refused)} streams ({', '.join(dict.fromkeys(where))}).")
    fast = select(rows, measure="speed")
    if fast:
        lines = [
            [
                f"{row['clip']} {row['width']}x{row['height']}, {combination_title(row['codec'], row['structure'])}",
                str(row["lookahead"]),
                str(row["length"]),
                number(row["seconds"], 1),
                number(row["real_time"]),
            ]
            for row in fast
        ]
        head = ["stream", "look-ahead", "pictures", "seconds", "times real time at 30 a second"]
        tables += ["### Speed", markdown(head, lines)]
    return tables


def _line(title: str, rows: Sequence[Row]) -> list[str]:
    ffmpeg, hooked, spliced = (over_clips(rows, f"{name}_psnr") for name in ("ffmpeg", "hooked", "spliced"))
    assert hooked is not None and spliced is not None
    arrived, clean, out = (sum(row[f"bytes_{name}"] for row in rows) for name in ("in", "clean", "out"))
    return [
        title,
        number(ffmpeg),
        number(hooked),
        number(spliced),
        f"{spliced - hooked:+.2f}",
        f"{out / arrived - 1:+.1%}",
        f"{out / clean - 1:+.1%}",
    ]


def splice_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met); quality and speed have targets in H.264 only."""
    rows = [row for row in rows if "refused" not in row]
    for codec, structure, part in combinations(select(rows, measure="quality", codec="h264")):
        title = combination_title(codec, structure)
        differences = {}
        for clip in clips_of(part):
            pair = [mean([row[f"{name}_psnr"] for row in select(part, clip=clip)]) for name in ("spliced", "hooked")]
            assert pair[0] is not None and pair[1] is not None
            differences[clip] = pair[0] - pair[1]
        worst = min(differences, key=differences.__getitem__)
        below = -differences[worst]
        target = f"{title} spliced: on no clip more than {_MOST_BELOW:g} dB below repair in the decoder"
        average = sum(differences.values()) / len(differences)
        measured = f"{differences[worst]:+.2f} dB ({worst}); mean {average:+.2f} dB"
        yield target, measured, below <= _MOST_BELOW
    whole = select(rows, measure="quality")
    if whole:
        received, kept = (sum(row[name] for row in whole) for name in ("received", "kept_identical"))
        yield "splice: received NAL units that leave as they came: all", f"{kept} of {received}", kept == received
    for row in select(rows, measure="speed", codec="h264"):
        target = (
            f"splice, {row['height']}p {CODEC_NAMES[row['codec']]} {row['structure']}, "
            f"look-ahead {row['lookahead']}: {_REAL_TIME:g} times real time"
        )
        yield target, f"{row['real_time']:.2f}", row["real_time"] >= _REAL_TIME
