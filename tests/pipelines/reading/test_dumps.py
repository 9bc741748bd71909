"""Recordings of RTP: the same access units, gaps and pictures as where the session itself is received."""

from __future__ import annotations

import base64
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.rtp import packetise, send_lossy
from concealer import Repairer, open_decoder
from concealer.bitstream import StreamParser, join_annexb, split_annexb
from concealer.bitstream.transport import RtpDepacketiser
from pipelines.cli import main
from pipelines.damage_cli import main as damage
from pipelines.errors import ConcealError
from pipelines.jobs import Settings, conceal_file
from pipelines.reading import Source, VideoPayload
from tests.media import Codec, clip, encode_bytes
from tests.pipelines.reading import dump_files as files

PICTURES, FPS = 20, 25
Writer = Callable[[Path, files.Timed], Path]

WRITERS: dict[str, Writer] = {
    "pcap": files.pcap,
    "big-endian": partial(files.pcap, order=">", nano=True),
    "vlan-ipv6": partial(files.pcap, frame=files.vlan),
    "cooked": partial(files.pcap, link=113, frame=files.cooked),
    "raw": partial(files.pcap, link=101, frame=files.ipv4),
    "pcapng": files.pcapng,
    "pcapng-big-endian": partial(files.pcapng, order=">"),
    "rtpdump": files.rtpdump,
    "mjr": files.mjr,
    "mjr1": partial(files.mjr, version=1),
    "old-mjr": files.old_mjr,
}


@cache
def units(codec: Codec) -> list[tuple[bytes, int]]:
    """Access units, and their place in output order."""
    frames = clip(PICTURES) if codec == "h264" else clip(PICTURES, 176, 288)
    parser = StreamParser(codec)
    parsed = [*parser.push(encode_bytes(frames, codec, slices=3, bframes=2, gop=10)), *parser.flush()]
    places = {order: place for place, order in enumerate(sorted(unit.order for unit in parsed))}
    return [(join_annexb(unit.nals), places[unit.order]) for unit in parsed]


@cache
def lossy(codec: Codec) -> list[tuple[float, bytes]]:
    sendings = send_lossy(units(codec), codec, FPS, rate=0.15, seed=3, mtu=150)
    assert sum(sending.lost for sending in sendings) > 5
    return [(5 + n / FPS, packet) for n, sending in enumerate(sendings) for packet in sending.packets]


def whole(codec: Codec) -> list[tuple[float, bytes]]:
    packets, sequence = [], 65500
    for number, (payload, place) in enumerate(units(codec)):
        made = packetise([nal.data for nal in split_annexb(payload)], codec, place * 3600, sequence, 300)
        sequence += len(made)
        packets += [(5 + number / FPS, packet) for packet in made]
    return packets


def received(codec: Codec, packets: files.Timed) -> list[tuple[bytes, int, tuple[int, ...]]]:
    """As where they are received live: payload, time, gaps."""
    depacketiser = RtpDepacketiser(codec)
    found = [unit for _, packet in packets for unit in depacketiser.push(packet)] + depacketiser.flush()
    return [(unit.payload, unit.timestamp - found[0].timestamp, unit.gaps) for unit in found]


def read(path: Path, description: Path | None = None) -> list[VideoPayload]:
    source = Source(str(path), description=None if description is None else str(description))
    try:
        return [event for event in source.events(source.video) if isinstance(event, VideoPayload)]
    finally:
        source.close()


def seen(payloads: list[VideoPayload]) -> list[tuple[bytes, int, tuple[int, ...]]]:
    return [(one.data, one.pts - (payloads[0].pts or 0), one.gaps) for one in payloads if one.pts is not None]


@pytest.mark.parametrize("kind", WRITERS)
def test_access_units_are_those_that_were_received(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path / "session", lossy("h264"))
    assert seen(read(path)) == received("h264", lossy("h264"))


def test_hevc_of_a_capture_and_of_a_recording(tmp_path: Path) -> None:
    want = received("hevc", lossy("hevc"))
    assert seen(read(files.pcapng(tmp_path / "a", lossy("hevc")))) == want
    assert seen(read(files.mjr(tmp_path / "b", lossy("hevc"), "h265"))) == want


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_the_pictures_are_those_of_the_live_decoder(tmp_path: Path, codec: Codec) -> None:
    """The same decoder, as live inputs have it, fed by the socket's reader and by the recordings."""

    def pictures(fed: list[tuple[bytes, int, tuple[int, ...]]], complete: bool) -> list[np.ndarray]:
        decoder = open_decoder(codec, repairer=Repairer(), live=True)
        shown = []
        for data, pts, gaps in fed:
            shown += decoder.decode(data, pts=pts, gaps=gaps, complete=complete)
        return [picture.frame.to_ndarray() for picture in [*shown, *decoder.flush()]]

    live = pictures(received(codec, lossy(codec)), True)
    assert len(live) == PICTURES
    mjr = partial(files.mjr, codec="h264" if codec == "h264" else "h265")
    for number, writer in enumerate((files.pcap, mjr)):
        recorded = pictures(seen(read(writer(tmp_path / str(number), lossy(codec)))), True)
        assert len(recorded) == len(live)
        assert all(np.array_equal(one, other) for one, other in zip(recorded, live, strict=True))


