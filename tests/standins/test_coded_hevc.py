"""HEVC stand-ins with motion and residual, told right from wrong by decoding them."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import AccessUnit, hevc, join_annexb
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.hevc.coded import CodedResidual, coded_header, coded_standin
from concealer.standins.hevc.inter import inter_standin
from concealer.standins.hevc.intra_coded import intra_coded_standin
from concealer.standins.hevc.intra_rows import IntraRows
from concealer.standins.hevc.residual import hide_signs
from tests.media import clip, encode_bytes
from tests.standins.splicing import Planes, decode, output_index, parse, replaced

CLIPS = {
    "P": dict(),
    "B": dict(bframes=2),
    "P 10 bit": dict(pix_fmt="yuv420p10le"),
    "P CTBs of 16": dict(extra={"ctu": 16}),
    "P no hidden signs": dict(extra={"no-signhide": 1}),
    "P deep transform trees": dict(extra={"tu-inter-depth": 3}),
    "B small quantisation groups": dict(bframes=2, extra={"qg-size": 16}),
    "P transform skip": dict(extra={"tskip": 1}),
    "P no adaptive quantiser": dict(extra={"aq-mode": 0, "cutree": 0}),
    "P chroma offset": dict(extra={"cbqpoffs": -3, "crqpoffs": 4}),
}


@cache
def encoded(name: str) -> tuple[list[AccessUnit], list[Planes]]:
    stream = encode_bytes(clip(6, 352, 288, seed=2), "hevc", slices=2, crf=22, **CLIPS[name])  # type: ignore[arg-type]
    planes, complaints, _ = decode(stream, "hevc")
    assert not complaints
    return parse(stream, "hevc"), planes


@pytest.mark.parametrize("name", list(CLIPS))
@pytest.mark.parametrize("qp", [10, 22, 36])
def test_residual_brings_the_wanted_samples(name: str, qp: int) -> None:
    aus, planes = encoded(name)
    index = next((i for i, au in enumerate(aus[2:], 2) if au.kind == name[0]), 4)
    au, place = aus[index], output_index(aus, index)
    sibling, end = au.slices[0].header, au.slices[1].first
    assert isinstance(sibling, hevc.SliceHeader) and end is not None
    header = coded_header(sibling, qp)
    lists = 2 if au.kind == "B" else 1
    motion = np.zeros((lists, 36, 44, 2), np.int16)
    # From block to block another vector above, one for all below: CUs of 16 and larger ones.
    motion[:, :14] = np.random.default_rng(qp).integers(-20, 20, (lists, 7, 22, 2)).repeat(2, 1).repeat(2, 2)
    references = (0, 0 if lists == 2 else None)
    plain = inter_standin(header, 0, end, motion, references=references)
    predicted = decode(replaced(aus, {id(au.slices[0].nal): plain}), "hevc")[0][place]
    rows = end // sibling.sps.width_ctbs << sibling.sps.log2_ctb
    residual = [
        a[: rows >> (i > 0)] - b[: rows >> (i > 0)]
        for i, (a, b) in enumerate(zip(planes[place], predicted, strict=True))
    ]
    # Blocks without residual between those with one.
    residual[0][32:48] = 0
    residual[1][16:24] = residual[2][16:24] = 0
    blocks = CodedResidual(header, 0, end, residual)
    levels = blocks.levels(header)
    nal = coded_standin(header, 0, end, motion, blocks, levels, references)
    stream = replaced(aus, {id(au.slices[0].nal): nal})
    got, complaints, _ = decode(stream, "hevc")
    assert not complaints
    step = 2 ** ((qp - 4) / 6) * (4 if "10 bit" in name else 1)
    for i, (wanted, ours) in enumerate(zip(planes[place], got[place], strict=True)):
        inner = slice(48 >> (i > 0), rows - 16 >> (i > 0))
        error = np.sqrt(np.mean((wanted[inner] - ours[inner]) ** 2.0))
        assert error < 0.6 * step + 1.2, (i, error)
    shown = [plane[: rows >> (i > 0)].copy() for i, plane in enumerate(predicted)]
    blocks.add(levels, header, shown)
    for ours, told in zip(got[place], shown, strict=True):
        # Deblocking, which x265's streams don't let us turn off, works across the borders of blocks alone.
        assert np.median(np.abs(ours[: len(told)].astype(int) - told)) == 0


INTRA = {
    "": dict(),
    "10 bit": dict(pix_fmt="yuv420p10le"),
    "CTBs of 16": dict(extra={"ctu": 16}),
    "no hidden signs": dict(extra={"no-signhide": 1}),
    "deep transform trees": dict(extra={"tu-intra-depth": 3}),
    "small quantisation groups": dict(extra={"qg-size": 16}),
}


@pytest.mark.parametrize("name", list(INTRA))
@pytest.mark.parametrize("number", [0, 1])
def test_intra_slice_in_an_irap_picture(name: str, number: int) -> None:
    stream = encode_bytes(clip(1, 176, 288, seed=2), "hevc", slices=2, crf=22, **INTRA[name])  # type: ignore[arg-type]
    (au,), (planes,) = parse(stream, "hevc"), decode(stream, "hevc")[0]
    sibling, border = au.slices[0].header, au.slices[1].first
    assert isinstance(sibling, hevc.SliceHeader) and border is not None
    sps = sibling.sps
    first, end = ((0, border), (border, sps.width_ctbs * sps.height_ctbs))[number]
    rows = slice(first // sps.width_ctbs << sps.log2_ctb, min(end // sps.width_ctbs << sps.log2_ctb, sps.height))
    cut = [slice(rows.start >> shift, rows.stop >> shift) for shift in (0, 1, 1)]
    wanted = [plane[part].astype(np.int64) for plane, part in zip(planes, cut, strict=True)]
    nal = intra_coded_standin(coded_header(sibling, 20), first, end, wanted)
    got, complaints, _ = decode(replaced([au], {id(au.slices[number].nal): nal}), "hevc")
    assert not complaints
    step = 2 ** (16 / 6) * (4 if name == "10 bit" else 1)
    for plane, ours, part in zip(wanted, got[0], cut, strict=True):
        assert np.sqrt(np.mean((plane - ours[part]) ** 2.0)) < 0.5 * step


@pytest.mark.parametrize("size", [(176, 288), (184, 296), (184, 288)])
@pytest.mark.parametrize("ctu", [16, 32, 64])
@pytest.mark.parametrize("border", [1, 4, 7])
@pytest.mark.parametrize("quick", [False, True])
def test_intra_slices_that_begin_within_a_row(size: tuple[int, int], ctu: int, border: int, quick: bool) -> None:
    extra: dict[str, str | int] = {"ctu": ctu, "wpp": 0, "no-deblock": 1}
    stream = encode_bytes(clip(1, *size, seed=2), "hevc", crf=22, extra=extra)
    (au,), (planes,) = parse(stream, "hevc"), decode(stream, "hevc")[0]
    sibling = au.slices[0].header
    assert isinstance(sibling, hevc.SliceHeader)
    header = coded_header(sibling, 20)
    sps = sibling.sps
    made, shown = [], []
    for first, end in [(0, border), (border, au.rows * au.cols)]:
        top, bottom = first // sps.width_ctbs << sps.log2_ctb, -(-end // sps.width_ctbs) << sps.log2_ctb
        wanted = [
            plane[top >> shift : min(bottom, sps.height) >> shift].astype(np.int64)
            for plane, shift in zip(planes, (0, 1, 1), strict=True)
        ]
        made.append(intra_coded_standin(header, first, end, wanted, quick))
        shown.append((first, end, top, IntraRows(header, first, end, wanted, quick).shown))
    nals = [nal for nal in au.nals if nal is not au.slices[0].nal]
    got, complaints, _ = decode(join_annexb([*nals, *made]), "hevc")
    assert not complaints
    for first, end, top, told in shown:
        for index, (ours, plane) in enumerate(zip(told, got[0], strict=True)):
            side = 1 << sps.log2_ctb - (index > 0)
            for place in range(first, end):
                y, x = divmod(place, sps.width_ctbs)
                y, x = y * side, x * side
                start = y - (top >> (index > 0))
                np.testing.assert_array_equal(
                    ours[start : start + side, x : x + side], plane[y : y + side, x : x + side]
                )


def test_great_levels() -> None:
    """Escape codes of every length: the decoder must not lose its place."""
    aus, _ = encoded("P")
    au = aus[4]
    sibling, end = au.slices[0].header, au.slices[1].first
    assert isinstance(sibling, hevc.SliceHeader) and end is not None
    rng = np.random.default_rng(3)
    residual = [rng.integers(-255, 255, (128 >> (i > 0), 352 >> (i > 0))) for i in range(3)]
    residual[0][::16] *= 40
    motion = np.zeros((1, 36, 44, 2), np.int16)
    header = coded_header(sibling, 1)
    blocks = CodedResidual(header, 0, end, residual)
    nal = coded_standin(header, 0, end, motion, blocks, blocks.levels(header), (0, None))
    assert not decode(replaced(aus, {id(au.slices[0].nal): nal}), "hevc")[1]


def test_hidden_signs_keep_the_places_of_levels() -> None:
    rng = np.random.default_rng(5)
    exact = rng.normal(0, 1.5, (200, 16, 16)).astype(np.float32)
    levels: npt.NDArray[np.int64] = np.rint(exact).astype(np.int64)
    before = levels.copy()
    hide_signs(levels, exact)
    assert np.array_equal(levels != 0, before != 0)
    assert np.abs(levels - before).max() == 1
    changed = (levels != before).reshape(200, 4, 4, 4, 4).sum(axis=(2, 4))
    assert changed.max() == 1 and 0 < changed.mean() < 0.6


@pytest.mark.parametrize(
    ("options", "reason"), [({"pix_fmt": "yuv422p"}, "4:2:2"), ({"extra": {"scaling-list": "default"}}, "scaling")]
)
def test_what_is_not_written_is_refused(options: dict[str, object], reason: str) -> None:
    stream = encode_bytes(clip(2, 176, 288), "hevc", **options)  # type: ignore[arg-type]
    header = parse(stream, "hevc")[1].slices[0].header
    assert isinstance(header, hevc.SliceHeader)
    with pytest.raises(UnsupportedStandInError, match=reason):
        coded_header(header, 20)
