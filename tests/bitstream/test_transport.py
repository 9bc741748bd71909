"""Losses in MPEG-TS and RTP, found where they were made."""

from __future__ import annotations

import io
import random

import av
import pytest

from concealer.bitstream import AccessUnit, Codec, StreamParser
from concealer.bitstream.transport.mpegts import PACKET, ContinuityChecker, PesPacket
from concealer.bitstream.transport.rtp import RtpAccessUnit, RtpDepacketiser
from tests.bitstream.streams import encoded, parsed, payload


def transport_stream(codec: Codec) -> bytes:
    memory = io.BytesIO()
    with (
        av.open(io.BytesIO(encoded(codec, slices=3, height=208)), format=codec) as source,
        av.open(memory, "w", format="mpegts") as sink,
    ):
        stream = sink.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.stream = stream
                packet.pts = packet.dts = number * 3600
                sink.mux(packet)
    return memory.getvalue()


def demultiplexed(data: bytes, step: int = 1000) -> tuple[list[PesPacket], ContinuityChecker]:
    checker = ContinuityChecker()
    found: list[PesPacket] = []
    for start in range(0, len(data), step):
        found += checker.push(data[start : start + step])
    return found + checker.flush(), checker


def test_whole_transport_stream() -> None:
    for codec in ("h264", "hevc"):
        packets, checker = demultiplexed(transport_stream(codec))  # type: ignore[arg-type]
        assert list(checker.codecs.values()) == [codec]
        assert checker.losses == 0
        assert not any(pes.gaps or pes.truncated for pes in packets)
        parser = StreamParser(codec)  # type: ignore[arg-type]
        aus = [au for pes in packets for au in parser.push(pes.payload, pts=pes.pts, complete=True)]
        assert len(aus) == len(packets) == 12
        assert all(au.coverage.is_intact for au in aus)
        (step,) = {(b.pts or 0) - (a.pts or 0) for a, b in zip(aus, aus[1:], strict=False)}
        assert step > 0


def test_every_dropped_packet_is_found_at_its_place() -> None:
    data = transport_stream("h264")
    whole, checker = demultiplexed(data)
    (pid,) = checker.codecs
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    inner = [
        index
        for index, packet in enumerate(packets)
        if (packet[1] & 31) << 8 | packet[2] == pid and not packet[1] & 0x40
    ]
    for index in random.Random(1).sample(inner[:-1], 15):
        damaged, checker = demultiplexed(b"".join(packets[:index] + packets[index + 1 :]))
        assert checker.losses == 1
        assert len(damaged) == len(whole)
        ((before, after),) = [(a, b) for a, b in zip(whole, damaged, strict=True) if a.payload != b.payload]
        place = next(
            (i for i, (x, y) in enumerate(zip(before.payload, after.payload, strict=False)) if x != y),
            len(after.payload),
        )
        if after.truncated:
            assert before.payload.startswith(after.payload)
        else:
            (gap,) = after.gaps
            assert gap <= place < gap + PACKET
            assert before.payload[:gap] == after.payload[:gap]


def packetised(codec: Codec, aus: list[AccessUnit], size: int) -> list[bytes]:
    """RTP packets: single units where they fit, fragments where not."""
    out: list[bytes] = []
    for number, au in enumerate(aus):
        bodies: list[bytes] = []
        for nal in (nal.data for nal in au.nals):
            head = 1 if codec == "h264" else 2
            kind = nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63
            if len(nal) <= size:
                bodies.append(nal)
                continue
            for start in range(head, len(nal), size):
                flags = (start == head) << 7 | (start + size >= len(nal)) << 6
                if codec == "h264":
                    lead = bytes((nal[0] & 0xE0 | 28, flags | kind))
                else:
                    lead = bytes((nal[0] & 0x81 | 49 << 1, nal[1], flags | kind))
                bodies.append(lead + nal[start : start + size])
        for index, body in enumerate(bodies):
            marker = (index == len(bodies) - 1) << 7
            stamp = (0xFFFFFF00 + number * 3600) & 0xFFFFFFFF
            sequence = (65530 + len(out)) & 0xFFFF
            out.append(
                bytes((0x80, marker | 96)) + sequence.to_bytes(2, "big") + stamp.to_bytes(4, "big") + b"ssrc" + body
            )
    return out


def received(codec: Codec, packets: list[bytes]) -> list[RtpAccessUnit]:
    depacketiser = RtpDepacketiser(codec)
    return [unit for packet in packets for unit in depacketiser.push(packet)] + depacketiser.flush()