def test_capture_and_recording_become_the_same_film(tmp_path: Path) -> None:
    films = []
    for number, writer in enumerate((files.pcap, files.mjr)):
        out = tmp_path / f"{number}.mp4"
        result = conceal_file(writer(tmp_path / f"session.{number}", lossy("h264")), out, Settings())
        assert result.action in ("spliced", "repaired") and result.losses and result.totals.repaired
        with av.open(str(out)) as opened:
            frames = [(frame.time, frame.to_ndarray()) for frame in opened.decode(video=0)]
        assert len(frames) == PICTURES
        films.append(frames)
    for (time, one), (other_time, other) in zip(*films, strict=True):
        assert time == other_time and np.array_equal(one, other)


@pytest.mark.parametrize("kind", ["pcapng", "mjr"])
def test_a_recording_from_a_pipe(tmp_path: Path, kind: str) -> None:
    path, out = WRITERS[kind](tmp_path / "session", lossy("h264")), tmp_path / "out.mkv"
    command = [sys.executable, "-c", "import sys; from pipelines.cli import main; sys.exit(main(sys.argv[1:]))"]
    with path.open("rb") as file:
        done = subprocess.run([*command, "-", str(out)], stdin=file, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with av.open(str(out)) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == PICTURES
    noise = subprocess.run([*command, "-", str(tmp_path / "no.mkv")], input=path.read_bytes()[:70], capture_output=True)
    assert noise.returncode == 3 and noise.stderr.startswith(b"conceal: standard input: no ")


def test_a_recording_is_converted_once_for_all_processes(tmp_path: Path) -> None:
    """Another process is told what it became: what happens to the recording since is not seen."""
    path = files.pcap(tmp_path / "session", lossy("h264"))
    first = Source(str(path))
    path.write_bytes(path.read_bytes()[:1000])
    second = Source("", again=pickle.loads(pickle.dumps(first.wanted)))
    for source in (second, first):
        payloads = [event for event in source.events(source.video) if isinstance(event, VideoPayload)]
        assert seen(payloads) == received("h264", lossy("h264"))
        source.close()


def test_packets_out_of_order_and_twice(tmp_path: Path) -> None:
    packets = whole("h264")
    want = received("h264", packets)
    shuffled = sorted(enumerate(packets), key=lambda one: one[0] + random.Random(one[0]).uniform(0, 9))
    mixed = [packet for _, packet in shuffled for _ in range(2)]
    assert seen(read(files.pcap(tmp_path / "a", mixed))) == want


def sdp(path: Path, lines: str) -> Path:
    path.write_text(f"v=0\r\nm=video 5004 RTP/AVP 96 97\r\n{lines}".replace("\n", "\r\n").replace("\r\r", "\r"))
    return path


@pytest.mark.parametrize("told", [True, False])
def test_retransmissions_take_their_place(tmp_path: Path, told: bool) -> None:
    packets = whole("h264")
    lost = set(range(9, len(packets), 11))
    sent = [packet for number, packet in enumerate(packets) if number not in lost]
    again = []
    for count, number in enumerate(sorted(lost)):
        time, packet = packets[number]
        head = bytes((0x80, packet[1] & 0x80 | 97)) + (700 + count).to_bytes(2, "big") + packet[4:8] + b"rtx!"
        again.append((time + 0.1, head + packet[2:4] + packet[12:]))
    description = sdp(
        tmp_path / "s.sdp", "a=rtpmap:96 H264/90000\na=rtpmap:97 rtx/90000\na=fmtp:97 apt=96;rtx-time=3000\n"
    )
    path = files.pcap(tmp_path / "a", sorted(sent + again))
    assert seen(read(path, description if told else None)) == received("h264", packets)


def test_parameter_sets_of_a_description(tmp_path: Path) -> None:
    packets, sets = [], []
    for time, packet in lossy("h264"):
        if packet[12] & 31 in (7, 8):
            sets.append(packet[12:])
        else:
            packets.append((time, packet))
    path = files.pcap(tmp_path / "a.pcap", packets)
    assert main([str(path), str(tmp_path / "none.mp4"), "-q"]) == 3
    sprop = ",".join(base64.b64encode(one).decode() for one in sets[:2])
    description = sdp(tmp_path / "s.sdp", f"a=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets={sprop}\n")
    assert main([str(path), str(tmp_path / "out.mp4"), "--sdp", str(description), "-q"]) == 0
    with av.open(str(tmp_path / "out.mp4")) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == PICTURES


def from_another(packets: files.Timed, source: bytes, later: float = 0.0, ticks: int = 0) -> list[tuple[float, bytes]]:
    made = []
    for time, packet in packets:
        stamp = (int.from_bytes(packet[4:8], "big") + ticks & 0xFFFFFFFF).to_bytes(4, "big")
        made.append((time + later, packet[:4] + stamp + source + packet[12:]))
    return made


def test_several_sources_are_several_streams_unless_they_follow_each_other(tmp_path: Path) -> None:
    packets = whole("h264")
    both = sorted([*packets, *from_another(packets, b"two!", 0.2)], key=lambda one: one[0])
    payloads = read(files.pcap(tmp_path / "both", both))
    firsts = [next(one.pts for one in payloads if one.stream == index) for index in (0, 1)]
    assert [sum(one.stream == index for one in payloads) for index in (0, 1)] == [PICTURES, PICTURES]
    assert firsts[1] - firsts[0] == pytest.approx(0.2 * 90000, abs=2)
    followed = [*packets, *from_another(packets, b"two!", 3.0, 0x71234567)]
    payloads = read(files.pcap(tmp_path / "then", followed))
    assert {one.stream for one in payloads} == {0} and len(payloads) == 2 * PICTURES
    times = sorted(one.pts for one in payloads if one.pts is not None)
    assert times[PICTURES] - times[0] == pytest.approx(3.0 * 90000, abs=0.2 * 90000), "by when they came"


def test_sound_stays_with_the_pictures(tmp_path: Path) -> None:
    packets = whole("h264")
    voice = []
    for number in range(40):
        tone = bytes(0x80 | (number * 7 + n) % 64 for n in range(160))
        head = b"\x80\x00" + number.to_bytes(2, "big") + (number * 160).to_bytes(4, "big") + b"tone"
        voice.append((5.3 + number * 0.02, head + tone))
    path = files.pcap(tmp_path / "call.pcap", sorted([*packets, *voice], key=lambda one: one[0]))
    assert main([str(path), str(tmp_path / "out.mkv"), "-q"]) == 0
    with av.open(str(tmp_path / "out.mkv")) as opened:
        firsts = {}
        for packet in opened.demux():
            if packet.size and packet.pts is not None:
                at = float(packet.pts * packet.time_base)
                firsts[packet.stream.type] = min(at, firsts.get(packet.stream.type, at))
    assert firsts["audio"] - firsts["video"] == pytest.approx(0.3, abs=0.04)


def test_what_holds_no_video_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = random.Random(1)
    other = [(n / 50, packet[:12] + noise.randbytes(60)) for n, (_, packet) in enumerate(whole("h264"))]
    for name, packets, says in (
        ("none.pcap", [], "no RTP in this pcap"),
        ("dns.pcap", [(0.0, b"not RTP at all")], "no RTP in this pcap"),
        ("srtp.pcap", other, "no H.264 or HEVC in 1 RTP stream of this pcap: encrypted, or without parameter sets"),
    ):
        path = files.pcap(tmp_path / name, packets)
        assert main([str(path), str(tmp_path / "out.mp4")]) == 3
        said = capsys.readouterr().err
        assert says in said and said.startswith(f"conceal: {path}: ") and said.count("\n") == 1
    path = files.mjr(tmp_path / "voice.mjr", other, "opus")
    assert main([str(path), str(tmp_path / "out.mp4")]) == 3
    assert capsys.readouterr().err == f"conceal: {path}: no H.264 or HEVC: this Janus recording holds opus\n"
    assert not (tmp_path / "out.mp4").exists()


def test_a_clock_that_is_damaged(tmp_path: Path) -> None:
    packets = [(time if number % 7 else 4e9, packet) for number, (time, packet) in enumerate(whole("h264"))]
    assert seen(read(files.pcap(tmp_path / "a", packets))) == received("h264", whole("h264"))


def test_recordings_are_not_written(tmp_path: Path) -> None:
    path, out = files.pcap(tmp_path / "a.pcap", whole("h264")), tmp_path / "o.pcap"
    assert damage([str(path), str(out), "--rate", "0.1", "-q"]) == 2 and not out.exists()
    assert main([str(path), str(out), "-q"]) == 2 and not out.exists()


@pytest.mark.parametrize("kind", ["pcap", "pcapng", "rtpdump", "mjr"])
def test_damaged_recordings_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    data = WRITERS[kind](tmp_path / "whole", lossy("h264")).read_bytes()
    noise, path, read_anyway = random.Random(kind), tmp_path / "hurt", 0
    for number in range(24):
        hurt = bytearray(data[: noise.randrange(1, len(data))] if number % 2 else data)
        for _ in range(0 if number % 2 else 40):
            hurt[noise.randrange(len(hurt))] = noise.randrange(256)
        path.write_bytes(hurt)
        try:
            read_anyway += bool(read(path))
        except ConcealError as error:
            assert "\n" not in str(error)
    assert read_anyway > 8
