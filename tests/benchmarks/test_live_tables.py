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


def test_cameras_on_a_lossy_wire() -> None:
    row = {"measure": "one-slice", "codec": "hevc", "height": 360, "loss": 0.05, "seed": 1, "method": "auto"}
    row |= {"packets_lost": 44, "packets_missed": 47, "packets_lost_seen": 47}
    row |= {"access_units": 300, "access_units_hit": 20, "pictures_out": 300, "once_in_order": True, "psnr": 30.0}
    row |= {"delay_p50_ms": 3.0, "delay_p95_ms": 20.0, "delay_p99_ms": 30.0, "load_before": 0.1}
    rows = [row | {"method": "motion"}, row | {"psnr_avdec_h265": 20.0, "psnr_libde265dec": 19.0}]
    [(name, _, _, table)] = live_tables({"live": [*rows, {"measure": "loopback"}]})
    assert name == "live"
    lines = table.splitlines()
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert "19.00" in lines[3] and "libde265dec" in lines[0]
    assert live_tables({"live": [{"measure": "loopback"}]}) == []
