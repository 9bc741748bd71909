"""What came back of broken recordings, as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import distinct, markdown, select

SALVAGE_HEAD = """\
Recordings of six seconds, broken in seven ways and opened by `conceal` without a sibling file. *No moov*: the index \
cut off, or zeros in its place; *moov broken*: noise over two thirds of it; *tables broken*: an index that opens and \
knows of nothing; *truncated*: as a crash leaves it, no index, three quarters of the media, its length never set; \
*zeroed middle*: no index, zeros over a tenth of the file; *holes*: no index, four holes of 4 KiB; *no head*: no \
index, and zeros over the first 64 bytes. Cells: pictures / packets of sound found, of those whose bytes are there, \
and the most milliseconds that sound and pictures are apart from where they were. Bold: less than nine in ten, or more \
than 40 ms apart. *Sets*: where the parameter sets came from without an index."""

_LEAST, _MOST_APART = 0.9, 0.0401


def is_good(row: Row) -> bool:
    """Nine in ten pictures and packets of sound that are there were found, and fit each other."""
    if row["error"] is not None:
        return False
    enough = row["pictures_found"] >= _LEAST * row["pictures"] and row["sound_found"] >= _LEAST * row["sound"]
    return enough and (row["sync"] is None or row["sync"] <= _MOST_APART)


def salvage_tables(rows: Sequence[Row]) -> list[str]:
    """A line a recording, a column a way; and how many are good."""
    ways = distinct(rows, "way")
    lines = []
    for name in distinct(rows, "recording"):
        own = select(rows, recording=name)
        sets = next((row["parameter_sets"] for row in own if row["way"] == "no moov" and row["error"] is None), "")
        cells = [_cell(row) for way in ways for row in select(own, way=way)]
        lines.append([f"{name} ({own[0]['encoder']}, {own[0]['muxer']})", sets, *cells])
    good = [row for row in rows if is_good(row)]
    whole = [name for name in distinct(rows, "recording") if all(map(is_good, select(rows, recording=name)))]
    opened = sum(row["conceal"] == 0 for row in rows)
    words = (
        f"{len(good)} of {len(rows)} copies come back as told above; {len(whole)} of "
        f"{len(distinct(rows, 'recording'))} recordings in every way. `conceal` wrote an output of {opened} of them."
    )
    return [words, markdown(["recording", "sets", *map(str, ways)], lines)]


def _cell(row: Row) -> str:
    if row["error"] is not None:
        return "**refused**"
    text = f"{row['pictures_found']}/{row['pictures']}"
    if row["sound"]:
        text += f" {row['sound_found']}/{row['sound']}"
    if row["sync"] is not None:
        text += f" {1000 * row['sync']:.0f} ms"
    return text if is_good(row) else f"**{text}**"
