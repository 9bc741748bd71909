"""MPEG-TS as it is broadcast and recorded: nothing of it is lost for want of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

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
