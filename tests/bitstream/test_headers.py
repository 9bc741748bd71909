"""Headers, boundaries and order against what encoders were asked for and decoders put out."""

from __future__ import annotations

import numpy as np
import pytest

from concealer.bitstream import Codec, h264, hevc
from concealer.bitstream.bits import BitstreamError
from concealer.bitstream.nal import NalUnit, join_annexb
from tests.bitstream.streams import decoded_frames, display_ranks, encoded, parsed

CASES: list[tuple[Codec, dict[str, object]]] = [
    ("h264", {}),
    ("h264", {"slices": 4}),
    ("h264", {"bframes": 3, "gop": 6, "extra": "b-pyramid=normal:open-gop=1", "frames": 20}),
    ("h264", {"bframes": 2, "gop": 5, "extra": "weightp=2:weightb=1", "frames": 16}),
    ("h264", {"extra": "cabac=0:slice-max-size=300"}),
    ("h264", {"extra": "tff=1", "bframes": 2, "height": 160, "slices": 2}),
    ("h264", {"extra": "fake-interlaced=1", "height": 160}),
    ("h264", {"pix_fmt": "yuv420p10le", "bframes": 2}),
    ("h264", {"pix_fmt": "yuv422p", "slices": 2}),
    ("h264", {"pix_fmt": "yuv444p", "slices": 2, "extra": "cqm=jvt"}),
    ("h264", {"pix_fmt": "gray"}),
    ("h264", {"extra": "ref=4:mixed-refs=1:keyint=4", "frames": 16, "width": 200, "height": 120}),
    ("hevc", {}),
    ("hevc", {"slices": 3, "height": 208}),
    ("hevc", {"bframes": 4, "gop": 8, "extra": "b-pyramid=1:open-gop=1", "frames": 24}),
    ("hevc", {"bframes": 3, "gop": 8, "extra": "open-gop=0:radl=2", "frames": 24}),
    ("hevc", {"extra": "wpp=0:weightp=1:no-deblock=1"}),
    ("hevc", {"extra": "ctu=16:min-cu-size=8:scaling-list=default:amp=1:rect=1"}),
    ("hevc", {"pix_fmt": "yuv420p10le", "bframes": 2}),
    ("hevc", {"pix_fmt": "yuv422p10le"}),
    ("hevc", {"pix_fmt": "yuv444p", "extra": "cbqpoffs=2:crqpoffs=-2:hrd=1:vbv-maxrate=500:vbv-bufsize=500"}),
]


@pytest.mark.parametrize(("codec", "options"), CASES, ids=lambda value: str(value))
def test_every_picture_is_found_whole_and_in_order(codec: Codec, options: dict[str, object]) -> None:
    stream = encoded(codec, **options)  # type: ignore[arg-type]
    aus = parsed(codec, stream)
    assert len(aus) == options.get("frames", 12) == decoded_frames(codec, stream)
    assert all(piece.header is not None for au in aus for piece in au.slices)
    assert all(au.coverage.is_intact and au.coverage.reliable for au in aus)
    assert not any(au.missing_before for au in aus)
    ranks = display_ranks(codec, stream)
    assert list(np.argsort(np.argsort([au.order for au in aus]))) == ranks
    assert len({au.order for au in aus}) == len(aus)
    joined = b"".join(nal.data for au in aus for nal in au.nals)
    assert len(joined) > 0.95 * (len(stream) - 4 * sum(len(au.nals) for au in aus))


def test_h264_fields_of_the_header() -> None:
    aus = parsed("h264", encoded("h264", slices=4, bframes=2, gop=6, frames=13))
    sps, pps = aus[0].sps, aus[0].pps
    assert isinstance(sps, h264.Sps)
    assert isinstance(pps, h264.Pps)
    assert (sps.width_mbs, sps.height_mbs, sps.chroma_format_idc, pps.cabac) == (11, 9, 1, True)
    assert (aus[0].width, aus[0].height, aus[0].cols, aus[0].rows, aus[0].unit) == (176, 144, 11, 9, 16)
    assert [au.is_idr for au in aus] == [au.poc == 0 for au in aus]
    assert sum(au.is_idr for au in aus) == 3
    assert {au.kind for au in aus} == {"I", "P", "B"}
    assert [piece.first for piece in aus[3].slices] == [0, 22, 55, 77]
    assert all(au.is_reference for au in aus if au.kind != "B")


