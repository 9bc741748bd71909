"""A live stream that falls silent, and comes back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.pipelines.gst.running import FPS, FRAME, Outcome, all_packets, clean, live_source, run

AWAY = 2.0
"""Seconds."""


def _with_an_outage(options: str, start: int = 0) -> Outcome:
    """A sender that is away for a while and comes back with picture `start` of its stream."""
    from pipelines.gst.bindings import Gst

    packets = all_packets("h264")
    last = int.from_bytes(packets[-1][0][2:4], "big") + 1
    ticks = round((30 / FPS + AWAY) * 90_000)
    back = []
    for packet, position in packets:
        if position >= start:
            sequence, timestamp = (int.from_bytes(packet[a:b], "big") for a, b in ((2, 4), (4, 8)))
            head = packet[:2] + ((sequence + last) & 0xFFFF).to_bytes(2, "big")
            back.append((head + ((timestamp + ticks) & 0xFFFFFFFF).to_bytes(4, "big") + packet[8:], position - start))

    def feed(pipeline: Any) -> None:
        element = pipeline.get_by_name("in")
        for some in (packets, back):
            began = time.monotonic()
            for packet, position in some:
                time.sleep(max(0.0, began + position / FPS - time.monotonic()))
                element.emit("push-buffer", Gst.Buffer.new_wrapped(packet))
            time.sleep(AWAY if some is packets else 0.3)
        element.emit("end-of-stream")

    return run(f"{live_source('h264')} ! concealbin name=dec latency=50 {options} ! appsink name=out", feed)


def _filled(result: Outcome) -> list[Any]:
    times = np.array([out.pts for out in result.buffers])
    steps = np.diff(times) / FRAME
    assert steps.min() > 0
    assert steps.max() < 3  # nothing is left open
    return result.buffers[30:-25]


def test_the_last_picture_stays() -> None:
    result = _with_an_outage("outage=hold")
    assert not result.errors
    filled = _filled(result)
    assert len(filled) > 0.6 * AWAY * FPS
    held = sum(np.array_equal(out.luma, clean("h264")[-1]) for out in filled)
    assert held > 0.6 * AWAY * FPS
    assert np.array_equal(result.buffers[-1].luma, clean("h264")[-1])


def test_back_in_mid_gop_it_stays_until_there_is_a_clean_picture() -> None:
    result = _with_an_outage("outage=hold", start=5)
    assert not result.errors
    _filled(result)
    for out in result.buffers[30:]:  # the stream has one IDR picture, which does not come again
        assert np.array_equal(out.luma, clean("h264")[-1])
    assert result.stats["held"] >= 20
    assert result.stats["keyframe-requests"] >= 1


def test_a_slate(tmp_path: Path) -> None:
    slate = tmp_path / "slate.png"
    picture = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 128, np.uint8), format="rgb24")
    with av.open(str(slate), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "rgb24"
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    result = _with_an_outage(f"outage={slate}")
    assert not result.errors
    assert sum(out.luma.std() < 2 for out in _filled(result)) > 0.6 * AWAY * FPS


@pytest.mark.parametrize("value", ["pause", "/nowhere/slate.png"])
def test_a_value_it_does_not_know_is_an_error(value: str) -> None:
    from pipelines.gst.bindings import Gst

    pipeline = Gst.parse_launch(f"{live_source('h264')} ! concealbin outage={value} ! fakesink")
    assert pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE
    pipeline.set_state(Gst.State.NULL)


def test_without_it_nothing_is_made_up() -> None:
    result = _with_an_outage("")
    assert len(result.buffers) <= 60 + 8
