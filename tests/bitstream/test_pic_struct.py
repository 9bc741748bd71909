"""Which fields of a picture are shown how often, as picture timing messages tell."""

from __future__ import annotations

import pytest

from concealer.bitstream import (
    AccessUnit,
    BitReader,
    NalUnit,
    PicStruct,
    escape,
    h264,
    join_annexb,
    pic_struct_of,
    unescape,
)
from concealer.decoder import ConcealingDecoder
from tests.media import clip, encode_bytes
from tests.standins.splicing import parse

STREAMS: dict[str, tuple[PicStruct | None, dict[str, str | int]]] = {
    "frames": (PicStruct.FRAME, {"pic-struct": 1}),
    "nothing told": (None, {"pic-struct": 0}),
    "top first": (PicStruct.TOP_BOTTOM, {"tff": 1}),
    "bottom first, with delays": (
        PicStruct.BOTTOM_TOP,
        {"bff": 1, "nal-hrd": "vbr", "vbv-maxrate": 900, "vbv-bufsize": 900},
    ),
    "top first, all of the VUI": (
        PicStruct.TOP_BOTTOM,
        {"tff": 1, "overscan": "show", "colorprim": "bt709", "chromaloc": 1, "sar": "77/78", "videoformat": "pal"},
    ),
}


def coded(name: str) -> list[AccessUnit]:
    return parse(encode_bytes(clip(6, 176, 160), "h264", slices=2, extra=STREAMS[name][1]), "h264")


def with_pic_struct(nal: NalUnit, sps: h264.Sps, value: PicStruct) -> NalUnit:
    """A unit of one picture timing message, which says something else."""
    data = unescape(nal.data)
    bits = BitReader(data).bits
    start = 8 * 3 + sps.delay_bits
    made = bits[:start] + f"{value:04b}" + bits[start + 4 :]
    return NalUnit(escape(int(made, 2).to_bytes(len(data), "big")))


def telling(units: list[AccessUnit], values: list[PicStruct]) -> list[bytes]:
    """Payloads of the stream with other values."""
    payloads = []
    for unit, value in zip(units, values, strict=True):
        assert isinstance(unit.sps, h264.Sps)
        timing = {id(nal) for nal in unit.nals if nal.data[:2] == b"\x06\x01"}
        assert len(timing) == 1
        sps = unit.sps
        payloads.append(
            join_annexb(with_pic_struct(nal, sps, value) if id(nal) in timing else nal for nal in unit.nals)
        )
    return payloads


@pytest.mark.parametrize("name", list(STREAMS))
def test_it_is_read_behind_whatever_the_vui_holds(name: str) -> None:
    assert {pic_struct_of(unit) for unit in coded(name)} == {STREAMS[name][0]}


def test_a_vui_that_breaks_off_is_no_error() -> None:
    (unit,) = parse(encode_bytes(clip(1, 176, 160), "h264", extra={"tff": 1}), "h264")
    nal = next(nal for nal in unit.nals if nal.data[0] & 31 == h264.NAL_SPS)
    whole = h264.parse_sps(nal)
    cut = h264.parse_sps(NalUnit(nal.data[:-3]))
    assert whole.pic_struct_present and not cut.pic_struct_present
    assert (cut.width_mbs, cut.height_mbs) == (whole.width_mbs, whole.height_mbs)


@pytest.mark.parametrize("name", ["top first", "bottom first, with delays"])
def test_pulldown_is_told_with_the_picture(name: str) -> None:
    units = coded(name)
    values = [PicStruct.TOP_BOTTOM_TOP, PicStruct.BOTTOM_TOP, PicStruct.BOTTOM_TOP_BOTTOM, PicStruct.TOP_BOTTOM]
    values += [PicStruct.FRAME_DOUBLING, PicStruct.FRAME_TRIPLING]
    decoder = ConcealingDecoder("h264", container_framed=True)
    pictures = [p for n, payload in enumerate(telling(units, values)) for p in decoder.decode(payload, pts=n)]
    pictures += decoder.flush()
    decoder.close()
    assert [picture.pic_struct for picture in pictures] == values
    assert [value.fields for value in values] == [3, 2, 3, 2, 4, 6]
    assert [value.repeats_first_field for value in values] == [True, False, True, False, False, False]
