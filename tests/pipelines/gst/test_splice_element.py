"""`concealsplice`: the stream made whole while it runs."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any, get_args

import av
import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import split_annexb
from tests.media import Codec
from tests.pipelines.gst.running import (
    DEPAYLOADER,
    FRAME,
    au_source,
    clean,
    lossy,
    psnr,
    push_all,
    rtp_source,
    run,
    stream,
)

CODECS = get_args(Codec)


def _collect(description: str, buffers: list[tuple[bytes, int]]) -> tuple[list[tuple[bytes, int]], dict[str, Any]]:
    """(payload, position) of what came out, and the element's counts."""
    from pipelines.gst.bindings import Gst

    pipeline = Gst.parse_launch(f"{description} ! appsink name=out sync=false")
    pipeline.set_state(Gst.State.PLAYING)
    push_all(buffers)(pipeline)
    out, found = pipeline.get_by_name("out"), []
    while (sample := out.emit("try-pull-sample", 20 * Gst.SECOND)) is not None:
        buffer = sample.get_buffer()
        found.append((buffer.extract_dup(0, buffer.get_size()), round(buffer.pts / FRAME)))
    structure = pipeline.get_by_name("splice").get_property("stats")
    stats = {name: structure.get_value(name) for name in ("kept", "inserted", "replaced")}
    assert pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.WARNING) is None
    pipeline.set_state(Gst.State.NULL)
    return found, stats


def _decoded(units: list[tuple[bytes, int]], codec: Codec) -> list[npt.NDArray[np.uint8]]:
    planes = []
    with av.open(io.BytesIO(b"".join(payload for payload, _ in units)), format=codec) as opened:
        for frame in opened.decode(video=0):
            rows = np.frombuffer(frame.planes[0], np.uint8).reshape(-1, frame.planes[0].line_size)
            planes.append(rows[: frame.height, : frame.width].copy())
    return planes


@pytest.mark.parametrize("codec", CODECS)
def test_an_undamaged_stream_passes_as_it_came(codec: Codec) -> None:
    units = stream(codec, 2)
    out, stats = _collect(f"{au_source(codec)} ! concealsplice name=splice", units)
    assert out == units
    assert stats["inserted"] == stats["replaced"] == 0


@pytest.mark.parametrize("codec", CODECS)
def test_a_stock_decoder_shows_what_concealdec_shows(codec: Codec) -> None:
    packets = [(packet, sending.position) for sending in lossy(codec) for packet in sending.packets]
    head = f"{rtp_source(codec)} ! conceallossprobe ! {DEPAYLOADER[codec]}"
    out, stats = _collect(f"{head} ! concealsplice name=splice deadline-ms=0", packets)
    assert sorted(position for _, position in out) == list(range(30))
    assert stats["inserted"] > 0
    received = Counter(nal.data for payload, _ in stream(codec) for nal in split_annexb(payload))
    spliced = Counter(nal.data for payload, _ in out for nal in split_annexb(payload))
    assert (spliced & received).total() >= stats["kept"]
    shown = run(f"{head} ! concealdec name=dec deadline-ms=0 ! appsink name=out", push_all(packets))
    stock = _decoded(out, codec)
    assert len(stock) == 30
    want = clean(codec)
    ours = np.mean([psnr(one.luma, two) for one, two in zip(shown.buffers, want, strict=True)])
    theirs = np.mean([psnr(one, two) for one, two in zip(stock, want, strict=True)])
    assert abs(ours - theirs) < 1.0
