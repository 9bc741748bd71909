"""H.264 stand-in slices, told right from wrong by decoding them."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import AccessUnit, NalUnit, escape, h264
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.h264.header import write_slice_header
from concealer.standins.h264.inter import inter_standin
from concealer.standins.h264.pcm import pcm_standin
from tests.media import clip, encode_bytes
from tests.standins.splicing import Planes, decode, displaced, output_index, parse, replaced

_PLAIN = {"no-deblock": 1, "weightp": 0, "weightb": 0, "b-pyramid": "none"}
# No deblocking in these streams: what the stand-in predicts is what comes out.
CLIPS = {
    "P CABAC": dict(slices=4, extra={**_PLAIN, "ref": 3}),
    "P CAVLC": dict(slices=5, extra={**_PLAIN, "cabac": 0, "ref": 1}),
    "P CAVLC two references": dict(slices=5, extra={**_PLAIN, "cabac": 0, "ref": 2}),
    "B CABAC": dict(slices=4, bframes=3, extra={**_PLAIN, "ref": 3, "direct": "temporal"}),
    "B CAVLC": dict(slices=4, bframes=2, extra={**_PLAIN, "cabac": 0, "ref": 3}),
    "P CABAC 10 bit": dict(slices=3, pix_fmt="yuv420p10le", extra=_PLAIN),
    "B CABAC 4:2:2": dict(slices=3, bframes=2, pix_fmt="yuv422p", extra=_PLAIN),
    "P CAVLC 4:4:4": dict(slices=3, pix_fmt="yuv444p", extra={**_PLAIN, "cabac": 0}),
    "P CABAC 4:4:4": dict(slices=3, pix_fmt="yuv444p", extra=_PLAIN),
    "P CABAC MBAFF": dict(slices=3, extra={**_PLAIN, "tff": 1, "ref": 2}),
    "P CAVLC MBAFF": dict(slices=3, extra={**_PLAIN, "tff": 1, "ref": 2, "cabac": 0}),
    "B CABAC MBAFF": dict(slices=3, bframes=2, extra={**_PLAIN, "tff": 1}),
    "P CABAC uneven slices": dict(slices=0, extra={**_PLAIN, "slice-max-size": 900}),
    "P CAVLC uneven slices": dict(slices=0, extra={**_PLAIN, "slice-max-size": 900, "cabac": 0}),
}


@cache
def encoded(name: str) -> tuple[list[AccessUnit], list[Planes]]:
    stream = encode_bytes(clip(7, 352, 288, seed=2), "h264", crf=22, preset="medium", **CLIPS[name])  # type: ignore[arg-type]
    planes, complaints, _ = decode(stream, "h264")
    assert not complaints
    return parse(stream, "h264"), planes


def victim(aus: list[AccessUnit]) -> tuple[int, h264.SliceHeader, NalUnit, int, int]:
    """(access unit, header, NAL unit, first, end) of the third slice of an inter picture, B if there is one."""
    index = next((i for i, au in enumerate(aus[2:], 2) if au.kind == "B"), 4)
    pieces = aus[index].slices
    piece = pieces[min(2, len(pieces) - 1)]
    assert isinstance(piece.header, h264.SliceHeader) and piece.first is not None
    first, end = span_of(aus[index], pieces.index(piece))
    return index, piece.header, piece.nal, first, end


def span_of(au: AccessUnit, number: int) -> tuple[int, int]:
    """Macroblock addresses [first, end) of a slice, as its writer counts them."""
    headers = [piece.header for piece in au.slices[number : number + 2]]
    firsts = [h.first_mb << h.mbaff for h in headers if isinstance(h, h264.SliceHeader)]
    return firsts[0], firsts[1] if len(firsts) > 1 else au.rows * au.cols


def reference_pictures(aus: list[AccessUnit], planes: list[Planes], index: int) -> list[Planes]:
    """The pictures at reference index 0 of each list."""
    au = aus[index]
    earlier = [i for i in range(index) if aus[i].is_reference]
    if au.kind == "P":
        return [planes[output_index(aus, earlier[-1])]]
    before = max((i for i in earlier if aus[i].order < au.order), key=lambda i: aus[i].order)
    after = min((i for i in earlier if aus[i].order > au.order), key=lambda i: aus[i].order)
    return [planes[output_index(aus, i)] for i in (before, after)]


def hole_of(au: AccessUnit, first: int, end: int, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    blocks = np.zeros(au.rows * au.cols, np.bool_)
    blocks[first:end] = True
    if au.interlaced == "mbaff":
        blocks = blocks.reshape(au.rows // 2, au.cols, 2).transpose(0, 2, 1).reshape(-1)
    return blocks.reshape(au.rows, au.cols).repeat(shape[0] // au.rows, 0).repeat(shape[1] // au.cols, 1)


def check(name: str, motion: npt.NDArray[np.int16] | None) -> NalUnit:
    """Replace a slice; its samples must be displaced reference samples, all others as before."""
    aus, planes = encoded(name)
    index, header, nal, first, end = victim(aus)
    stand_in = inter_standin(header, first, end, motion)
    got, complaints, _ = decode(replaced(aus, {id(nal): stand_in}), "h264")
    assert not complaints
    assert len(got) == len(planes)
    place = output_index(aus, index)
    for plane, (new, old) in enumerate(zip(got[place], planes[place], strict=True)):
        hole = hole_of(aus[index], first, end, new.shape)
        predictions = []
        for x, reference in enumerate(reference_pictures(aus, planes, index)):
            source = reference[plane]
            if motion is not None:
                scale_y, scale_x = 288 // source.shape[0], 352 // source.shape[1]
                field = (motion[x] // 4 // (scale_x, scale_y)).astype(np.int16)
                field = field.repeat(16 // scale_y, 0).repeat(16 // scale_x, 1)
                source = displaced(source, field, 1)
            predictions.append(source)
        expected = predictions[0] if len(predictions) == 1 else (predictions[0] + predictions[1] + 1) >> 1
        assert np.array_equal(new[hole], expected[hole]), plane
        assert np.array_equal(new[~hole], old[~hole]), plane
    return stand_in


@pytest.mark.parametrize("name", CLIPS)
def test_skipped_slice_repeats_its_reference(name: str) -> None:
    assert len(check(name, None).data) < 40


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("spread", [1, 4, 60])
def test_every_vector_arrives(name: str, spread: int) -> None:
    rng = np.random.default_rng(spread)
    lists = 2 if name.startswith("B") else 1
    motion = (rng.integers(-spread, spread + 1, (lists, 18, 22, 2)) * 8).astype(np.int16)
    motion[:, :, 5:9] = 0
    motion[:, 9:, 9:14] = (16, -8)
    check(name, motion)


@pytest.mark.parametrize("name", ["P CABAC", "P CAVLC", "B CABAC", "B CAVLC"])
def test_vectors_read_back_from_the_decoder(name: str) -> None:
    aus, _ = encoded(name)
    index, header, nal, first, end = victim(aus)
    rng = np.random.default_rng(5)
    lists = 2 if name.startswith("B") else 1
    motion = rng.integers(-150, 150, (lists, 18, 22, 2)).astype(np.int16)
    stand_in = inter_standin(header, first, end, motion)
    _, complaints, frames = decode(replaced(aus, {id(nal): stand_in}), "h264", "+export_mvs")
    assert not complaints
    side = frames[output_index(aus, index)].side_data.get("MOTION_VECTORS")
    assert side is not None
    read = {(v.source, v.dst_x // 16, v.dst_y // 16): (v.motion_x, v.motion_y) for v in side if v.w == v.h == 16}
    for address in range(first, end):
        y, x = divmod(address, 22)
        for one, source in zip(motion, (-1, 1), strict=False):
            assert read[source, x, y] == tuple(one[y, x])


def test_constant_motion_costs_little() -> None:
    motion = np.full((1, 18, 22, 2), (16, -8), np.int16)
    assert len(check("P CABAC", motion).data) < 50
    assert len(check("P CAVLC", motion).data) < 50


def test_other_references_and_one_list() -> None:
    aus, planes = encoded("P CABAC")
    index, header, nal, first, end = victim(aus)
    assert header.num_ref_idx[0] == 3
    motion = np.full((1, 18, 22, 2), (8, 8), np.int16)
    for reference in (1, 2):
        stand_in = inter_standin(header, first, end, motion, references=(reference, 0))
        got, complaints, _ = decode(replaced(aus, {id(nal): stand_in}), "h264")
        assert not complaints
        expected = displaced(planes[index - 1 - reference][0], np.full((18, 22, 2), 2, np.int16), 16)
        hole = hole_of(aus[index], first, end, expected.shape)
        assert np.array_equal(got[index][0][hole], expected[hole])
    for name in ("B CABAC", "B CAVLC"):
        aus, planes = encoded(name)
        index, header, nal, first, end = victim(aus)
        stand_in = inter_standin(header, first, end, motion, references=(None, 0))
        got, complaints, _ = decode(replaced(aus, {id(nal): stand_in}), "h264")
        assert not complaints
        after = reference_pictures(aus, planes, index)[1][0]
        expected = displaced(after, np.full((18, 22, 2), 2, np.int16), 16)
        hole = hole_of(aus[index], first, end, expected.shape)
        assert np.array_equal(got[output_index(aus, index)][0][hole], expected[hole])


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("picture", ["intra", "inter"])
def test_pcm_slice_carries_any_samples(name: str, picture: str) -> None:
    aus, planes = encoded(name)
    index, header, nal, first, end = victim(aus)
    if picture == "intra":
        index, piece = 0, aus[0].slices[1]
        assert isinstance(piece.header, h264.SliceHeader) and piece.first is not None
        header, nal = piece.header, piece.nal
        first, end = span_of(aus[0], 1)
    rng = np.random.default_rng(7)
    depth = header.sps.bit_depth_luma
    kind = np.uint16 if depth > 8 else np.uint8
    noise = [rng.integers(0, 1 << depth, plane.shape).astype(kind) for plane in planes[0]]
    for plane in noise:
        plane[::7] = 0  # asks for emulation prevention
    stand_in = pcm_standin(header, first, end, noise)
    got, complaints, _ = decode(replaced(aus, {id(nal): stand_in}), "h264")
    assert not complaints
    place = output_index(aus, index)
    for new, old, sent in zip(got[place], planes[place], noise, strict=True):
        hole = hole_of(aus[index], first, end, new.shape)
        assert np.array_equal(new[hole], sent[hole])
        assert np.array_equal(new[~hole], old[~hole])


def test_deblocking_changes_only_the_border() -> None:
    stream = encode_bytes(clip(6, 352, 288), "h264", slices=4, crf=30)
    aus, (planes, _, _) = parse(stream, "h264"), decode(stream, "h264")
    index, header, nal, first, end = victim(aus)
    sent = [plane.astype(np.uint8) for plane in planes[index - 1]]
    got, complaints, _ = decode(replaced(aus, {id(nal): pcm_standin(header, first, end, sent)}), "h264")
    assert not complaints
    top, bottom = first // 22 * 16, -(-end // 22) * 16
    assert np.array_equal(got[index][0][top : bottom - 3], sent[0][top : bottom - 3])
    assert np.array_equal(got[index][0][: top - 3], planes[index][0][: top - 3])
    assert np.array_equal(got[index][0][bottom + 16 :], planes[index][0][bottom + 16 :])


@pytest.mark.parametrize("name", CLIPS)
def test_header_survives_writing(name: str) -> None:
    for au in encoded(name)[0]:
        for piece in au.slices:
            h = piece.header
            assert isinstance(h, h264.SliceHeader)
            w = write_slice_header(h)
            nal = NalUnit(escape(w.aligned()))
            again = h264.parse_slice_header(nal, {h.sps.id: h.sps}, {h.pps.id: h.pps})
            assert again == h


def test_weights_and_list_modification_are_kept() -> None:
    frames = [(frame * (1 - 0.12 * i)).astype(np.uint8) for i, frame in enumerate(clip(1, 352, 288) * 6)]
    extra = {"no-deblock": 1, "weightp": 2, "ref": 3}
    stream = encode_bytes(frames, "h264", slices=3, preset="medium", crf=16, extra=extra)
    aus, (planes, _, _) = parse(stream, "h264"), decode(stream, "h264")
    found = 0
    for index, au in enumerate(aus[1:], 1):
        piece = au.slices[1]
        h = piece.header
        assert isinstance(h, h264.SliceHeader) and piece.first is not None
        if h.weights is None or h.weights[0][0][0] is None or h.list_modification[0] is not None:
            continue
        weight, offset = h.weights[0][0][0]
        end = au.slices[2].first or 0
        got, complaints, _ = decode(replaced(aus, {id(piece.nal): inter_standin(h, piece.first, end)}), "h264")
        assert not complaints
        shift = h.luma_log2_weight_denom
        scaled = planes[index - 1][0] * weight
        expected = np.clip((scaled + (1 << shift >> 1) >> shift) + offset, 0, 255)
        hole = hole_of(au, piece.first, end, expected.shape)
        assert np.array_equal(got[index][0][hole], expected[hole])
        found += 1
    assert found


def test_refusals() -> None:
    aus, planes = encoded("P CABAC")
    _, header, _, first, end = victim(aus)
    intra = aus[0].slices[0].header
    assert isinstance(intra, h264.SliceHeader)
    with pytest.raises(UnsupportedStandInError, match="intra"):
        inter_standin(intra, first, end)
    with pytest.raises(ValueError, match="range"):
        inter_standin(header, first, 22 * 18 + 1)
    with pytest.raises(ValueError, match="int16"):
        inter_standin(header, first, end, np.zeros((1, 2, 2, 2), np.int16))
    with pytest.raises(ValueError, match="planes"):
        pcm_standin(header, first, end, [planes[0][0].astype(np.uint8)])
