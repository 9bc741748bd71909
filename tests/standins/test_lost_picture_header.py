"""Whole lost pictures, written anew: skipped or with motion."""

from __future__ import annotations

import numpy as np
import pytest

from concealer.bitstream import h264, hevc, join_annexb
from concealer.standins import h264 as h264_standins
from concealer.standins import hevc as hevc_standins
from tests.media import clip, encode_bytes
from tests.standins.splicing import decode, displaced, parse


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("cabac", [0, 1])
@pytest.mark.parametrize("lost", [1, 4])
def test_h264(moves: bool, cabac: int, lost: int) -> None:
    extra = {"cabac": cabac, "ref": 3, "no-deblock": 1}
    stream = encode_bytes(clip(8, 352, 288), "h264", slices=2, preset="medium", extra=extra)
    aus, (planes, _, _) = parse(stream, "h264"), decode(stream, "h264")
    like = aus[lost - 1].slices[0].header
    poc, frame_num = aus[lost].poc, aus[lost].frame_num
    assert isinstance(like, h264.SliceHeader) and poc is not None and frame_num is not None
    header = h264_standins.lost_picture_header(like, frame_num, poc, is_reference=True)
    motion = np.full((1, 18, 22, 2), (16, -8), np.int16) if moves else None
    stand_in = h264_standins.inter_standin(header, 0, 18 * 22, motion)
    nals = [[stand_in] if i == lost else au.nals for i, au in enumerate(aus)]
    got, complaints, _ = decode(join_annexb(nal for group in nals for nal in group), "h264")
    assert not complaints
    assert len(got) == len(planes)
    vectors = np.full((18, 22, 2), (4, -2) if moves else (0, 0), np.int16)
    assert np.array_equal(got[lost][0], displaced(planes[lost - 1][0], vectors, 16))


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("lost", [1, 4])
def test_hevc(moves: bool, lost: int) -> None:
    extra = {"ref": 3, "no-deblock": 1, "no-sao": 1, "ctu": 32}
    stream = encode_bytes(clip(8, 352, 288), "hevc", slices=3, extra=extra)
    aus, (planes, _, _) = parse(stream, "hevc"), decode(stream, "hevc")
    like = aus[lost - 1].slices[0].header
    assert isinstance(like, hevc.SliceHeader)
    references = range(max(0, lost - 3), lost)
    header = hevc_standins.lost_picture_header(like, lost, references)
    assert header is not None
    assert hevc_standins.lost_picture_header(like, lost, ()) is None
    motion = np.full((1, 36, 44, 2), (16, -8), np.int16) if moves else None
    stand_in = hevc_standins.inter_standin(header, 0, aus[lost].rows * aus[lost].cols, motion)
    nals = [[stand_in] if i == lost else au.nals for i, au in enumerate(aus)]
    got, complaints, _ = decode(join_annexb(nal for group in nals for nal in group), "hevc")
    assert not complaints
    assert len(got) == len(planes)
    vectors = np.full((18, 22, 2), (4, -2) if moves else (0, 0), np.int16)
    assert np.array_equal(got[lost][0], displaced(planes[lost - 1][0], vectors, 16))
