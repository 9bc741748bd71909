"""HEVC stand-in slices, told right from wrong by decoding them."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import AccessUnit, NalUnit, escape, hevc, join_annexb
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.hevc.coded import coded_header
from concealer.standins.hevc.header import slice_header_rbsp
from concealer.standins.hevc.inter import inter_standin
from concealer.standins.hevc.intra_coded import intra_coded_standin
from concealer.standins.hevc.substreams import CodingOrder, coding_order
from tests.media import clip, encode_bytes
from tests.standins.splicing import Planes, decode, displaced, output_index, parse, replaced

# No deblocking in these streams: what the stand-in predicts is what comes out.
CLIPS = {
    "P ctu 16": dict(slices=4, extra={"ctu": 16, "no-deblock": 1, "weightp": 0}),
    "B ctu 32": dict(slices=3, bframes=3, extra={"ctu": 32, "no-deblock": 1}),
    "P ctu 64": dict(slices=1, extra={"ctu": 64, "no-deblock": 1, "ref": 3, "weightp": 0}),
    "P 10 bit": dict(slices=3, pix_fmt="yuv420p10le", extra={"ctu": 32, "no-deblock": 1, "weightp": 0}),
    "B 4:2:2 lossless CUs": dict(
        slices=2, bframes=2, pix_fmt="yuv422p", extra={"ctu": 32, "no-deblock": 1, "cu-lossless": 1}
    ),
    "B 4:4:4 min CU 16": dict(
        slices=2, bframes=2, pix_fmt="yuv444p", extra={"ctu": 32, "min-cu-size": 16, "no-deblock": 1}
    ),
    "P no wavefront": dict(slices=1, extra={"ctu": 16, "wpp": 0, "no-deblock": 1, "weightp": 0}),
    "P one CTB wide picture": dict(slices=1, extra={"ctu": 64, "no-deblock": 1, "weightp": 0}),
}


@cache
def encoded(name: str) -> tuple[list[AccessUnit], list[Planes]]:
    width = 64 if "one CTB" in name else 352 if "min CU 16" in name else 360
    stream = encode_bytes(clip(7, width, 288, seed=2), "hevc", crf=20, **CLIPS[name])  # type: ignore[arg-type]
    planes, complaints, _ = decode(stream, "hevc")
    assert not complaints
    return parse(stream, "hevc"), planes


def victim(aus: list[AccessUnit]) -> tuple[int, hevc.SliceHeader, NalUnit, int, int]:
    """(access unit, header, NAL unit, first, end) of the second slice of an inter picture, B if there is one."""
    index = next((i for i, au in enumerate(aus[2:], 2) if au.kind == "B" and not au.is_reference), None)
    if index is None:
        index = next((i for i, au in enumerate(aus[2:], 2) if au.kind == "B"), 4)
    pieces = aus[index].slices
    piece = pieces[min(1, len(pieces) - 1)]
    later = [other.first for other in pieces if other.first is not None and other.first > (piece.first or 0)]
    assert isinstance(piece.header, hevc.SliceHeader) and piece.first is not None
    size = aus[index].rows * aus[index].cols
    return index, piece.header, piece.nal, piece.first, min(later, default=size)


def reference_pictures(aus: list[AccessUnit], planes: list[Planes], index: int) -> list[Planes]:
    """The pictures at reference index 0 of each list."""
    au, header = aus[index], aus[index].slices[0].header
    assert isinstance(header, hevc.SliceHeader) and au.poc is not None
    pocs = sorted(other.poc for other in aus if other.poc is not None)
    before = next(delta for delta, used in header.short_term_rps.negative if used)
    after = next((delta for delta, used in header.short_term_rps.positive if used), None)
    if header.slice_type == hevc.B and after is None:
        after = before
    return [planes[pocs.index(au.poc + delta)] for delta in (before, after) if delta is not None]


def expect(predictions: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    return predictions[0] if len(predictions) == 1 else (predictions[0] + predictions[1] + 1) >> 1


def hole_of(au: AccessUnit, first: int, end: int, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    blocks = np.zeros(au.rows * au.cols, np.bool_)
    blocks[first:end] = True
    scale_y, scale_x = au.unit * shape[0] // au.height, au.unit * shape[1] // au.width
    mask = blocks.reshape(au.rows, au.cols).repeat(scale_y, 0).repeat(scale_x, 1)
    return mask[: shape[0], : shape[1]]


def check(name: str, motion: npt.NDArray[np.int16] | None, smallest: int = 16) -> int:
    """Replace a slice; its samples must be displaced reference samples, all others as before."""
    aus, planes = encoded(name)
    index, header, nal, first, end = victim(aus)
    stand_in = inter_standin(header, first, end, motion, smallest=smallest)
    got, complaints, _ = decode(replaced(aus, {id(nal): stand_in}), "hevc")
    assert not complaints
    assert len(got) == len(planes)
    place = output_index(aus, index)
    references = reference_pictures(aus, planes, index)
    for plane, (new, old) in enumerate(zip(got[place], planes[place], strict=True)):
        hole = hole_of(aus[index], first, end, new.shape)
        predictions = []
        for x, reference in enumerate(references):
            source = reference[plane]
            if motion is not None:
                scale = np.array([planes[0][0].shape[1] // source.shape[1], planes[0][0].shape[0] // source.shape[0]])
                vectors = (motion[x] // 4 // scale).astype(np.int16)
                block_y, block_x = 8 // scale[1], 8 // scale[0]
                field = vectors.repeat(block_y, 0).repeat(block_x, 1)
                source = displaced(source, field, 1)
            predictions.append(source)
        assert np.array_equal(new[hole], expect(predictions)[hole]), plane
        assert np.array_equal(new[~hole], old[~hole]), plane
    return len(stand_in.data)


@pytest.mark.parametrize("name", CLIPS)
def test_skipped_slice_repeats_its_reference(name: str) -> None:
    assert check(name, None) < 120


def lists_and_shape(name: str) -> tuple[int, int, int]:
    aus, _ = encoded(name)
    _, header, *_ = victim(aus)
    return 1 + (header.slice_type == hevc.B), header.sps.height >> 3, header.sps.width >> 3


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize(("smallest", "block"), [(8, 1), (16, 2), (32, 4), (8, 3)])
def test_every_vector_arrives(name: str, smallest: int, block: int) -> None:
    lists, rows, cols = lists_and_shape(name)
    if "min CU 16" in name and block % 2:
        block, smallest = 2, 16
    rng = np.random.default_rng(smallest + block)
    # Whole samples in luma and chroma; few values, so that neighbours are often alike.
    coarse = rng.integers(-3, 4, (lists, -(-rows // block), -(-cols // block), 2)) * 8
    coarse[:, :, ::3] = rng.integers(-40, 41, coarse[:, :, ::3].shape) * 8
    motion = coarse.repeat(block, 1).repeat(block, 2)[:, :rows, :cols].astype(np.int16)
    check(name, motion, smallest)


def test_far_vectors_wrap_round() -> None:
    lists, rows, cols = lists_and_shape("P ctu 16")
    motion = np.zeros((lists, rows, cols, 2), np.int16)
    motion[..., ::4, :] = (-32768, 32760)
    motion[..., 2::4, :] = (32760, -32768)
    check("P ctu 16", motion, 8)


def test_constant_motion_costs_little() -> None:
    lists, rows, cols = lists_and_shape("B ctu 32")
    assert check("B ctu 32", np.full((lists, rows, cols, 2), (16, -8), np.int16)) < 60


_TAPS = {
    0: (0, 0, 0, 64, 0, 0, 0, 0),
    1: (-1, 4, -10, 58, 17, -5, 1, 0),
    2: (-1, 4, -11, 40, 40, -11, 4, -1),
    3: (0, 1, -5, 17, 58, -10, 4, -1),
}


def interpolated(luma: npt.NDArray[np.int32], x: int, y: int) -> npt.NDArray[np.int32]:
    """8-bit luma displaced by (x, y) quarter samples (8.5.3.3.3.1)."""
    height, width = luma.shape
    padded = np.pad(luma, 24, mode="edge")

    def at(dx: int, dy: int) -> npt.NDArray[np.int32]:
        return padded[24 + dy - 8 : 24 + dy + height + 8, 24 + dx : 24 + dx + width]

    rows = sum(tap * at((x >> 2) + k - 3, y >> 2) for k, tap in enumerate(_TAPS[x & 3]))
    total = sum(tap * rows[8 + k - 3 : 8 + k - 3 + height] for k, tap in enumerate(_TAPS[y & 3]))
    # With 64 as the only tap of a whole-sample phase, one shift by 12 equals the standard's two roundings
    # unless both phases are fractional, where the first stage is cut by 6 bits.
    if x & 3 and y & 3:
        total = total >> 6 << 6
    return np.clip((total + 2048) >> 12, 0, 255)


@pytest.mark.parametrize("vector", [(1, 0), (0, 2), (-3, 5), (7, -6), (2, 2)])
def test_quarter_sample_vectors(vector: tuple[int, int]) -> None:
    aus, planes = encoded("P ctu 16")
    index, header, nal, first, end = victim(aus)
    motion = np.full((1, 36, 45, 2), vector, np.int16)
    stand_in = inter_standin(header, first, end, motion)
    got, complaints, _ = decode(replaced(aus, {id(nal): stand_in}), "hevc")
    assert not complaints
    hole = hole_of(aus[index], first, end, planes[0][0].shape)
    expected = interpolated(reference_pictures(aus, planes, index)[0][0], *vector)
    assert np.array_equal(got[output_index(aus, index)][0][hole], expected[hole])


def test_one_list_of_a_b_slice_and_other_references() -> None:
    aus, planes = encoded("B ctu 32")
    index, header, nal, first, end = victim(aus)
    after = reference_pictures(aus, planes, index)[1]
    motion = np.full((1, 36, 45, 2), (8, 8), np.int16)
    stand_in = inter_standin(header, first, end, motion, references=(None, 0))
    got, complaints, _ = decode(replaced(aus, {id(nal): stand_in}), "hevc")
    assert not complaints
    hole = hole_of(aus[index], first, end, planes[0][0].shape)
    expected = displaced(after[0], np.full((36, 45, 2), 2, np.int16), 8)
    assert np.array_equal(got[output_index(aus, index)][0][hole], expected[hole])

    aus, planes = encoded("P ctu 64")
    index, header, nal, first, end = victim(aus)
    assert header.num_ref_idx[0] > 2
    stand_in = inter_standin(header, first, end, motion, references=(2, 0))
    got, complaints, _ = decode(replaced(aus, {id(nal): stand_in}), "hevc")
    assert not complaints
    hole = hole_of(aus[index], first, end, planes[0][0].shape)
    expected = displaced(planes[index - 3][0], np.full((36, 45, 2), 2, np.int16), 8)
    assert np.array_equal(got[index][0][hole], expected[hole])


def test_weights_of_the_sibling_apply() -> None:
    frames = [(frame * (1 - 0.12 * i)).astype(np.uint8) for i, frame in enumerate(clip(1, 352, 288) * 6)]
    extra = {"ctu": 32, "no-deblock": 1, "weightp": 1, "ref": 1}
    stream = encode_bytes(frames, "hevc", slices=3, preset="veryfast", crf=16, extra=extra)
    aus, (planes, _, _) = parse(stream, "hevc"), decode(stream, "hevc")
    index, header, nal, first, end = victim(aus)
    assert header.weights is not None and header.weights[0][0][0] is not None
    delta, offset = header.weights[0][0][0]
    shift = header.luma_log2_weight_denom
    got, complaints, _ = decode(replaced(aus, {id(nal): inter_standin(header, first, end)}), "hevc")
    assert not complaints
    source = planes[index - 1][0] << 6
    weighted = ((source * ((1 << shift) + delta) + (1 << shift + 5)) >> shift + 6) + offset
    hole = hole_of(aus[index], first, end, source.shape)
    assert np.array_equal(got[index][0][hole], np.clip(weighted, 0, 255)[hole])


def test_whole_picture_and_first_slice() -> None:
    aus, planes = encoded("P ctu 16")
    index, header, _, first, end = victim(aus)
    pieces = aus[index].slices
    whole = inter_standin(header, 0, aus[index].rows * aus[index].cols)
    drop = {id(piece.nal) for piece in pieces[1:]}
    swap = {id(pieces[0].nal): whole}
    stream = join_annexb(swap.get(id(nal), nal) for au in aus for nal in au.nals if id(nal) not in drop)
    got, complaints, _ = decode(stream, "hevc")
    assert not complaints
    for new, old in zip(got[index], planes[index - 1], strict=True):
        assert np.array_equal(new, old)
    alone = inter_standin(header, 0, first)
    got, complaints, _ = decode(replaced(aus, {id(pieces[0].nal): alone}), "hevc")
    assert not complaints
    hole = hole_of(aus[index], 0, first, planes[0][0].shape)
    assert np.array_equal(got[index][0][hole], planes[index - 1][0][hole])
    assert np.array_equal(got[index][0][~hole], planes[index][0][~hole])


@pytest.mark.parametrize("name", CLIPS)
def test_header_survives_writing(name: str) -> None:
    aus, _ = encoded(name)
    for au in aus:
        for piece in au.slices:
            h = piece.header
            assert isinstance(h, hevc.SliceHeader)
            rbsp = slice_header_rbsp(h, h.entry_points)
            again = hevc.parse_slice_header(NalUnit(escape(rbsp + b"\x80")), {h.sps.id: h.sps}, {h.pps.id: h.pps})
            for field in (name for name in h.__dataclass_fields__ if not name.endswith(("bit", "bits"))):
                assert getattr(again, field) == getattr(h, field), field


def test_refusals() -> None:
    aus, _ = encoded("P ctu 16")
    _, header, _, first, end = victim(aus)
    intra = aus[0].slices[0].header
    assert isinstance(intra, hevc.SliceHeader)
    with pytest.raises(UnsupportedStandInError, match="intra"):
        inter_standin(intra, first, end)
    with pytest.raises(UnsupportedStandInError, match="wavefront"):
        inter_standin(header, first + 1, end)
    with pytest.raises(ValueError, match="range"):
        inter_standin(header, end, end)
    with pytest.raises(ValueError, match="int16"):
        inter_standin(header, first, end, np.zeros((1, 3, 3, 2), np.int16))
    odd = dataclasses.replace(header, sps=dataclasses.replace(header.sps, width=354))
    with pytest.raises(UnsupportedStandInError, match="multiple"):
        inter_standin(odd, first, end)
    with pytest.raises(UnsupportedStandInError, match="multiple"):
        intra_coded_standin(odd, first, end, [])
    tiled = dataclasses.replace(header, pps=dataclasses.replace(header.pps, tiles=True))
    with pytest.raises(UnsupportedStandInError, match="tiles"):
        intra_coded_standin(tiled, first, end, [])
    order = coding_order(header.sps, header.pps)
    cols = header.sps.width_ctbs
    assert order.legal_ranges(first + 1, end) == [(first + 1, first + cols), (first + cols, end)]


@pytest.mark.parametrize("name", [name for name in CLIPS if "4:" not in name])
def test_flat_intra_slice(name: str) -> None:
    """In an IRAP and in an inter picture, and where the picture's border cuts blocks."""
    aus, planes = encoded(name)
    inter, *_ = victim(aus)
    for index in (0, inter):
        piece = aus[index].slices[-1]
        header, first = piece.header, piece.first
        assert isinstance(header, hevc.SliceHeader) and first is not None
        grey = 1 << header.sps.bit_depth_luma - 1
        flat = [np.full(plane.shape, grey) for plane in planes[0]]
        stand_in = intra_coded_standin(coded_header(header, 20), first, aus[index].rows * aus[index].cols, flat)
        got, complaints, _ = decode(replaced(aus, {id(piece.nal): stand_in}), "hevc")
        assert not complaints
        place = output_index(aus, index)
        for new, old in zip(got[place], planes[place], strict=True):
            hole = hole_of(aus[index], first, aus[index].rows * aus[index].cols, new.shape)
            assert (new[hole] == grey).all()
            assert np.array_equal(new[~hole], old[~hole])


def test_tiles_are_cut_like_the_standard_says() -> None:
    aus, _ = encoded("P ctu 16")
    _, header, *_ = victim(aus)
    tiled = dataclasses.replace(header.pps, tiles=True, tile_columns=2, tile_rows=2, entropy_coding_sync=False)
    order = CodingOrder(header.sps, tiled)
    cols, rows = header.sps.width_ctbs, header.sps.height_ctbs
    first_tile = (cols // 2) * (rows // 2)
    assert order.scan[first_tile] == cols // 2
    assert order.legal_ranges(0, cols * rows) == [(0, cols * rows)]
    assert order.legal_ranges(3, cols * rows - 1)[0] == (3, first_tile)
    streams = order.substreams(0, cols * rows)
    assert [stream.starts_tile for stream in streams] == [True] * 4
    assert sorted(address for stream in streams for address in stream.ctbs) == list(range(cols * rows))
    with pytest.raises(UnsupportedStandInError, match="tiles"):
        h = dataclasses.replace(header, pps=tiled)
        inter_standin(h, 3, cols * rows - 1)
