"""Interlaced H.264 for tests: MBAFF by x264, and field pairs, which it does not code, written slice by slice."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from functools import cache

import av
import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, BitstreamError, NalUnit, escape, h264, join_annexb, unescape
from concealer.standins import h264 as writers
from tests.decoder.streams import access_units
from tests.media import Rgb, clip, encode_bytes

WIDTH, HEIGHT, PICTURES = 96, 96, 8
PER_FIELD = 18
"""Macroblocks."""
SLICES = ((0, 6), (6, 12), (12, 18))
"""Of a field: [first, end) of each."""


def woven(count: int, width: int, height: int, bottom_first: bool = False) -> list[Rgb]:
    """Pictures whose two fields show two moments."""
    moments = clip(2 * count, width, height)
    pictures = []
    for first, second in zip(moments[::2], moments[1::2], strict=True):
        picture = first.copy()
        late = 0 if bottom_first else 1
        picture[late::2] = second[late::2]
        pictures.append(picture)
    return pictures


@cache
def mbaff(slices: int = 3, bframes: int = 0, gop: int = 250) -> list[AccessUnit]:
    """x264's, bottom field first, as it does where frames do not say otherwise."""
    frames = woven(12, 176, 160, bottom_first=True)
    data = encode_bytes(frames, "h264", slices=slices, bframes=bframes, gop=gop, extra={"bff": 1})
    return access_units(data, "h264")


@cache
def paff(
    bottom_first: bool = False, still: bool = False, cabac: bool = True, bframes: bool = False
) -> list[AccessUnit]:
    """Field pairs, three slices a field, I_PCM macroblocks but in the second field of every other pair: that one
    repeats the first. bframes: every other pair in output order is a B picture that repeats the mean of those around,
    and the fields of the others are all I_PCM."""
    extra = {"interlaced": 1, "bff": 1, "ref": 1 + bframes, "cabac": int(cabac)}
    like = access_units(encode_bytes(clip(4, WIDTH, HEIGHT), "h264", bframes=int(bframes), extra=extra), "h264")[0]
    header = like.slices[0].header
    assert isinstance(header, h264.SliceHeader)
    sets = [nal for nal in like.nals if nal.data[0] & 31 in (h264.NAL_SPS, h264.NAL_PPS)]
    moments = woven(PICTURES, WIDTH, HEIGHT, bottom_first)
    pictures = [moments[0]] * PICTURES if still else moments
    orders = [0, *(order for last in range(2, PICTURES, 2) for order in (last, last - 1))]
    # A B picture counts as the reference picture behind it will.
    kinds = [(order, order // 2 + 2 * (order % 2), order % 2 == 1) for order in orders]
    pairs = kinds if bframes else [(number, number, False) for number in range(PICTURES)]
    written = b"".join(
        join_annexb(
            [*(sets if not order else ()), *_pair(header, order, frame_num, is_b, pictures[order], bottom_first)]
        )
        for order, frame_num, is_b in pairs
    )
    return access_units(written, "h264")


@cache
def in_turns(mbaff_frames: bool, cabac: bool = True) -> list[AccessUnit]:
    """Field pairs, and between them MBAFF or progressive frames of three slices; all I_PCM but every fourth picture,
    which repeats the one before."""
    extra = {"interlaced": 1, "bff": 0, "tff": 1, "ref": 2, "cabac": int(cabac)}
    like = access_units(encode_bytes(clip(2, WIDTH, HEIGHT), "h264", extra=extra), "h264")[0]
    header = like.slices[0].header
    assert isinstance(header, h264.SliceHeader)
    sets = [nal for nal in like.nals if nal.data[0] & 31 in (h264.NAL_SPS, h264.NAL_PPS)]
    if not mbaff_frames:
        sets[0] = _without_mbaff(sets[0])
        header = copy.copy(header)
        header.sps = h264.parse_sps(sets[0])
    moments = woven(PICTURES, WIDTH, HEIGHT)
    written = b""
    for number, picture in enumerate(moments):
        if number % 2 == 0:
            nals = _pair(header, number, number, False, picture, False)
        else:
            own = writers.lost_picture_header(header, number, 2 * number, True)
            own.delta_poc_bottom = 1
            nals = []
            for first, end in ((0, 12), (12, 24), (24, 36)):
                if number % 4 == 3:
                    nals.append(writers.inter_standin(own, first, end))
                else:
                    nals.append(writers.pcm_standin(own, first, end, _planes(picture)))
        written += join_annexb([*(sets if not number else ()), *nals])
    return access_units(written, "h264")


def _without_mbaff(sps: NalUnit) -> NalUnit:
    """The set without mb_adaptive_frame_field_flag, the one bit that says so."""
    whole, wanted = unescape(sps.data), h264.parse_sps(sps)
    wanted.mb_adaptive_frame_field = False
    for place in range(8 * 4, 8 * len(whole)):
        data = bytearray(whole)
        data[place // 8] ^= 0x80 >> place % 8
        made = NalUnit(escape(bytes(data)))
        with contextlib.suppress(BitstreamError):
            found = h264.parse_sps(made)
            wanted.nal = found.nal
            if found == wanted:
                return made
    raise AssertionError


def _planes(picture: Rgb) -> list[npt.NDArray[np.uint8]]:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p").to_ndarray()
    chroma = frame[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    return [frame[:HEIGHT], chroma[0], chroma[1]]


def _pair(
    like: h264.SliceHeader, order: int, frame_num: int, is_b: bool, picture: Rgb, bottom_first: bool
) -> list[NalUnit]:
    planes = _planes(picture)
    nals = []
    for second in (False, True):
        own = _field_header(like, order, frame_num, second, bottom_first)
        if is_b:
            own.slice_type, own.nal_ref_idc, own.num_ref_idx = h264.B, 0, (1, 1)
        parity = int(own.bottom_field)
        for first, end in SLICES:
            if is_b or (second and order == frame_num and order % 2):
                nals.append(writers.inter_standin(own, first, end))
            else:
                nals.append(writers.pcm_standin(own, first, end, [plane[parity::2] for plane in planes]))
    return nals


def _field_header(
    like: h264.SliceHeader, order: int, frame_num: int, second: bool, bottom_first: bool
) -> h264.SliceHeader:
    if order or second:
        own = writers.lost_picture_header(like, frame_num, 0, True)
    else:
        own = copy.copy(like)
        own.nal_unit_type, own.nal_ref_idc, own.slice_type, own.marking = h264.NAL_IDR, 3, h264.I, None
    own.field_pic, own.bottom_field = True, second != bottom_first
    own.poc_lsb, own.delta_poc_bottom = (2 * order + second) % (1 << own.sps.log2_max_poc_lsb), 0
    return own


def without(unit: AccessUnit, lost: Sequence[int]) -> bytes:
    """The payload of an access unit without these slices."""
    gone = {id(unit.slices[number].nal) for number in lost}
    return join_annexb(nal for nal in unit.nals if id(nal) not in gone)
