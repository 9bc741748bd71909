"""MPEG-TS through the pipeline: losses with their places, spliced clocks."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines import EncoderSettings, Settings, conceal_file
from pipelines.cli import main
from pipelines.reading import Source, VideoPayload
from pipelines.reading.transport import TransportTap, looks_like_ts
from tests.media import clip, decode_luma, encode_file
from tests.pipelines.files import picture_times

FAST = EncoderSettings(preset="ultrafast")


def lose_packets(path: Path, target: Path, rate: float, seed: int) -> tuple[int, int]:
    """Drop packets of 188 bytes behind the first hundred: (how many, how many PES packets of which nothing arrives).

    Nobody misses a picture that no other refers to if nothing of it arrives.
    """
    data, dice = path.read_bytes(), random.Random(seed)
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    begun: dict[int, int] = {}
    sent, arrived, kept = set(), set(), []
    for number, packet in enumerate(packets):
        pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
        begun[pid] = begun.get(pid, 0) + bool(packet[1] & 0x40)
        sent.add((pid, begun[pid]))
        if number < 100 or dice.random() >= rate:
            arrived.add((pid, begun[pid]))
            kept.append(packet)
    target.write_bytes(b"".join(kept))
    return len(packets) - len(kept), len(sent - arrived)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_lost_packets_are_found_and_no_picture_is_missing(media: Path, tmp_path: Path, codec: str) -> None:
    damaged, out = tmp_path / "in.ts", tmp_path / "out.ts"
    lost, unseen = lose_packets(media / f"{codec}.ts", damaged, 0.03, seed=5)
    assert lost > 3
    result = conceal_file(damaged, out, Settings(encoder=FAST))
    assert result.action == "repaired"
    assert 0 < result.damaged_pictures < 24
    assert 24 - unseen <= len(decode_luma(out)) == result.pictures <= 24
    if not unseen:
        assert np.diff(picture_times(out)) == pytest.approx(np.full(23, 0.04), abs=2e-3)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_payloads_of_a_whole_stream_are_those_of_libavformat(media: Path, codec: str) -> None:
    source = Source(str(media / f"{codec}.ts"))
    ours = [event for event in source.events({0}) if isinstance(event, VideoPayload)]
    source.close()
    with av.open(str(media / f"{codec}.ts")) as opened:
        theirs = [(bytes(packet), packet.pts) for packet in opened.demux(video=0) if packet.size]
    assert not any(event.packet or event.gaps or event.truncated for event in ours)
    assert b"".join(event.data for event in ours) == b"".join(data for data, _ in theirs)
    times = [event.pts for event in ours if event.pts is not None]
    assert times == [time for _, time in theirs if time in times]


def test_gaps_reach_the_decoder(tmp_path: Path) -> None:
    whole, damaged = tmp_path / "whole.ts", tmp_path / "in.ts"
    encode_file(whole, clip(12, 352, 288), crf=12)
    lose_packets(whole, damaged, 0.02, seed=2)
    source = Source(str(damaged))
    payloads = [event for event in source.events({0}) if isinstance(event, VideoPayload)]
    source.close()
    gaps = [(payload, gap) for payload in payloads for gap in payload.gaps]
    assert len(gaps) > 3
    assert all(0 <= gap <= len(payload.data) for payload, gap in gaps)


def test_a_splice_does_not_tear_the_timeline(media: Path, tmp_path: Path) -> None:
    """The second half restarts an hour later; pictures must follow each other, with the sound beside them."""
    late, joined, out = tmp_path / "late.ts", tmp_path / "joined.ts", tmp_path / "out.mkv"
    with av.open(str(media / "h264.ts")) as whole, av.open(str(late), "w") as shifted:
        made = {s.index: shifted.add_stream_from_template(s, opaque=True) for s in whole.streams}
        for packet in whole.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts + 3600 * 90000, packet.dts + 3600 * 90000
                packet.stream = made[packet.stream_index]
                shifted.mux(packet)
    joined.write_bytes((media / "h264.ts").read_bytes() + late.read_bytes())
    result = conceal_file(joined, out, Settings(encoder=FAST, always_encode=True))
    assert result.pictures == 48
    times = picture_times(out)
    assert len(times) == 48
    assert max(np.diff(times)) < 0.2
    with av.open(str(out)) as opened:
        sound = [float(p.pts * p.time_base) for p in opened.demux(audio=0) if p.size and p.pts is not None]
    assert abs(max(sound) - max(times)) < 0.2


def test_what_is_no_transport_stream_is_left_alone() -> None:
    tap = TransportTap(lambda size: b"plain" * 200)
    assert tap.read(1000) == b"plain" * 200
    assert not tap.active
    assert not looks_like_ts(b"\x47" * 10)


@pytest.mark.parametrize(("stride", "before"), [(192, 4), (204, 0)])
def test_packets_with_times_or_parity_are_read_with_their_losses(
    media: Path, tmp_path: Path, stride: int, before: int
) -> None:
    """M2TS and 204-byte packets: the same pictures as from 188 bytes, and the same damage."""
    plain, longer = tmp_path / "in.ts", tmp_path / "in.m2ts"
    lose_packets(media / "h264.ts", plain, 0.03, seed=5)
    data = plain.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    made = b"".join(bytes(before) + packet + bytes(stride - before - 188) for packet in packets)
    longer.write_bytes(made[: 40 * stride] + made[40 * stride + 7 :])  # and out of step once
    results = [conceal_file(path, tmp_path / f"{path.suffix}.mkv", Settings(encoder=FAST)) for path in (plain, longer)]
    assert results[0].losses > 3 and results[1].losses >= results[0].losses
    assert results[0].damaged_pictures <= results[1].damaged_pictures <= results[0].damaged_pictures + 2
    assert results[0].pictures == results[1].pictures


def test_missing_packets_of_sound_are_told(media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (media / "h264.ts").read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    sound = [n for n, packet in enumerate(packets) if int.from_bytes(packet[1:3], "big") & 0x1FFF == 0x101]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(packet for n, packet in enumerate(packets) if n != sound[len(sound) // 2]))
    assert main([str(source), str(tmp_path / "out.ts")]) == 0
    assert "transport packets missing at 1 place," in capsys.readouterr().err
