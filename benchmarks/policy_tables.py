"""Tables of joins and of confidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, markdown, mean, number, select


def joins_table(rows: Sequence[Row]) -> str:
    """By kind of stream: pictures until one is of use and until one is clean, and whether that was true."""
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        part = select(rows, kind=kind)
        later = sum(row["useful"] > row["useful_stock"] for row in part)
        flagged = [row for row in part if row["flagged_psnr"] is not None and row["flagged_psnr_stock"] is not None]
        lines.append(
            [
                kind,
                str(len(part)),
                number(mean([row["useful"] for row in part]), 1),
                number(mean([row["useful_stock"] for row in part]), 1),
                str(later),
                number(mean([row["first_clean"] for row in part]), 1),
                f"{number(mean([row['flagged_psnr'] for row in flagged]), 1)} / "
                f"{number(mean([row['flagged_psnr_stock'] for row in flagged]), 1)}",
                str(sum(row["invented"] for row in part)),
                f"{100 * max(row['grey'] for row in part):.0f} / {100 * max(row['grey_stock'] for row in part):.0f} %",
                str(sum(row["false_clean"] for row in part)),
                number(min(row["worst_clean"] for row in part), 1),
            ]
        )
    head = ["stream", "joins", "first of use", "FFmpeg", "later than it", "first clean", "flagged, dB, and FFmpeg's",
            "invented", "grey, and FFmpeg's", "not flagged, not exact", "worst of these, dB"]  # fmt: skip
    return markdown(head, lines)


BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
"""Bounds of the bins of confidence; the last belongs to untouched pictures alone."""


def confidence_table(rows: Sequence[Row]) -> str:
    """By bins of confidence: pictures, what was said of them on the mean, and how many kept the promise."""
    lines = []
    groups = [("all", list(rows))]
    groups += [(way, select(rows, way=way)) for way in dict.fromkeys(row["way"] for row in rows)]
    groups += [(CODEC_NAMES[codec], select(rows, codec=codec)) for codec in dict.fromkeys(row["codec"] for row in rows)]
    for name, part in groups:
        cells = []
        for place in range(len(BINS) - 1):
            count, said, kept = (sum(row["bins"][place][which] for row in part) for which in range(3))
            cells.append(f"{said / count:.2f}: {kept / count:.2f} ({count})" if count else "")
        lines.append([name, *cells])
    head = ["", *(f"{low:g} to {high:g}" for low, high in pairwise(BINS))]
    touched, untouched = sum(row["touched"] for row in rows), sum(row["untouched"] for row in rows)
    changed = sum(row["changed"] for row in rows)
    errors = [row["expected_error"] for row in rows if row["expected_error"] is not None]
    return (
        f"{markdown(head, lines)}\n\n{touched} pictures that damage touches; {untouched} were called untouched, "
        f"{changed} of which were not. The PSNR-Y expected was off by {number(mean(errors), 1)} dB on the mean."
    )


_CONFIDENCE = """\
Clips that nothing was fitted on; one slice a picture or many, keyint 24, packets (RTP, closed up), slices or whole \
pictures lost at 1, 3 and 5 %, look-ahead of 2. Columns are bins of confidence: *mean confidence: share of pictures \
worth at least 29 dB PSNR-Y against the undamaged one (number of pictures)*. What repair promises is 30 dB."""

_JOINS = """\
Streams cut before 20 access units each, two clips; what comes behind the cut is decoded with the parameter sets by \
FFmpeg with output_corrupt, and live by the product. *First of use*: pictures until one is shown from which on all are \
worth at least 29 dB PSNR-Y against the whole stream's decode. *First clean*: until one is not flagged. *Invented*: \
pictures shown of which the stream held nothing. *Grey*: most of any picture shown that is flat mid-grey and should \
not be. *Not flagged, not exact*: pictures without a flag that are not bit for bit those of the whole stream."""


def policy_tables(rows: Mapping[str, Sequence[Row]]) -> Iterator[tuple[str, str, str, str]]:
    """(name of the results, title, words, table) of those at hand."""
    if "confidence" in rows:
        yield "confidence", "Confidence", _CONFIDENCE, confidence_table(rows["confidence"])
    if "joins" in rows:
        yield "joins", "Joins", _JOINS, joins_table(rows["joins"])
