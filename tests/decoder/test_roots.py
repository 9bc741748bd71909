"""Pictures shown before the one that decoding began with: which of them lack what they are predicted from."""

from __future__ import annotations

from pathlib import Path

from concealer.bitstream import AccessUnit, Codec, StreamParser, join_annexb
from concealer.front_door import open_decoder
from tests.media import clip, encode_bytes


def _causes(units: list[AccessUnit], codec: Codec) -> list[tuple[str, ...]]:
    decoder = open_decoder(codec, container_framed=True)
    pictures = [p for n, unit in enumerate(units) for p in decoder.decode(join_annexb(unit.nals), pts=n)]
    pictures += decoder.flush()
    decoder.close()
    assert len(pictures) == len(units)
    return [picture.damage.causes for picture in sorted(pictures, key=lambda p: p.index)]


def test_leading_pictures_that_can_be_decoded_lack_nothing() -> None:
    data = encode_bytes(clip(24), "hevc", bframes=3, gop=10, extra={"open-gop": 0, "radl": 2})
    parser = StreamParser("hevc")
    units = parser.push(data) + parser.flush()
    start = next(n for n, unit in enumerate(units) if n and unit.is_irap)
    joined = units[start:]
    assert any(unit.order < joined[0].order for unit in joined), "no leading picture"
    assert not any(_causes(joined, "hevc"))


def test_nothing_lacks_behind_a_second_idr_picture(shared_data: Path) -> None:
    """Its B pictures are shown before both IDR pictures, and are predicted from the second."""
    data = (shared_data / "damaged_streams" / "Cisco_Men_whisper_640x320_CABAC_Bframe_9.264").read_bytes()
    parser = StreamParser("h264")
    assert not any(_causes(parser.push(data) + parser.flush(), "h264"))


def test_leading_pictures_of_a_stream_cut_at_a_recovery_point_lack_their_references() -> None:
    data = encode_bytes(clip(24), "h264", bframes=3, gop=10, extra={"open-gop": 1, "b-adapt": 0})
    parser = StreamParser("h264")
    units = parser.push(data) + parser.flush()
    start = next(n for n, unit in enumerate(units) if n and unit.kind == "I" and not unit.is_idr)
    joined = units[start:]
    causes = _causes(joined, "h264")
    for unit, told in zip(joined, causes, strict=True):
        assert bool(told) == (unit.order < joined[0].order)