def test_rtp_whole_and_with_losses() -> None:
    for codec in ("h264", "hevc"):
        aus = parsed(codec, encoded(codec, slices=3, height=208))  # type: ignore[arg-type]
        packets = packetised(codec, aus, 90)  # type: ignore[arg-type]
        units = received(codec, packets)  # type: ignore[arg-type]
        assert [unit.payload for unit in units] == [payload(au) for au in aus]
        assert not any(unit.gaps for unit in units)
        assert units[-1].timestamp - units[0].timestamp == 11 * 3600
        # Duplicates and stragglers change nothing.
        assert received(codec, [p for p in packets for _ in range(2)] + packets[:3]) == units  # type: ignore
        # The first picture's SEI may be lost without harm.
        first = len(packetised(codec, aus[:1], 90))  # type: ignore[arg-type]
        for index in range(first, len(packets) - 1, 5):
            damaged = received(codec, packets[:index] + packets[index + 1 :])  # type: ignore[arg-type]
            assert sum(bool(unit.gaps) for unit in damaged) in (1, 2)
            parser = StreamParser(codec)  # type: ignore[arg-type]
            got = [
                au
                for unit in damaged
                for au in parser.push(unit.payload, pts=unit.timestamp, gaps=unit.gaps, complete=True)
            ]
            assert any(not au.coverage.is_intact or au.missing_before for au in got)


def test_rtp_aggregation_packets() -> None:
    depacketiser = RtpDepacketiser("h264")
    header = bytes((0x80, 0x80 | 96)) + bytes(10)
    (unit,) = depacketiser.push(header + b"\x78\x00\x02\x67a\x00\x03\x68bc")
    assert unit.payload == b"\x00\x00\x00\x01\x67a\x00\x00\x00\x01\x68bc"


def _moved(packet: bytes, *, sequence: int = 0, ticks: int = 0, source: bytes = b"ssrc", kind: int = 96) -> bytes:
    """The packet with its sequence number and timestamp moved."""
    number = (int.from_bytes(packet[2:4], "big") + sequence) & 0xFFFF
    stamp = (int.from_bytes(packet[4:8], "big") + ticks) & 0xFFFFFFFF
    head = bytes((packet[0], packet[1] & 0x80 | kind)) + number.to_bytes(2, "big") + stamp.to_bytes(4, "big")
    return head + source + packet[12:]


@pytest.mark.parametrize(
    ("sequence", "ticks", "source", "restarts"),
    [
        (0, 0, b"new ", 1),
        (31000, 0x12345678, b"new ", 1),
        (-20000, 0x12345678, b"ssrc", 1),
        (18000, -10_000_000, b"ssrc", 1),
        (18000, 0, b"ssrc", 0),  # the numbers leap, the clock does not
    ],
)
def test_a_sender_begun_anew_is_followed_at_once(sequence: int, ticks: int, source: bytes, restarts: int) -> None:
    aus = parsed("h264", encoded("h264", slices=3, height=208))
    packets = packetised("h264", aus, 90)
    half = len(packetised("h264", aus[:6], 90))
    again = [_moved(packet, sequence=sequence, ticks=ticks, source=source) for packet in packets[half:]]
    depacketiser = RtpDepacketiser("h264")
    units = [unit for packet in packets[:half] + again for unit in depacketiser.push(packet)] + depacketiser.flush()
    assert [unit.payload for unit in units] == [payload(au) for au in aus]
    assert depacketiser.restarts == restarts
    assert depacketiser.lost_packets == 0
    assert [number for number, unit in enumerate(units) if unit.gaps] == ([] if restarts else [6])


def test_an_outage_is_counted_where_the_clock_agrees() -> None:
    aus = parsed("h264", encoded("h264", slices=3, height=208))
    packets = packetised("h264", aus, 90)
    half = len(packetised("h264", aus[:6], 90))
    gone = 40 * len(packets)
    later = [_moved(packet, sequence=gone, ticks=40 * 12 * 3600) for packet in packets[half:]]
    depacketiser = RtpDepacketiser("h264")
    for packet in packets[:half] + later:
        depacketiser.push(packet)
    assert (depacketiser.lost_packets, depacketiser.restarts) == (gone, 0)


def test_what_runs_beside_the_stream_is_not_taken_for_it() -> None:
    aus = parsed("h264", encoded("h264", slices=3, height=208))
    packets = packetised("h264", aus, 90)
    beside = []
    for number, packet in enumerate(packets):
        beside.append(packet)
        if number % 5 == 4:  # retransmissions, a stray sender, packets of minutes ago
            beside += [_moved(packets[number - 2], source=b"rtx ", kind=97)] * 3
            beside += [_moved(packet, source=b"else"), _moved(packet, sequence=-500, ticks=-45_000)]
    assert received("h264", beside) == received("h264", packets)
