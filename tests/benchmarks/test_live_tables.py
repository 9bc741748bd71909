"""Tables of live streams from the rows that the benchmarks wrote."""

from __future__ import annotations

import pytest

from benchmarks.live_tables import live_tables
from benchmarks.store import RESULTS, read

_NAMES = ("live_events", "live_splice", "cameras", "soak")


@pytest.mark.parametrize("name", _NAMES)
def test_every_row_is_in_its_table(name: str) -> None:
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        pytest.skip("not measured yet")
    rows = read(path)["rows"]
    [(found, title, words, table)] = live_tables({name: rows})
    assert found == name
    assert title
    assert words
    lines = table.splitlines()[2:]
    assert len(lines) == len(rows) * (8 if name == "soak" else 1)
    assert len({line.count("|") for line in table.splitlines()}) == 1
