"""The table of `benchmarks.interlaced`, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import markdown, mean, number, select

INTERLACED_HEAD = """\
Packets of a transport stream lost, as its counters tell; `conceal` as users run it, against the better of FFmpeg's \
two outputs (as shipped, and with output_corrupt), stream by stream. *Fields*: every frame coded as two fields (PAFF); \
*MBAFF*: conformance streams, and clips coded by x264 of which some are woven of two moments a picture; *in turns*: \
fields, MBAFF and progressive frames in one stream. Seeds that hit nothing are passed over. Pictures: those that \
came out, of those sent."""

_WANTED, _MOST_BELOW = 1.5, 0.2
_INTERLACED = {"paff": "fields (PAFF)", "mbaff": "MBAFF", "mixed": "in turns"}


def interlaced_table(rows: Sequence[Row]) -> str:
    """Gain over the better of FFmpeg's outputs by kind of coding and rate."""
    lines = []
    for kind, rate in dict.fromkeys((row["structure"], row["rate"]) for row in rows):
        part = select(rows, structure=kind, rate=rate)
        worst, clip, seed = min((row["gain"], row["clip"], row["seed"]) for row in part)
        lines.append(
            [
                f"{_INTERLACED[kind]}, ts {100 * rate:g} %",
                str(len(part)),
                number(mean([max(row["stock"], row["corrupt"]) for row in part]), 1),
                number(mean([row["ours"] for row in part]), 1),
                f"{mean([row['gain'] for row in part]):+.2f}",
                f"{worst:+.2f} ({clip}, seed {seed})",
                str(sum(row["gain"] < -0.2 for row in part)),
                f"{sum(row['pictures_out'] for row in part)} / {sum(row['pictures_stock'] for row in part)}"
                f" of {sum(row['pictures_in'] for row in part)}",
            ]
        )
    head = ["", "runs", "FFmpeg, dB", "conceal, dB", "gain", "worst", "below by 0.2", "pictures, conceal / FFmpeg"]
    return markdown(head, lines)


def interlaced_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met); none without rows."""
    if not rows:
        return
    for kind, name in _INTERLACED.items():
        gains = [row["gain"] for row in rows if row["structure"] == kind]
        gain = mean(gains)
        if gain is not None:
            target = f"interlaced, {name}, ts 0.1 and 0.3 %: mean gain at least {_WANTED:+.1f} dB"
            yield target, f"{gain:+.2f} dB ({len(gains)} runs)", gain >= _WANTED
    worst = min(rows, key=lambda row: float(row["gain"]))
    below = sum(row["gain"] < -_MOST_BELOW for row in rows)
    measured = f"{below} of {len(rows)} runs; lowest {worst['gain']:+.2f} dB ({worst['clip']}, seed {worst['seed']})"
    yield f"interlaced: no run more than {_MOST_BELOW} dB below FFmpeg", measured, not below
    fewer = sum(row["pictures_out"] < row["pictures_stock"] for row in rows)
    yield "interlaced: as many pictures as FFmpeg or more", f"fewer in {fewer} of {len(rows)} runs", not fewer
