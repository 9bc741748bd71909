"""Tables of the salvage benchmark from rows as the benchmark writes them."""

from __future__ import annotations

from benchmarks.salvage_tables import is_good, salvage_tables
from benchmarks.store import Row


def row(way: str, **other: object) -> Row:
    return {
        "recording": "one",
        "encoder": "x264",
        "muxer": "FFmpeg",
        "way": way,
        "error": None,
        "conceal": 0,
        "parameter_sets": "the stream",
        "pictures": 100,
        "pictures_found": 95,
        "sound": 50,
        "sound_found": 50,
        "sync": 0.012,
    } | other


def test_good_is_nine_in_ten_and_in_sync() -> None:
    assert is_good(row("no moov"))
    assert is_good(row("no moov", sound=0, sound_found=0, sync=None))
    assert not is_good(row("no moov", pictures_found=89))
    assert not is_good(row("no moov", sound_found=44))
    assert not is_good(row("no moov", sync=0.05))
    assert not is_good(row("no moov", error="refused"))


def test_a_line_a_recording_and_what_is_not_good_stands_out() -> None:
    rows = [row("no moov"), row("holes", sync=0.25), row("no head", error="cannot be read", conceal=3)]
    words, table = salvage_tables(rows)
    assert words.startswith("1 of 3 copies") and "0 of 1 recordings" in words and "of 2 of them" in words
    line = table.splitlines()[-1]
    assert "| one (x264, FFmpeg) | the stream | 95/100 50/50 12 ms | **95/100 50/50 250 ms** | **refused** |" in line
