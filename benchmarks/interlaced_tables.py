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
_MOST_APART = 0.1
"""Of a spliced file from the repair, in dB."""
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


INTERLACED_SPLICE_HEAD = """\
The same streams and losses, the files that `conceal` leaves as FFmpeg decodes them: spliced, and with the groups of \
pictures that hold damage encoded anew (`--output gop`), against the repaired pictures as they are in the decoder. \
Growth: size over that of the damaged file. Units missing: received NAL units that the spliced file lacks, but for \
corrupt ones and those that had bytes of another picture behind them."""


def interlaced_splice_table(rows: Sequence[Row]) -> str:
    """Quality of each way to write the file, by kind of coding and rate."""
    lines = []
    for kind, rate in dict.fromkeys((row["structure"], row["rate"]) for row in rows):
        part = select(rows, structure=kind, rate=rate)
        done = [row for row in part if "splice" in row]
        coded = [row for row in part if "gop" in row]
        lines.append(
            [
                f"{_INTERLACED[kind]}, ts {100 * rate:g} %",
                f"{len(done)} / {len(part)}",
                number(mean([row["hooked"] for row in done]), 2),
                number(mean([row["splice"] for row in done]), 2),
                _least([row["splice"] - row["hooked"] for row in done]),
                number(mean([row["gop"] for row in coded]), 2),
                _growth(done, "splice_bytes"),
                _growth(coded, "gop_bytes"),
                str(sum(row["lost_units"] for row in done)),
                f"{sum(row['splice_pictures'] for row in done)} of {sum(row['pictures_in'] for row in done)}",
            ]
        )
    head = ["", "spliced", "in the decoder, dB", "spliced, dB", "difference, mean (lowest)", "gop, dB"]
    head += ["growth, spliced", "growth, gop", "units missing", "pictures"]
    return markdown(head, lines)


def interlaced_splice_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met); none without rows."""
    if not rows:
        return
    done = [row for row in rows if "splice" in row]
    for kind, name in _INTERLACED.items():
        difference = mean([row["splice"] - row["hooked"] for row in done if row["structure"] == kind])
        if difference is not None:
            target = f"spliced, {name}: at most {_MOST_APART} dB below repair in the decoder in the mean"
            yield target, f"{difference:+.2f} dB", difference >= -_MOST_APART
    lost = sum(row["lost_units"] for row in done)
    yield (
        "spliced, interlaced: no received unit changed, no stream refused",
        (f"{lost} units, {len(rows) - len(done)} of {len(rows)} streams"),
        not lost and len(done) == len(rows),
    )


def _least(differences: Sequence[float]) -> str:
    found = mean(differences)
    return "" if found is None else f"{found:+.2f} ({min(differences):+.2f})"


def _growth(rows: Sequence[Row], of: str) -> str:
    found = mean([row[of] / row["bytes_in"] - 1 for row in rows])
    return "" if found is None else f"{100 * found:+.1f} %"
