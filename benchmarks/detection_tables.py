"""Tables of what is found on the real profile and of alarms on undamaged streams."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import combination_title, combinations, distinct, markdown, number, select

INTACT_HEAD = """\
Undamaged streams through the product's decoder as `conceal` opens it, with look-ahead 2, and beside it through plain \
libav; then `conceal --dry-run`. *Alarmed*: pictures with any block marked or doubted. *Missing*: pictures made up, or \
more or fewer than libav's. *Changed*: those with any other sample. *Told*: damage, missing pictures \
and wrong times that the command tells of. The encodes are of many structures, sizes, containers and formats, 25 \
pictures a second."""


def intact_table(rows: Sequence[Row]) -> str:
    """Sources of streams x alarms; all but the first three columns must be 0."""
    lines = []
    for source in distinct(rows, "source"):
        lines.append(_sums(source, select(rows, source=source)))
    lines.append(_sums("**all**", rows))
    return markdown(
        ["from", "streams", "pictures", "blocks", "alarmed", "blocks alarmed", "missing", "changed", "told"], lines
    )


BLOCKS_HEAD = """\
One slice a picture; both decoders predict from the repaired pictures, so that only a picture's own damage counts; \
blocks of 16x16 of pictures that arrived in part. *Found*: share of the visibly wrong blocks (mean absolute difference \
above 2) that are marked. *Precision*: share of the marked blocks that are wrong in any sample, and visibly. Marked is \
what is rather believed wrong than right; *with all doubts*: share of the visibly wrong ones that are doubted at all. \
*Whole*: blocks marked in pictures that arrived whole; behind such hangs now and then the rest of one whose PES header \
was lost. HEVC is encoded without temporal motion vectors, which would be \
inherited from damage. Place known: by RTP sequence numbers to the byte, by the transport stream's counters."""


def blocks_table(rows: Sequence[Row]) -> str:
    """Ways and places x what is found, all blocks together."""
    lines = []
    for way, place, rate in dict.fromkeys((row["way"], row["place"], row["rate"]) for row in rows):
        for codec, structure, part in combinations(select(rows, way=way, place=place, rate=rate)):
            total = {name: sum(row[name] for row in part) for name in _COUNTS}
            lines.append(
                [
                    f"{way} {100 * rate:g} %, place {place}",
                    combination_title(codec, structure),
                    str(total["judged"]),
                    _share(total["visible_found"], total["visible"]),
                    _share(total["visible_any"], total["visible"]),
                    _share(total["wrong_found"], total["marked"]),
                    _share(total["visible_found"], total["marked"]),
                    str(total["on_whole"]),
                ]
            )
    head = ["way", "", "pictures", "found", "with all doubts", "precision", "visibly", "whole"]
    return markdown(head, lines)


_COUNTS = ("judged", "visible", "visible_found", "visible_any", "wrong_found", "marked", "on_whole")


def _share(part: int, whole: int) -> str:
    return number(part / whole if whole else None, 3)


def _sums(title: str, rows: Sequence[Row]) -> list[str]:
    sums = {name: sum(row[name] for row in rows) for name in ("pictures", "blocks", "alarmed", "alarmed_blocks")}
    missing = sum(row["made_up"] + row["missing"] for row in rows)
    rest = [sum(row[name] for row in rows) for name in ("changed", "told")]
    return [title, str(len(rows)), *(f"{n:,}" for n in (*sums.values(), missing, *rest))]


CUE_HEAD = """\
SGIN's occlusion detector, trained on occluders and on codec-shaped damage of faces, against the product's locator: \
streams as above, place unknown, of talking heads; blocks of 16x16 on the face of pictures that arrived in part, \
before repair. *Found*: share of the visibly wrong blocks. *Precision*: share of the marked blocks that are visibly \
wrong. *Whole*: share of the blocks on faces of pictures that arrived whole that are marked all the same. Of every \
picture the cue sees the pixels alone; the locator sees the bitstream and the pictures before too."""


def cue_table(rows: Sequence[Row]) -> str:
    """Ways x who marks, all blocks together."""
    lines = []
    for way in distinct(rows, "way"):
        part = select(rows, way=way)
        total = {name: sum(row.get(name, 0) for row in part) for name in {key for row in part for key in row} & _CUES}
        for who in ("locator", "cue", "either", "both"):
            whole = _share(total[f"whole_{who}"], total["whole_blocks"]) if who in ("locator", "cue") else ""
            found, marked = total[f"{who}_found"], total[f"{who}_marked"]
            line = [way, _WHO[who], str(total["pictures"]), str(total["visible"])]
            lines.append([*line, _share(found, total["visible"]), _share(found, marked), whole])
    return markdown(["way", "", "pictures", "wrong blocks", "found", "precision", "whole"], lines)


_WHO = {"locator": "locator", "cue": "occlusion detector", "either": "either of them", "both": "both"}
_CUES = {
    "pictures",
    "visible",
    "whole_blocks",
    "whole_locator",
    "whole_cue",
    *(f"{who}_{what}" for who in _WHO for what in ("found", "marked")),
}
