"""A long recording with little damage as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import markdown, number, select

LONG_HEAD = """\
A recording with sound and subtitles, H.264 at 720p with B-pictures and an IDR picture every two seconds, made by \
repeating packets; in some groups of pictures three pictures on end have lost a slice or two. *Encode* was run on a \
shorter recording of the same kind, its time extrapolated by length. *Same*: groups of pictures without damage whose \
packets and times are those of the input. *Sound*: milliseconds by which the last burst of sound begins behind its \
picture, as FFmpeg decodes both. *Players*: damaged groups played from 0.6 s before to 0.6 s behind, without a picture \
missing, of all; in parentheses what the player complained about (of FFmpeg its concealment too). Chromium plays at \
double speed in a page that seeks to each."""

_LEAST_FASTER, _LEAST_TWO, _MOST_GROWTH, _MOST_OUT_OF_STEP = 8.0, 1.8, 0.03, 20.0


def long_tables(rows: Sequence[Row]) -> list[str]:
    """Runs, and what came of them."""
    runs = [
        [
            f"{row['output']}, {row['jobs']} process{'es' if row['jobs'] > 1 else ''}",
            f"{number(row['wall_s'], 0)} s" if "part_seconds" not in row else f"{number(row['extrapolated_s'], 0)} s",
            _part(row),
            f"{number(row['processor_s'], 0)} s",
            "-" if "part_seconds" in row else f"{100 * (row['bytes'] / row['input_bytes'] - 1):+.2f} %",
            {None: "-", True: "yes", False: "**no**"}[row.get("same_as_one")],
            number(row["load_before"], 1),
        ]
        for row in select(rows, measure="run")
    ]
    head = ["output", "time", "measured on", "processor", "bytes", "same as one process", "load"]
    tables = [markdown(head, runs)] if runs else []
    files = select(rows, measure="kept")
    players = list(dict.fromkeys(row["player"] for row in rows if "player" in row))
    came = [
        [
            row["output"],
            str(row["pictures"]),
            f"{row['same_groups']} of {row['whole_groups']}",
            "yes" if row["others_same"] else "**no**",
            f"{row['ms']:+.1f} ms",
            *(_played(rows, row["output"], player) for player in players),
        ]
        for row in files
    ]
    if came:
        head = ["file", "pictures", "same", "sound, subtitles same", "sound", *players]
        tables.append(markdown(head, came))
    return tables


def _part(row: Row) -> str:
    part = row["part_seconds"] if "part_seconds" in row else row["video_seconds"]
    return f"{part / 60:.0f} min of {row['video_seconds'] / 60:.0f}"


def _played(rows: Sequence[Row], output: str, player: str) -> str:
    found = select(rows, measure=f"plays in {player}", output=output)
    return f"{found[0]['played']} of {found[0]['stretches']} ({found[0]['errors']})" if found else "-"


def long_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met)."""
    runs = select(rows, measure="run")
    encode = next((row for row in runs if row["output"] == "encode"), None)
    autos = sorted((row for row in runs if row["output"] == "auto"), key=lambda row: row["jobs"])
    if encode is not None and autos:
        faster = encode["extrapolated_s"] / autos[-1]["wall_s"]
        target = f"two hours with 20 damaged groups: auto at least {_LEAST_FASTER:g} times faster than encode"
        yield target, f"{faster:.1f}", faster >= _LEAST_FASTER
    if len(autos) == 2 and autos[1]["jobs"] == 2:
        faster = autos[0]["wall_s"] / autos[1]["wall_s"]
        target = f"the same with two processes: at least {_LEAST_TWO:g} times faster than with one, the same file"
        yield target, f"{faster:.2f}", faster >= _LEAST_TWO and bool(autos[1]["same_as_one"])
    growth = max((row["bytes"] / row["input_bytes"] - 1 for row in runs if row["output"] in ("auto", "gop")), default=0)
    if autos:
        target = f"at most {100 * _MOST_GROWTH:g} % larger than the input"
        yield target, f"{100 * growth:.2f} % at most", growth <= _MOST_GROWTH
    files = [row for row in select(rows, measure="kept") if row["output"] != "input"]
    if files:
        all_same = all(row["same_groups"] == row["whole_groups"] and row["others_same"] for row in files)
        same = min(row["same_groups"] / row["whole_groups"] for row in files)
        yield "groups without damage, sound and subtitles byte for byte", f"{100 * same:.4g} %", all_same
        step = max(abs(row["ms"]) for row in files)
        yield f"sound within {_MOST_OUT_OF_STEP:g} ms at the end", f"{step:.1f} ms", step <= _MOST_OUT_OF_STEP
    played = [row for row in rows if "player" in row and row["output"] != "input"]
    if played:
        well = sum(row["played"] == row["stretches"] and not row["errors"] for row in played)
        names = ", ".join(dict.fromkeys(row["player"] for row in played))
        yield f"plays across every seam ({names})", f"{well} of {len(played)} files and players", well == len(played)
