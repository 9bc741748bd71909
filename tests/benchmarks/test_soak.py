"""What a soak sends, and what it complains of."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.clips import synthetic
from benchmarks.soak import FPS, OUTAGE, SESSION, sessions_of, steady
from benchmarks.streams import Encoding, encoded


def test_the_last_kind_of_session_has_an_outage(tmp_path: Path) -> None:
    stream = encoded(synthetic(176, 144), Encoding("hevc", "P", 30, slices=1), tmp_path)
    *others, last = sessions_of(stream)
    silent = [number for number, sending in enumerate(last) if not sending.packets]
    assert len(last) == SESSION * FPS
    middle = range(len(last) // 2, len(last) // 2 + OUTAGE * FPS)
    assert set(middle) <= set(silent)
    assert all(last[number].lost for number in middle)
    for kind in others:
        assert sum(bool(sending.packets) for sending in kind) > len(kind) - OUTAGE * FPS
        assert not kind[0].lost and not kind[-1].lost
        assert all(sending.lost for sending in kind if sending.hit)


@pytest.mark.parametrize("name", ["memory_mb", "threads", "descriptors", "delay_ms"])
def test_what_grows_and_what_is_told_wrongly_is_named(name: str) -> None:
    names = ("memory_mb", "threads", "descriptors", "delay_ms")
    row = {"agrees": True} | {f"{one}_{third}_third": 100.0 for one in names for third in ("first", "last")}
    assert steady(row) == []
    assert [what.split()[0] for what in steady(row | {f"{name}_last_third": 130.0})] == [name]
    assert len(steady(row | {"agrees": False})) == 1
