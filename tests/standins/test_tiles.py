"""HEVC stand-ins in pictures with tiles: x265 makes none, so the picture parameter set is written here."""

from __future__ import annotations

import numpy as np
import pytest

from concealer.bitstream import BitWriter, NalUnit, escape, hevc, join_annexb
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.hevc.inter import inter_standin
from concealer.standins.hevc.lost import lost_picture_header
from concealer.standins.hevc.substreams import coding_order
from tests.media import clip, encode_bytes
from tests.standins.splicing import decode, displaced, parse


def tiled_pps(widths: list[int], heights: list[int], wavefront: bool, merge_level: int) -> NalUnit:
    """pic_parameter_set_rbsp with id 1, lossless CUs allowed; the last tile column and row follow."""
    w = BitWriter()
    w.u(hevc.NAL_PPS << 9 | 1, 16)
    w.ue(1)
    w.ue(0)
    w.u(0, 7)
    for value in (0, 0):
        w.ue(value)
    w.se(0)
    w.u(0, 3)
    w.se(0)
    w.se(0)
    w.u(0b000110 | wavefront, 6)
    w.ue(len(widths))
    w.ue(len(heights))
    w.flag(False)
    for size in widths + heights:
        w.ue(size - 1)
    w.flag(True)
    w.flag(False)
    w.flag(True)
    w.u(0b01, 2)
    w.u(0, 1)
    w.u(0, 1)
    w.ue(merge_level - 2)
    w.u(0, 2)
    return NalUnit(escape(w.aligned()))


LAYOUTS = [([5, 7], [4], 2), ([11], [1, 1, 3], 2), ([1, 1], [9], 4), ([], [6], 2)]


@pytest.mark.parametrize(("widths", "heights", "merge_level"), LAYOUTS)
def test_motion_in_tiles(widths: list[int], heights: list[int], merge_level: int) -> None:
    stream = encode_bytes(clip(2, 352, 288), "hevc", slices=1, extra={"ctu": 16, "no-deblock": 1, "no-sao": 1})
    aus, (planes, _, _) = parse(stream, "hevc"), decode(stream, "hevc")
    like = aus[0].slices[0].header
    assert isinstance(like, hevc.SliceHeader)
    pps_nal = tiled_pps(widths, heights, False, merge_level)
    header = lost_picture_header(like, 1, [0])
    assert header is not None
    header.pps = hevc.parse_pps(pps_nal)
    assert header.pps.tiles and header.pps.transquant_bypass
    header.slice_qp_delta, header.weights = 0, None
    header.deblocking_disabled, header.loop_filter_across_slices = True, False
    order = coding_order(header.sps, header.pps)
    rng = np.random.default_rng(3)
    coarse = rng.integers(-5, 6, (1, 12, 15, 2)) * 8
    motion = coarse.repeat(3, 1).repeat(3, 2)[:, :36, :44].astype(np.int16)
    for cuts in ([0, order.size], [0, order.size // 3, order.size // 2, order.size]):
        slices = []
        for first, end in zip(cuts, cuts[1:], strict=False):
            for part in order.legal_ranges(first, end):
                slices.append(inter_standin(header, *part, motion, smallest=8))
        got, complaints, _ = decode(join_annexb([*aus[0].nals, pps_nal, *slices]), "hevc")
        assert not complaints
        expected = displaced(planes[0][0], (motion[0] // 4).astype(np.int16), 8)
        assert np.array_equal(got[1][0], expected)

    header.pps = hevc.parse_pps(tiled_pps(widths, heights, True, merge_level))
    with pytest.raises(UnsupportedStandInError, match="wavefront"):
        inter_standin(header, 0, order.size, motion)
