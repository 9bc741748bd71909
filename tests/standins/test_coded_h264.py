"""H.264 stand-ins with motion and residual, told right from wrong by decoding them."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import AccessUnit, h264
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.h264.coded import BOTH, InterBlocks, coded_header, coded_standin
from concealer.standins.h264.intra import intra_standin
from concealer.standins.h264.limits import BitBudget
from concealer.standins.h264.pps_copy import with_cavlc
from concealer.standins.h264.transform import Quantiser, Residual, transformed, weights
from tests.media import clip, encode_bytes
from tests.standins.splicing import Planes, decode, output_index, parse, replaced

_PLAIN = {"b-pyramid": "none"}
CLIPS = {
    "P CABAC": dict(extra=_PLAIN),
    "P CAVLC": dict(extra={**_PLAIN, "cabac": 0}),
    "B CABAC": dict(bframes=2, extra=_PLAIN),
    "B CAVLC": dict(bframes=2, extra={**_PLAIN, "cabac": 0}),
    "P CABAC baseline transform": dict(extra={**_PLAIN, "8x8dct": 0, "weightp": 0}),
    "P CABAC scaling lists": dict(extra={**_PLAIN, "cqm": "jvt"}),
    "B CAVLC 10 bit": dict(bframes=2, pix_fmt="yuv420p10le", extra={**_PLAIN, "cabac": 0}),
    "P CABAC 10 bit": dict(pix_fmt="yuv420p10le", extra=_PLAIN),
    "P CABAC monochrome": dict(pix_fmt="gray", extra=_PLAIN),
    "P CAVLC monochrome": dict(pix_fmt="gray", extra={**_PLAIN, "cabac": 0}),
    "P CABAC chroma offset": dict(extra={**_PLAIN, "chroma-qp-offset": -4}),
}


@cache
def encoded(name: str) -> tuple[list[AccessUnit], list[Planes]]:
    stream = encode_bytes(clip(7, 352, 288, seed=2), "h264", slices=4, crf=22, preset="medium", **CLIPS[name])  # type: ignore[arg-type]
    planes, complaints, _ = decode(stream, "h264")
    assert not complaints
    return parse(stream, "h264"), planes


def victim(aus: list[AccessUnit]) -> tuple[int, h264.SliceHeader, int, int]:
    """(access unit, header, first, end) of the second slice of an inter picture, B if there is one."""
    index = next((i for i, au in enumerate(aus[2:], 2) if au.kind == "B"), 4)
    header = aus[index].slices[1].header
    assert isinstance(header, h264.SliceHeader)
    first, end = (piece.first or 0 for piece in aus[index].slices[1:3])
    return index, header, first, end


def blocks_of(planes: Planes, au: AccessUnit, first: int, end: int) -> list[npt.NDArray[np.int32]]:
    found = []
    header = au.slices[0].header
    assert isinstance(header, h264.SliceHeader)
    # The decoder makes up grey chroma for monochrome streams.
    for number, plane in enumerate(planes[: 3 if header.sps.chroma_array_type else 1]):
        side = 8 if number else 16
        cells = plane.reshape(au.rows, side, au.cols, side).transpose(0, 2, 1, 3).reshape(-1, side, side)
        found.append(cells[first:end])
    return found


Samples = list[npt.NDArray[np.int32]]


def with_standin(name: str, seed: int, qp: int) -> tuple[Samples, Samples, list[str]]:
    """(wanted, got, complaints) of a stand-in with random motion whose residual leads to the clean picture."""
    aus, planes = encoded(name)
    index, sibling, first, end = victim(aus)
    au = aus[index]
    place = output_index(aus, index)
    is_b = au.kind == "B"
    header = coded_header(sibling, first, end, h264.B if is_b else h264.P, qp)
    rng = np.random.default_rng(seed)
    count = end - first
    modes = rng.integers(0, BOTH + 1, count) if is_b else np.zeros(count, np.int64)
    vectors = rng.integers(-30, 30, (2, count, 2)).astype(np.int16)
    # Stretches of equal motion, so that macroblocks are skipped in between.
    vectors[:, count // 3 : 2 * count // 3] = vectors[:, :1] if seed % 2 else 0
    blocks = InterBlocks(modes, vectors)
    plain = replaced(aus, {id(au.slices[1].nal): coded_standin(header, first, end, blocks)})
    predicted = blocks_of(decode(plain, "h264")[0][place], au, first, end)
    wanted = blocks_of(planes[place], au, first, end)
    pairs = zip(wanted, predicted, strict=True)
    blocks.residual = Quantiser(header.sps, header.pps, qp, False).inter([transformed(a - b) for a, b in pairs])
    stream = replaced(aus, {id(au.slices[1].nal): coded_standin(header, first, end, blocks)})
    got, complaints, _ = decode(stream, "h264")
    return wanted, blocks_of(got[place], au, first, end), complaints


@pytest.mark.parametrize("name", list(CLIPS))
@pytest.mark.parametrize("qp", [4, 20, 34])
def test_residual_brings_the_wanted_samples(name: str, qp: int) -> None:
    wanted, got, complaints = with_standin(name, qp, qp)
    assert not complaints
    depth = 10 if "10 bit" in name else 8
    # A step of quantisation, rounding to a third of it; deblocking by slices around reaches three rows in.
    step = 0.625 * 2 ** (qp / 6) * 2 ** (depth - 8)
    for wanted_plane, got_plane in zip(wanted, got, strict=True):
        inner = slice(44, 66)
        error = np.sqrt(np.mean((wanted_plane[inner] - got_plane[inner]) ** 2.0))
        assert error < 0.6 * step + 0.8


@pytest.mark.parametrize("name", ["P CABAC", "P CAVLC"])
def test_macroblocks_without_residual_and_own_motion_are_skipped(name: str) -> None:
    aus, _ = encoded(name)
    _, sibling, first, end = victim(aus)
    header = coded_header(sibling, first, end, h264.P, 26)
    still = InterBlocks(np.zeros(end - first, np.int64), np.zeros((2, end - first, 2), np.int16))
    assert len(coded_standin(header, first, end, still).data) < 24


def test_motion_that_skipping_would_have_is_still_coded_with_residual() -> None:
    """P_Skip gives zero motion at rest whatever the median says; with residual the difference to it counts."""
    aus, planes = encoded("P CABAC")
    index, sibling, first, end = victim(aus)
    header = coded_header(sibling, first, end, h264.P, 10)
    vectors = np.zeros((2, end - first, 2), np.int16)
    vectors[:, :] = (40, 12)
    vectors[:, ::5] = 0
    blocks = InterBlocks(np.zeros(end - first, np.int64), vectors)
    place = output_index(aus, index)
    au = aus[index]
    plain = replaced(aus, {id(au.slices[1].nal): coded_standin(header, first, end, blocks)})
    predicted = blocks_of(decode(plain, "h264")[0][place], au, first, end)
    wanted = blocks_of(planes[place], au, first, end)
    residual = [a - b for a, b in zip(wanted, predicted, strict=True)]
    blocks.residual = Quantiser(header.sps, header.pps, 10, False).inter([transformed(plane) for plane in residual])
    got, complaints, _ = decode(
        replaced(aus, {id(au.slices[1].nal): coded_standin(header, first, end, blocks)}), "h264"
    )
    assert not complaints
    inner = slice(44, 66)
    assert np.abs(wanted[0][inner] - blocks_of(got[place], au, first, end)[0][inner]).max() < 8


@pytest.mark.parametrize("name", ["P CABAC", "P CAVLC", "B CABAC"])
def test_great_levels(name: str) -> None:
    """Levels beyond every table: escape codes. The decoder may clip samples, but must not lose its place."""
    aus, _ = encoded(name)
    index, sibling, first, end = victim(aus)
    au = aus[index]
    header = coded_header(sibling, first, end, h264.B if au.kind == "B" else h264.P, 6)
    count = end - first
    rng = np.random.default_rng(1)
    luma = np.zeros((count, 16, 16), np.int32)
    luma[::3] = rng.integers(-900, 900, luma[::3].shape) * (rng.random(luma[::3].shape) < 0.3)
    luma[1::3, :, :2] = rng.integers(-40, 40, luma[1::3, :, :2].shape)
    dc, ac = np.zeros((count, 2, 4), np.int32), np.zeros((count, 2, 4, 15), np.int32)
    dc[::2], ac[1::2, :, :, 0] = rng.integers(-300, 300, dc[::2].shape), 1
    residual = Residual(luma, dc, ac)
    blocks = InterBlocks(np.zeros(count, np.int64), np.zeros((2, count, 2), np.int16), residual)
    stream = replaced(aus, {id(au.slices[1].nal): coded_standin(header, first, end, blocks)})
    assert not decode(stream, "h264")[1]


def test_probe_parameter_set_is_read_as_cavlc() -> None:
    aus, _ = encoded("P CABAC")
    _, sibling, first, end = victim(aus)
    made = with_cavlc(sibling.pps)
    read = h264.parse_pps(made.nal, {sibling.sps.id: sibling.sps})
    assert (read.cabac, read.id) == (False, 255)
    like = copy.copy(sibling.pps)
    like.id, like.cabac, like.nal = read.id, False, read.nal
    assert read == like


def test_scaling_lists_fall_back_as_the_standard_says() -> None:
    aus, _ = encoded("P CABAC scaling lists")
    header = aus[0].slices[0].header
    assert isinstance(header, h264.SliceHeader)
    lists = weights(header.sps, header.pps)
    assert lists[0][:4] == (6, 13, 13, 20) and lists[3][:4] == (10, 14, 14, 20)
    flat = copy.copy(header.sps)
    flat.scaling_lists = None
    pps = copy.copy(header.pps)
    pps.scaling_lists = None
    assert weights(flat, pps) == ((16,) * 16,) * 6


@pytest.mark.parametrize("pix_fmt", ["yuv422p", "yuv444p"])
def test_other_chroma_is_refused(pix_fmt: str) -> None:
    stream = encode_bytes(clip(2), "h264", slices=2, pix_fmt=pix_fmt)
    header = parse(stream, "h264")[1].slices[0].header
    assert isinstance(header, h264.SliceHeader)
    with pytest.raises(UnsupportedStandInError, match="4:2:2"):
        coded_header(header, 0, 11, h264.P, 20)


INTRA = {
    "CABAC": dict(slices=4),
    "CAVLC": dict(slices=4, extra={"cabac": 0}),
    "CABAC uneven slices": dict(slices=0, extra={"slice-max-size": 900}),
    "CAVLC uneven slices": dict(slices=0, extra={"slice-max-size": 900, "cabac": 0}),
    "CABAC 10 bit": dict(slices=4, pix_fmt="yuv420p10le"),
    "CABAC monochrome": dict(slices=4, pix_fmt="gray"),
    "CAVLC scaling lists": dict(slices=4, extra={"cabac": 0, "cqm": "jvt"}),
}


@pytest.mark.parametrize("name", list(INTRA))
@pytest.mark.parametrize("qp", [8, 22, 38])
def test_intra_slice_in_an_idr_picture(name: str, qp: int) -> None:
    stream = encode_bytes(clip(2, 176, 144, seed=4), "h264", crf=22, **INTRA[name])  # type: ignore[arg-type]
    aus, planes = parse(stream, "h264"), decode(stream, "h264")[0]
    au = aus[0]
    sibling, first, end = au.slices[0].header, au.slices[1].first, au.slices[2].first
    assert isinstance(sibling, h264.SliceHeader) and first is not None and end is not None
    wanted = blocks_of(planes[0], au, first, end)
    nal = intra_standin(coded_header(sibling, first, end, h264.I, qp), first, end, wanted)
    got, complaints, _ = decode(replaced(aus, {id(au.slices[1].nal): nal}), "h264")
    assert not complaints
    step = 0.625 * 2 ** (qp / 6) * (4 if "10 bit" in name else 1)
    for wanted_plane, got_plane in zip(wanted, blocks_of(got[0], au, first, end), strict=True):
        assert np.sqrt(np.mean((wanted_plane - got_plane) ** 2.0)) < 0.6 * step + 1.5


def test_budget_follows_the_level() -> None:
    stream = encode_bytes(clip(1), "h264", extra={"level": "1.1"})
    header = parse(stream, "h264")[0].slices[0].header
    assert isinstance(header, h264.SliceHeader) and header.sps.level_idc == 11
    sps = copy.copy(header.sps)
    sps.profile_idc = 77
    budget = BitBudget(0.1)
    # 3000 macroblocks a second, at most half of 384 bytes each; 500000 bits of buffer.
    assert budget.left(sps, 0) == 3000 * 384 // 20
    for _ in range(4):
        budget.spend(sps, 20000)
    # Each picture brings 160000 bits, 19200 of which the rate allows for.
    assert budget.left(sps, 1000) == (500000 - 4 * 160000 + 4 * 19200) // 8 - 1000 < 0
    for _ in range(40):
        budget.spend(sps, 0)
    assert budget.left(sps, 0) == 3000 * 384 // 20
