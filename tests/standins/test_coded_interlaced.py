"""Stand-ins with motion and residual for fields and MBAFF frames, told right from wrong by decoding them."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import AccessUnit, h264, join_annexb
from concealer.standins.h264.coded import BOTH, InterBlocks, coded_header, coded_standin
from concealer.standins.h264.intra import intra_standin
from concealer.standins.h264.transform import Quantiser, Residual, transformed
from tests.decoder.interlaced_streams import PER_FIELD, SLICES, paff, woven
from tests.media import encode_bytes
from tests.standins.splicing import Planes, decode, output_index, parse, replaced

_PLAIN = {"b-pyramid": "none", "tff": 1}
MBAFF = {
    "P CABAC": dict(extra=_PLAIN),
    "P CAVLC": dict(extra={**_PLAIN, "cabac": 0}),
    "B CABAC": dict(bframes=2, extra=_PLAIN),
    "B CAVLC": dict(bframes=2, extra={**_PLAIN, "cabac": 0}),
    "P CABAC baseline transform": dict(extra={**_PLAIN, "8x8dct": 0, "weightp": 0}),
    "B CABAC 10 bit": dict(bframes=2, pix_fmt="yuv420p10le", extra=_PLAIN),
    "P CABAC monochrome": dict(pix_fmt="gray", extra=_PLAIN),
    "P CABAC uneven slices": dict(slices=0, extra={**_PLAIN, "slice-max-size": 500}),
    "P CAVLC uneven slices": dict(slices=0, extra={**_PLAIN, "slice-max-size": 500, "cabac": 0}),
}

Samples = list[npt.NDArray[np.int32]]


@cache
def mbaff(name: str) -> tuple[list[AccessUnit], list[Planes]]:
    frames = woven(7, 352, 288)
    stream = encode_bytes(frames, "h264", **{"slices": 4, "crf": 22, "preset": "medium", **MBAFF[name]})  # type: ignore[arg-type]
    planes, complaints, _ = decode(stream, "h264")
    assert not complaints
    return parse(stream, "h264"), planes


@cache
def fields(cabac: bool, bframes: bool) -> tuple[list[AccessUnit], list[Planes]]:
    units = paff(cabac=cabac, bframes=bframes)
    planes, complaints, _ = decode(b"".join(join_annexb(unit.nals) for unit in units), "h264")
    assert not complaints and len(planes) == len(units)
    return units, planes


def pairs_of(planes: Planes, first: int, end: int, field_pairs: bool, planes_used: int = 3) -> Samples:
    """Macroblocks [first, end) of an MBAFF frame, pair by pair."""
    found = []
    for number, plane in enumerate(planes[:planes_used]):
        side = 8 if number else 16
        blocks = []
        for pair in range(first // 2, end // 2):
            y, x = divmod(pair, plane.shape[1] // side)
            both = plane[2 * side * y : 2 * side * (y + 1), side * x : side * (x + 1)]
            blocks += [both[::2], both[1::2]] if field_pairs else [both[:side], both[side:]]
        found.append(np.stack(blocks))
    return found


def of_field(planes: Planes, parity: int, first: int, end: int) -> Samples:
    found = []
    for number, plane in enumerate(planes):
        side = 8 if number else 16
        field = plane[parity::2]
        rows, cols = field.shape[0] // side, field.shape[1] // side
        cells = field.reshape(rows, side, cols, side).transpose(0, 2, 1, 3).reshape(-1, side, side)
        found.append(cells[first:end])
    return found


def motion(count: int, is_b: bool, seed: int) -> InterBlocks:
    """Random motion with stretches that may be skipped."""
    rng = np.random.default_rng(seed)
    modes = rng.integers(0, BOTH + 1, count) if is_b else np.zeros(count, np.int64)
    vectors = rng.integers(-30, 30, (2, count, 2)).astype(np.int16)
    vectors[:, count // 3 : 5 * count // 6] = vectors[:, :1] if seed % 2 else 0
    return InterBlocks(modes, vectors)


def assert_near(wanted: Samples, got: Samples, inner: slice, qp: int, depth: int = 8) -> None:
    """A step of quantisation, rounding to a third of it; deblocking by slices around reaches some rows in."""
    step = 0.625 * 2 ** (qp / 6) * 2 ** (depth - 8)
    for wanted_plane, got_plane in zip(wanted, got, strict=True):
        assert np.sqrt(np.mean((wanted_plane[inner] - got_plane[inner]) ** 2.0)) < 0.6 * step + 0.8


@pytest.mark.parametrize("field_pairs", [False, True])
@pytest.mark.parametrize("name", list(MBAFF))
@pytest.mark.parametrize("qp", [7, 22, 36])
def test_pairs(name: str, qp: int, field_pairs: bool) -> None:
    aus, planes = mbaff(name)
    index = next((i for i, au in enumerate(aus[2:], 2) if au.kind == "B"), 4)
    au, place = aus[index], output_index(aus, index)
    headers = [one.header for one in au.slices[1:3]]
    assert isinstance(headers[0], h264.SliceHeader) and isinstance(headers[1], h264.SliceHeader)
    first, end = 2 * headers[0].first_mb, 2 * headers[1].first_mb
    kind, victim = h264.B if au.kind == "B" else h264.P, id(au.slices[1].nal)
    header = coded_header(headers[0], first, end, kind, qp)
    blocks = motion(end - first, kind == h264.B, qp)
    blocks.field_pairs = field_pairs
    used = 3 if header.sps.chroma_array_type else 1
    seen, complaints, _ = decode(replaced(aus, {victim: coded_standin(header, first, end, blocks)}), "h264")
    assert not complaints
    wanted = pairs_of(planes[place], first, end, field_pairs, used)
    guessed = pairs_of(seen[place], first, end, field_pairs, used)
    quantiser = Quantiser(header.sps, header.pps, qp, False, field_coded=field_pairs)
    blocks.residual = quantiser.inter([transformed(a - b) for a, b in zip(wanted, guessed, strict=True)])
    got, complaints, _ = decode(replaced(aus, {victim: coded_standin(header, first, end, blocks)}), "h264")
    assert not complaints
    count = end - first
    inner = slice(count // 2 & ~1, -4) if "uneven" in name else slice(44, 88)
    depth = 10 if "10 bit" in name else 8
    assert_near(wanted, pairs_of(got[place], first, end, field_pairs, used), inner, qp, depth)
    if "uneven" not in name:
        assert_only_here(planes[place], got[place], first, end)


def assert_only_here(planes: Planes, got: Planes, first: int, end: int) -> None:
    """Far from the slice nothing has changed."""
    rows = [2 * (pair // 2 // 22) * 16 for pair in (first, end)]
    assert np.array_equal(planes[0][: rows[0] - 32], got[0][: rows[0] - 32])
    assert np.array_equal(planes[0][rows[1] + 32 :], got[0][rows[1] + 32 :])


@pytest.mark.parametrize("field_pairs", [False, True])
@pytest.mark.parametrize("name", ["P CABAC", "P CAVLC", "P CABAC uneven slices", "P CABAC monochrome"])
@pytest.mark.parametrize("qp", [8, 30])
def test_intra_pairs(name: str, qp: int, field_pairs: bool) -> None:
    aus, planes = mbaff(name)
    headers = [one.header for one in aus[0].slices[1:3]]
    assert isinstance(headers[0], h264.SliceHeader) and isinstance(headers[1], h264.SliceHeader)
    first, end = 2 * headers[0].first_mb, 2 * headers[1].first_mb
    used = 3 if headers[0].sps.chroma_array_type else 1
    wanted = pairs_of(planes[0], first, end, field_pairs, used)
    header = coded_header(headers[0], first, end, h264.I, qp)
    nal = intra_standin(header, first, end, wanted, field_pairs=field_pairs)
    got, complaints, _ = decode(replaced(aus, {id(aus[0].slices[1].nal): nal}), "h264")
    assert not complaints
    step = 0.625 * 2 ** (qp / 6)
    for wanted_plane, got_plane in zip(wanted, pairs_of(got[0], first, end, field_pairs, used), strict=True):
        assert np.sqrt(np.mean((wanted_plane - got_plane) ** 2.0)) < 0.6 * step + 1.5


@pytest.mark.parametrize("cabac", [True, False])
@pytest.mark.parametrize("kind", [h264.I, h264.P, h264.B])
@pytest.mark.parametrize("field", [0, 1])
@pytest.mark.parametrize("qp", [7, 30])
def test_fields(cabac: bool, kind: int, field: int, qp: int) -> None:
    aus, planes = fields(cabac, kind == h264.B)
    index = 4 if kind == h264.B else 3
    au, place = aus[index], output_index(aus, index)
    first, end = SLICES[1]
    one = au.slices[3 * field + 1]
    assert isinstance(one.header, h264.SliceHeader) and one.header.bottom_field == (field == 1)
    header = coded_header(one.header, first, end, kind, qp)
    # Samples that the stream does not hold there.
    target = [np.roll(plane, (4, 6), (0, 1)) for plane in planes[place]]
    wanted = of_field(target, field, first, end)
    if kind == h264.I:
        nal = intra_standin(header, first, end, wanted)
    else:
        blocks = motion(end - first, kind == h264.B, qp)
        seen, complaints, _ = decode(replaced(aus, {id(one.nal): coded_standin(header, first, end, blocks)}), "h264")
        assert not complaints
        guessed = of_field(seen[place], field, first, end)
        quantiser = Quantiser(header.sps, header.pps, qp, False, field_coded=True)
        blocks.residual = quantiser.inter([transformed(a - b) for a, b in zip(wanted, guessed, strict=True)])
        nal = coded_standin(header, first, end, blocks)
    got, complaints, _ = decode(replaced(aus, {id(one.nal): nal}), "h264")
    assert not complaints
    assert_near(wanted, of_field(got[place], field, first, end), slice(None), qp)
    if field or kind == h264.B:
        for plane, old in zip(got[place], planes[place], strict=True):
            np.testing.assert_array_equal(plane[1 - field :: 2], old[1 - field :: 2])


def test_field_without_residual_repeats_the_field_of_its_parity() -> None:
    """The first of the list, whatever lies between."""
    aus, planes = fields(True, True)
    au = aus[3]
    header = au.slices[3].header
    assert isinstance(header, h264.SliceHeader)
    still = InterBlocks(np.zeros(PER_FIELD, np.int64), np.zeros((2, PER_FIELD, 2), np.int16))
    nal = coded_standin(coded_header(header, 0, PER_FIELD, h264.P, 26), 0, PER_FIELD, still)
    assert len(nal.data) < 24
    gone = {id(one.nal) for one in au.slices[4:]}
    stream = b"".join(
        join_annexb(nal if other is au.slices[3].nal else other for other in unit.nals if id(other) not in gone)
        for unit in aus
    )
    got, complaints, _ = decode(stream, "h264")
    assert not complaints
    here, before = output_index(aus, 3), output_index(aus, 1)
    np.testing.assert_array_equal(got[here][0][1::2], planes[before][0][1::2])


@pytest.mark.parametrize("field_pairs", [False, True])
@pytest.mark.parametrize("name", ["P CABAC", "P CAVLC", "B CABAC", "B CAVLC"])
def test_great_levels_of_pairs(name: str, field_pairs: bool) -> None:
    """Levels beyond every table: the decoder may clip samples, but must not lose its place."""
    aus, _ = mbaff(name)
    index = next((i for i, au in enumerate(aus[2:], 2) if au.kind == "B"), 4)
    headers = [one.header for one in aus[index].slices[1:3]]
    assert isinstance(headers[0], h264.SliceHeader) and isinstance(headers[1], h264.SliceHeader)
    first, end = 2 * headers[0].first_mb, 2 * headers[1].first_mb
    kind = h264.B if aus[index].kind == "B" else h264.P
    count, rng = end - first, np.random.default_rng(1)
    luma = np.zeros((count, 16, 16), np.int32)
    luma[::3] = rng.integers(-900, 900, luma[::3].shape) * (rng.random(luma[::3].shape) < 0.3)
    dc, ac = np.zeros((count, 2, 4), np.int32), np.zeros((count, 2, 4, 15), np.int32)
    dc[::2], ac[1::2, :, :, 0] = rng.integers(-300, 300, dc[::2].shape), 1
    blocks = InterBlocks(np.zeros(count, np.int64), np.zeros((2, count, 2), np.int16), Residual(luma, dc, ac))
    blocks.field_pairs = field_pairs
    nal = coded_standin(coded_header(headers[0], first, end, kind, 6), first, end, blocks)
    assert not decode(replaced(aus, {id(aus[index].slices[1].nal): nal}), "h264")[1]
