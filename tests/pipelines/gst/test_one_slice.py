"""One slice a picture over a lossy wire. In child processes: what goes wrong here goes wrong in C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from tests.media import Codec
from tests.pipelines.gst.running import FRAME, au_source, run, stream

SEEDS = (1, 2, 3)
_REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("rate", [0.01, 0.05])
@pytest.mark.parametrize("codec", get_args(Codec))
def test_every_access_unit_once_and_in_order(codec: Codec, rate: float) -> None:
    command = [sys.executable, "-m", "tests.pipelines.gst.one_slice", codec, str(rate), *map(str, SEEDS)]
    fatal = os.environ | {"G_DEBUG": "fatal-criticals"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=_REPOSITORY, timeout=150, env=fatal)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-800:]}"
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(rows) == len(SEEDS)
    for row in rows:
        assert not row["errors"]
        assert row["positions"] == list(range(row["access_units"])), f"seed {row['seed']}"
        assert row["seen"] == row["lost"] > 0
    assert sum(row["first_fragments"] for row in rows) > 0


def test_a_report_of_nothing_but_a_gap_crosses_as_it_is() -> None:
    from pipelines.gst.intake import LossReport
    from pipelines.gst.loss_report import from_event, to_event

    for report in (LossReport(40, b"", (0,), 2), LossReport(None, b"\x00\x00\x00\x01\x41ab", (3, 7), 0)):
        assert from_event(to_event(report)) == report


def test_foreign_events_of_that_name_are_refused() -> None:
    from pipelines.gst.bindings import Gst
    from pipelines.gst.loss_report import EVENT, from_event

    for fields in ("", ", pts=(string)1", ", pts=(string)x, gaps=(string)0, packets=(int)1, payload=(string)ab"):
        structure = Gst.Structure.from_string(EVENT + fields)[0]
        with pytest.raises(ValueError, match="concealer-loss"):
            from_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, structure))


def test_empty_buffers_are_losses_like_others() -> None:
    units = stream("h264")
    for place in (5, 11):
        units = [*units[:place], (b"", units[place][1]), *units[place + 1 :]]

    def feed(pipeline: object) -> None:
        from pipelines.gst.bindings import Gst

        source = pipeline.get_by_name("in")  # type: ignore[attr-defined]
        for data, position in units:
            buffer = Gst.Buffer.new_wrapped(data) if data else Gst.Buffer.new()
            buffer.pts, buffer.duration = position * FRAME, FRAME
            source.emit("push-buffer", buffer)
        source.emit("end-of-stream")

    result = run(f"{au_source('h264')} ! concealdec name=dec ! appsink name=out", feed)
    assert not result.errors
    assert result.positions == list(range(len(units)))