def test_h264_cropping_and_depth() -> None:
    au = parsed("h264", encoded("h264", pix_fmt="yuv422p10le", width=200, height=120))[0]
    assert isinstance(au.sps, h264.Sps)
    assert (au.width, au.height) == (208, 128)
    assert au.sps.crop == (0, 4, 0, 8)
    assert (au.sps.bit_depth_luma, au.sps.chroma_format_idc) == (10, 2)


def test_h264_mbaff_addresses_count_pairs() -> None:
    aus = parsed("h264", encoded("h264", extra="tff=1", slices=2, bframes=2, height=160))
    assert {au.interlaced for au in aus} == {"mbaff"}
    assert all(au.slices[1].first == 6 * 11 for au in aus)


def test_h264_packet_sized_slices_start_inside_rows() -> None:
    aus = parsed("h264", encoded("h264", extra="cabac=0:slice-max-size=300"))
    starts = [piece.first for au in aus for piece in au.slices]
    assert any(start is not None and start % 11 for start in starts)
    assert all(len(piece.nal.data) <= 300 for au in aus for piece in au.slices)


def test_hevc_fields_of_the_header() -> None:
    aus = parsed("hevc", encoded("hevc", slices=3, height=208, bframes=3, gop=8, frames=17))
    sps = aus[0].sps
    assert isinstance(sps, hevc.Sps)
    assert (sps.width, sps.height, 1 << sps.log2_ctb) == (176, 208, 64)
    assert (aus[0].cols, aus[0].rows, aus[0].unit) == (3, 4, 64)
    assert all(len(au.slices) == 3 for au in aus)
    assert all(au.slices[0].first == 0 and (au.slices[1].first or 0) % 3 == 0 for au in aus)
    header = aus[1].slices[0].header
    assert isinstance(header, hevc.SliceHeader)
    assert header.short_term_rps.negative[0][0] < 0


def test_hevc_leading_pictures_of_an_open_gop() -> None:
    stream = encoded("hevc", bframes=4, gop=8, extra="b-pyramid=1:open-gop=1", frames=24)
    aus = parsed("hevc", stream)
    cra = next(index for index, au in enumerate(aus) if au.is_irap and not au.is_idr)
    assert any(au.is_rasl for au in aus[cra:])
    assert not any(au.rasl_skipped for au in aus)
    # Joining at the CRA: its RASL pictures cannot be decoded, and nothing counts as missing.
    sets = [nal for nal in aus[0].nals if 32 <= nal.data[0] >> 1 & 63 <= 34]
    joined = parsed("hevc", join_annexb([*sets, *(nal for au in aus[cra:] for nal in au.nals)]))
    first_group = next(index for index, au in enumerate(joined) if index and au.is_irap)
    assert any(au.is_rasl for au in joined[:first_group])
    assert all(au.rasl_skipped == au.is_rasl for au in joined[:first_group])
    assert not any(au.rasl_skipped for au in joined[first_group:])
    assert not any(au.missing_before for au in joined)


def test_slice_header_errors_are_the_documented_kind() -> None:
    au = parsed("h264", encoded("h264"))[1]
    assert isinstance(au.sps, h264.Sps)
    assert isinstance(au.pps, h264.Pps)
    nal = au.slices[0].nal
    with pytest.raises(BitstreamError, match="never received"):
        h264.parse_slice_header(nal, {}, {})
    with pytest.raises(BitstreamError):
        h264.parse_slice_header(NalUnit(nal.data[:2]), {au.sps.id: au.sps}, {au.pps.id: au.pps})


def test_headers_alike_are_read_alike() -> None:
    for codec in ("h264", "hevc"):
        module = h264 if codec == "h264" else hevc
        aus = parsed(codec, encoded(codec, slices=3, height=208, bframes=2))  # type: ignore[arg-type]
        for au in aus:
            assert au.sps is not None
            assert au.pps is not None
            for piece in au.slices:
                fresh = module.parse_slice_header(piece.nal, {au.sps.id: au.sps}, {au.pps.id: au.pps})  # type: ignore
                assert fresh == piece.header
