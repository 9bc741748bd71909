"""Several programmes stay programmes where a transport stream becomes a transport stream."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from concealer.bitstream.transport import ContinuityChecker
from pipelines import EncoderSettings, Settings, conceal_file
from tests.media import clip, decode_luma, encode_file
from tests.pipelines import transport_streams as ts

SECOND_MAP = 0x1234
FAST = EncoderSettings(preset="ultrafast")


def _with_second(first: bytes, second: bytes) -> bytes:
    """Two transport streams in turns, of which each becomes a programme of its own: numbers 7 and 9."""
    others = []
    for packet in ts.packets(second):
        pid = {ts.PMT: SECOND_MAP, ts.VIDEO: 0x200, 0x101: 0x201}.get(ts.pid_of(packet))
        if pid is None:
            continue
        if pid == SECOND_MAP:
            section = ts.section_of(packet)
            for old, new in ((ts.VIDEO, 0x200), (0x101, 0x201)):
                section = section.replace((0xE000 | old).to_bytes(2, "big"), (0xE000 | new).to_bytes(2, "big"))
            counter = packet[3] & 15
            packet = ts.packed(SECOND_MAP, ts.with_crc(section[:3] + b"\0\x09" + section[5:]), counter)
        others.append(ts.with_pid(packet, pid))
    out = []
    for place, packet in enumerate(ts.packets(first)):
        if ts.pid_of(packet) == ts.PAT:
            section = ts.section_of(packet)
            entries = (
                b"\0\x07" + (0xE000 | ts.PMT).to_bytes(2, "big") + b"\0\x09" + (0xE000 | SECOND_MAP).to_bytes(2, "big")
            )
            packet = ts.packed(ts.PAT, ts.with_crc(section[:8] + entries + bytes(4)), packet[3] & 15)
        elif ts.pid_of(packet) == ts.PMT:
            section = ts.section_of(packet)
            packet = ts.packed(ts.PMT, ts.with_crc(section[:3] + b"\0\x07" + section[5:]), packet[3] & 15)
        out += [packet, *others[place : place + 1]]
    return b"".join(out + others[len(list(ts.packets(first))) :])


@pytest.mark.parametrize("way", ["copy", "repair", "splice"])
def test_programmes_stay_programmes(tmp_path: Path, way: str) -> None:
    for name, size in (("first", (176, 144)), ("second", (208, 160))):
        encode_file(tmp_path / f"{name}.ts", clip(24, *size), bframes=2, gop=12, audio=True)
    source, out = tmp_path / "in.ts", tmp_path / "out.ts"
    source.write_bytes(_with_second((tmp_path / "first.ts").read_bytes(), (tmp_path / "second.ts").read_bytes()))
    settings = Settings(encoder=FAST, always_encode=way == "repair", output="splice" if way == "splice" else "auto")
    result = conceal_file(source, out, settings)
    assert (result.pictures, result.damaged_pictures, result.dropped) == (48, 0, [])
    checker = ContinuityChecker()
    checker.push(out.read_bytes())
    assert {number: set(pids) for number, pids in checker.programmes.items()} == {7: {0x100, 0x101}, 9: {0x200, 0x201}}
    assert checker.losses == 0
    with av.open(str(out)) as opened:
        assert sorted(stream.id for stream in opened.streams) == [0x100, 0x101, 0x200, 0x201]
        assert sum(1 for _ in opened.decode(opened.streams.video[1])) == 24
    assert len(decode_luma(out)) == 24
