"""MPEG-TS as it is broadcast and recorded: nothing of it is lost for want of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from concealer.bitstream.transport import codec_of
from pipelines import EncoderSettings, Settings, conceal_file
from tests.media import clip, decode_luma, encode_file
from tests.pipelines import transport_streams as ts
from tests.pipelines.files import packets_of, picture_times

FAST = EncoderSettings(preset="ultrafast")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pictures with B-pictures and sound, an IDR picture at every twelfth."""
    path = tmp_path_factory.mktemp("ts") / "plain.ts"
    return encode_file(path, clip(48), bframes=2, gop=12, audio=True)


def _tables_lost(data: bytes) -> bytes:
    return ts.without(data, {ts.PAT, ts.PMT})


def _tables_late(data: bytes) -> bytes:
    return ts.without(data, {ts.PAT, ts.PMT}, until=0.5)


def _association_damaged(data: bytes) -> bytes:
    """One bit of the second PAT, in the PID of the map: which becomes that of the video."""
    found = [at for at in range(0, len(data), ts.PACKET) if ts.pid_of(data[at : at + ts.PACKET]) == ts.PAT]
    at = found[1] + 5 + 10
    return data[:at] + bytes((data[at] ^ 0x11, data[at + 1])) + data[at + 2 :]


def _map_in_two_packets(data: bytes) -> bytes:
    words = b"\x05\xfewords" + bytes(248)

    def longer(number: int, section: bytes) -> bytes:
        info = (section[10] & 0x0F) << 8 | section[11]
        length = (0xF000 | info + len(words)).to_bytes(2, "big")
        return ts.with_crc(section[:10] + length + section[12 : 12 + info] + words[:1] + bytes((len(words) - 2,))
                           + words[2:] + section[12 + info :])  # fmt: skip

    return ts.with_maps(data, longer)


def _other_table_first(data: bytes) -> bytes:
    private = ts.with_crc(b"\xc0\xb0\x00\x00\x01\xc1\x00\x00" + b"private" + bytes(4))
    return ts.with_maps(data, lambda number, section: private + section)


KINDS = [_tables_lost, _tables_late, _association_damaged, _map_in_two_packets, _other_table_first]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encode", [False, True])
def test_no_picture_and_no_sound_is_lost_for_want_of_a_table(
    plain: Path, tmp_path: Path, kind: Callable[[bytes], bytes], encode: bool
) -> None:
    source, out = tmp_path / "in.ts", tmp_path / "out.ts"
    source.write_bytes(kind(plain.read_bytes()))
    result = conceal_file(source, out, Settings(encoder=FAST, always_encode=encode))
    assert (result.pictures, result.damaged_pictures) == (48, 0)
    assert result.action == ("encoded" if encode else "copied")
    assert len(decode_luma(out)) == 48
    assert picture_times(out) == pytest.approx(picture_times(plain), abs=1e-3)
    assert packets_of(out, "audio") == packets_of(plain, "audio")


@pytest.mark.parametrize("encode", [False, True])
@pytest.mark.parametrize("late", [0, 2])
def test_a_stream_that_moves_to_another_pid_goes_on(plain: Path, tmp_path: Path, encode: bool, late: int) -> None:
    source, out = tmp_path / "in.ts", tmp_path / "out.mp4"
    data = ts.moved(plain.read_bytes(), 0.4, 0x100, 0x150, late)
    source.write_bytes(ts.moved(data, 0.7, 0x101, 0x151, late))
    result = conceal_file(source, out, Settings(encoder=FAST, always_encode=encode))
    assert (result.pictures, result.damaged_pictures) == (48, 0)
    assert len(decode_luma(out)) == 48
    assert len(packets_of(out, "audio")) == len(packets_of(plain, "audio"))
    with av.open(str(out)) as opened:
        assert [stream.type for stream in opened.streams] == ["video", "audio"]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("lie", [0x02, 0x10, 0x1B, 0x24, 0x80])
def test_a_stream_is_what_its_bytes_say(media: Path, tmp_path: Path, codec: str, lie: int) -> None:
    """MPEG-2, MPEG-4, H.264, HEVC and private in the map, whatever the stream is."""
    source, out = tmp_path / "in.ts", tmp_path / "out.ts"

    def change(number: int, section: bytes) -> bytes:
        at = section.find((0xE000 | ts.VIDEO).to_bytes(2, "big"), 12)
        return ts.with_crc(section[: at - 1] + bytes((lie,)) + section[at:])

    source.write_bytes(ts.with_maps((media / f"{codec}.ts").read_bytes(), change))
    result = conceal_file(source, out)
    assert (result.pictures, result.action, result.exact) == (24, "copied", True)
    assert len(decode_luma(out)) == 24


def test_other_codecs_are_not_taken_for_h264_or_hevc() -> None:
    sequence = b"\0\0\1\xb3\x0b\x00\x90" + b"\0\0\1\x00\x00\x0f"
    slices = b"".join(b"\0\0\1" + bytes((row, 0x22, 0x33)) for row in range(1, 0x60))
    assert codec_of(sequence + slices) is None  # MPEG-2, whose slices bear the numbers of NAL unit types
    assert codec_of(b"\0\0\1\x0f\x11\x22" + b"\0\0\1\x0e\x11\x22" + b"\0\0\1\x0d\x11") is None  # VC-1
    assert codec_of(b"") is None
