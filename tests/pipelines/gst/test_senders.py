"""Senders that begin anew, and losses that others have mended before the probe."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.clips import to_planes
from benchmarks.live_events import GOP, PICTURES, START, decode, encode, joined, later
from benchmarks.rtp import packetise
from concealer.bitstream import split_annexb
from tests.media import clip
from tests.pipelines.gst.running import (
    DEPAYLOADER,
    FRAME,
    all_packets,
    clean,
    live_source,
    push_all,
    push_live,
    rtp_source,
    run,
    stream,
)

DECODER = "conceallossprobe ! rtph264depay ! concealdec name=dec ! appsink name=out"
CAPS = "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96"


def _sent(sequence: int, ticks: int, source: bytes, position: int) -> list[tuple[bytes, int]]:
    """The stream from its beginning, shown from `position` on."""
    packets = []
    for payload, place in stream("h264"):
        nals = [nal.data for nal in split_annexb(payload)]
        made = packetise(nals, "h264", place * 3600 + ticks, sequence, 300)
        packets += [(packet[:8] + source + packet[12:], position + place) for packet in made]
        sequence += len(made)
    return packets


@pytest.mark.parametrize(
    ("sequence", "ticks", "source"),
    [(40_000, 0x70000000, b"new "), (500, 0, b"new "), (60_000, 0x70000000, b"conc"), (18_000, 0xA0000000, b"conc")],
)
def test_a_sender_begun_anew_is_shown_from_its_first_picture(sequence: int, ticks: int, source: bytes) -> None:
    packets = _sent(7, 0, b"conc", 0) + _sent(sequence, ticks, source, 30)
    result = run(f"{rtp_source('h264')} ! {DECODER}", push_all(packets))
    assert not result.errors
    assert result.positions == list(range(60))
    for out, want in zip(result.buffers, clean("h264") * 2, strict=True):
        assert np.array_equal(out.luma, want)
    assert result.stats["restarts"] == 1
    assert result.stats["packets-lost"] == 0
    assert result.stats["damaged"] == 0


def test_restart_behind_a_jitter_buffer() -> None:
    packets = _sent(7, 0, b"conc", 0) + _sent(41_000, 0x70000000, b"new ", 30)
    middle = "rtpjitterbuffer latency=20 do-lost=true"
    result = run(f"{live_source('h264')} ! {middle} ! {DECODER}", push_live(packets))
    assert not result.errors
    assert len(result.buffers) == 60
    assert result.stats["restarts"] == 1
    assert result.stats["packets-lost"] == 0


def _gone(count: int, share: float) -> set[int]:
    return set(random.Random(5).sample(range(40, count - 20), round(count * share)))


def test_behind_retransmission_only_what_is_left_counts() -> None:
    packets = all_packets("h264")
    gone = _gone(len(packets), 0.04)
    never = set(sorted(gone)[::4])
    wire: list[tuple[bytes, int]] = []
    again = 0  # as many retransmissions so far
    for number, (packet, position) in enumerate(packets):
        if number not in gone:
            wire.append((packet, position))
        elif number not in never:  # RFC 4588: another source, the original sequence number before the payload
            head = bytes((packet[0], packet[1] & 0x80 | 97)) + again.to_bytes(2, "big") + packet[4:8] + b"rtx "
            wire.append((head + packet[2:4] + packet[12:], position + 2))
            again += 1
    wire.sort(key=lambda pair: pair[1])

    def map_types(pipeline: Any) -> None:
        from pipelines.gst.bindings import Gst

        receiver = pipeline.get_by_name("rtx")
        receiver.set_property("payload-type-map", Gst.Structure.from_string("map, 96=(uint)97")[0])
        sources = f"map, {int.from_bytes(packets[0][0][8:12], 'big')}=(uint){int.from_bytes(b'rtx ', 'big')}"
        receiver.set_property("ssrc-map", Gst.Structure.from_string(sources)[0])

    middle = "rtprtxreceive name=rtx ! rtpjitterbuffer latency=200 do-lost=true do-retransmission=true"
    result = run(f"{live_source('h264')} ! {middle} ! {DECODER}", push_live(wire), prepare=map_types)
    assert not result.errors
    assert result.stats["packets-lost"] == len(never)
    assert result.stats["restarts"] == 0
    assert result.positions == list(range(30))


def test_behind_parity_only_what_is_left_counts() -> None:
    sent = _with_parity()
    media = [number for number, packet in enumerate(sent) if packet[1] & 0x7F == 96]
    gone = {media[place] for place in _gone(len(media), 0.15)}
    first = int.from_bytes(sent[0][4:8], "big")

    def time(packet: bytes) -> int:
        return round(((int.from_bytes(packet[4:8], "big") - first) & 0xFFFFFFFF) / 3600)

    wire = [(packet, time(packet)) for number, packet in enumerate(sent) if number not in gone]
    passed: set[bytes] = set()

    def storage(pipeline: Any) -> None:
        from pipelines.gst.bindings import Gst

        def count(pad: Any, info: Any) -> Any:
            buffer = info.get_buffer()
            passed.add(buffer.extract_dup(12, buffer.get_size() - 12))
            return Gst.PadProbeReturn.OK

        decoder = pipeline.get_by_name("fec")
        decoder.set_property("storage", pipeline.get_by_name("storage").get_property("internal-storage"))
        decoder.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, count)

    middle = "rtpstorage name=storage size-time=250000000 ! rtpjitterbuffer latency=200 do-lost=true"
    fec = "rtpulpfecdec name=fec pt=100"
    result = run(f"{live_source('h264')} ! {middle} ! {fec} ! {DECODER}", push_live(wire), prepare=storage)
    assert not result.errors
    left = sum(sent[number][12:] not in passed for number in media)
    assert 0 < left < len(gone)
    # rtpulpfecdec numbers packets anew: of several missing in one place it does not tell how many were parity.
    assert 0 < result.stats["packets-lost"] <= left
    assert result.positions == list(range(30))


def _with_parity() -> list[bytes]:
    """The stream's packets with ULP FEC among them."""
    from pipelines.gst.bindings import Gst

    pipeline = Gst.parse_launch(
        f"appsrc name=in format=time caps={CAPS} ! rtpulpfecenc pt=100 percentage=30 multipacket=true ! "
        "appsink name=out sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    push_all(all_packets("h264"))(pipeline)
    packets, out = [], pipeline.get_by_name("out")
    while (sample := out.emit("try-pull-sample", Gst.SECOND)) is not None:
        buffer = sample.get_buffer()
        packets.append(buffer.extract_dup(0, buffer.get_size()))
    pipeline.set_state(Gst.State.NULL)
    return packets


def test_rtpbin_with_its_jitter_buffer_inside() -> None:
    packets = all_packets("h264")
    gone = _gone(len(packets), 0.03)
    wire = [pair for number, pair in enumerate(packets) if number not in gone]

    def link(pipeline: Any) -> None:
        pipeline.get_by_name("session").connect("pad-added", _join(pipeline))

    session = "rtpbin name=session latency=100 do-lost=true"
    description = f"{live_source('h264')} ! session.recv_rtp_sink_0 {session} conceallossprobe name=probe ! "
    rest = f"{DEPAYLOADER['h264']} ! concealdec name=dec ! appsink name=out"
    result = run(description + rest, push_live(wire), prepare=link)
    assert not result.errors
    assert result.stats["packets-lost"] == len(gone)
    assert len(result.buffers) == 30
    assert result.buffers[-1].pts - result.buffers[0].pts == pytest.approx(29 * FRAME, abs=FRAME // 4)


def _join(pipeline: Any) -> Callable[[Any, Any], None]:
    def join(session: Any, pad: Any) -> None:
        if pad.get_name().startswith("recv_rtp_src"):
            pad.link(pipeline.get_by_name("probe").get_static_pad("sink"))

    return join


@pytest.mark.parametrize("sequence", [640, 690, 720, 2000, 40_000])
def test_concealbin_follows_a_sender_whose_numbers_begin_anywhere(sequence: int) -> None:
    """Close behind those of the sender before, a jitter buffer takes them for late ones of it."""
    packets = _sent(700, 0, b"conc", 0) + _sent(sequence, 0x70000000, b"new ", 30)
    source = f"{rtp_source('h264')} is-live=true do-timestamp=true min-latency=0"
    result = run(f"{source} ! concealbin name=dec latency=100 ! appsink name=out", push_live(packets))
    assert not result.errors
    assert len(result.buffers) == 60
    assert result.stats["restarts"] == 1
    assert result.stats["packets-lost"] == 0


def test_after_an_outage_nothing_is_shown_until_it_is_clean() -> None:
    made = [av.VideoFrame.from_ndarray(rgb, format="rgb24") for rgb in clip(PICTURES)]
    units = encode([to_planes(frame.reformat(format="yuv420p")) for frame in made], "h264", 0)
    back = later(joined(units, "h264"), PICTURES + 300)
    result = decode([*units, *back], "h264")
    assert result.positions == [*range(PICTURES), *range(PICTURES + 300 + GOP, 2 * PICTURES + 300)]
    assert result.flagged == []
    assert result.stats["dropped"] == GOP - START
    assert result.stats["keyframe-requests"] == 1
    assert result.stats["made-up"] == 0
