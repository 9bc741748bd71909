"""HEVC streams with tiles: no encoder at hand makes any, so P pictures are written here with the writers of stand-ins.

The first picture is x265's, without tiles; each further one has tiles, motion of whole samples and what is left of the
picture as residual, predicted from the one before as libav decodes it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.clips import Clip, Planes, load
from benchmarks.streams import AccessUnit, Encoding, Stream, encoded
from concealer.bitstream import BitWriter, NalUnit, StreamParser, ceil_log2, escape, hevc, join_annexb
from concealer.decoder.hook import BareCore
from concealer.flow import dense_flow
from concealer.standins.hevc import CodedResidual, coded_header, coded_standin, coding_order, lost_picture_header

_STEP = 8
_REACH = 30
"""Most that a vector says, in luma samples; even ones only, so that chroma moves by whole samples too."""


@dataclass(frozen=True)
class Tiling:
    """How pictures are cut into tiles, and those into slices."""

    columns: int
    rows: int
    slices: Literal["one", "each", "dependent"]
    """One slice of all tiles with entry points, one slice for each tile, or a slice segment for each, of which all but
    the first depend on that."""
    across: bool = True
    """Loop filters reach over the borders of tiles and slices."""

    @property
    def name(self) -> str:
        filters = "" if self.across else ", no filters across"
        slices = {"one": "one slice", "each": "a slice each", "dependent": "a dependent slice each"}[self.slices]
        return f"{self.columns}x{self.rows} tiles, {slices}{filters}"


def tiled_pps(tiling: Tiling, number: int = 1, qp: int = 26) -> NalUnit:
    """A picture parameter set with tiles of even size for the SPS 0 of an 8-bit stream of x265."""
    w = BitWriter()
    w.u(hevc.NAL_PPS << 9 | 1, 16)
    w.ue(number)
    w.ue(0)
    w.flag(tiling.slices == "dependent")
    w.u(0, 6)  # no output flag, extra bits, sign hiding, cabac_init
    w.ue(0)
    w.ue(0)
    w.se(qp - 26)
    w.u(0, 3)  # no constrained intra prediction, transform skip, QP differences
    w.se(0)
    w.se(0)
    w.u(0b000010, 6)  # tiles alone
    w.ue(tiling.columns - 1)
    w.ue(tiling.rows - 1)
    w.flag(True)
    w.flag(tiling.across)
    w.flag(tiling.across)
    w.u(0, 3)  # no deblocking control, scaling lists, modification of lists
    w.ue(0)
    w.u(0, 2)
    return NalUnit(escape(w.aligned()))


def tiled(clip: Clip, tiling: Tiling, pictures: int, cache: Path, qp: int = 28) -> Stream:
    """`clip` as such a stream; its size must be a multiple of 16."""
    encoding = Encoding("hevc", "P", 1, slices=1, further="sao=0:ctu=32:rc-lookahead=1", gop=pictures)
    first = encoded(clip, encoding, cache)
    return tiled_after(first, load(clip, pictures), tiling, qp)


def tiled_after(first: Stream, sources: Sequence[Planes], tiling: Tiling, qp: int = 28) -> Stream:
    """A stream of x265 cut after its IDR picture, the further `sources` coded with tiles."""
    intra = first.units[0].payload
    decoder = BareCore("hevc")
    shown = _decoded(decoder, intra)
    parser = StreamParser("hevc")
    (unit,) = parser.push(intra, complete=True)
    like = unit.slices[0].header
    assert isinstance(like, hevc.SliceHeader)
    pps = tiled_pps(tiling)
    header = lost_picture_header(like, 1, [0])
    assert header is not None
    header.pps, header.weights = hevc.parse_pps(pps), None
    header.deblocking_disabled, header.loop_filter_across_slices = False, tiling.across
    header.sao_luma = header.sao_chroma = header.temporal_mvp = False
    units = [AccessUnit(intra, 0)]
    for poc, source in enumerate(sources[1:], 1):
        own = copy.copy(header)
        own.poc_lsb = poc % (1 << own.sps.log2_max_poc_lsb)
        nals = _picture(coded_header(own, qp), source, shown, tiling)
        payload = join_annexb([pps, *nals] if poc == 1 else nals)
        units.append(AccessUnit(payload, poc))
        shown = _decoded(decoder, payload)
    decoder.close()
    return replace(first, units=units, encoding=replace(first.encoding, pictures=len(units)))


def _picture(header: hevc.SliceHeader, source: Planes, reference: Planes, tiling: Tiling) -> list[NalUnit]:
    vectors = _vectors(source[0], reference[0])
    predicted = [_displaced(plane, vectors // (2 if i else 1), 4 if i else 8) for i, plane in enumerate(reference)]
    rest = [own.astype(np.float32) - plane for own, plane in zip(source, predicted, strict=True)]
    motion = np.ascontiguousarray(vectors[None] * 4).astype(np.int16)
    order = coding_order(header.sps, header.pps)
    starts = [place for place in range(order.size) if order.starts_tile(place)] if tiling.slices != "one" else [0]
    nals = []
    for begin, end in zip(starts, [*starts[1:], order.size], strict=True):
        top, bottom = (row << header.sps.log2_ctb for row in order.rows(begin, end))
        rows = [plane[top >> bool(i) : bottom >> bool(i)] for i, plane in enumerate(rest)]
        residual = CodedResidual(header, begin, end, rows)
        levels = residual.levels(header)
        nal = coded_standin(header, begin, end, motion, residual, levels, (0, None))
        nals.append(_dependent(nal, header, order.scan[begin]) if begin and tiling.slices == "dependent" else nal)
    return nals


def _dependent(nal: NalUnit, header: hevc.SliceHeader, address: int) -> NalUnit:
    """A slice that begins a tile, as a dependent segment: its data are the same."""
    parsed = hevc.parse_slice_header(nal, {header.sps.id: header.sps}, {header.pps.id: header.pps})
    w = BitWriter()
    w.u(nal.data[0] << 8 | nal.data[1], 16)
    w.flag(False)
    w.ue(header.pps.id)
    w.flag(True)
    w.u(address, ceil_log2(header.sps.width_ctbs * header.sps.height_ctbs))
    w.ue(0)
    return NalUnit(escape(w.aligned()) + nal.data[hevc.substream_starts(nal, parsed)[0] :])


def _vectors(own: npt.NDArray[np.uint8], reference: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """(rows8, cols8, 2), uniform over 16x16 samples."""
    small = [cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for plane in (own, reference)]
    flow = np.asarray(dense_flow(small[0], small[1], 2))
    middle = cv2.resize(flow, (own.shape[1] // 16, own.shape[0] // 16), interpolation=cv2.INTER_AREA)
    even = np.clip(np.rint(middle / 2) * 2, -_REACH, _REACH).astype(np.int32)
    return even.repeat(2, axis=0).repeat(2, axis=1)


def _displaced(plane: npt.NDArray[np.uint8], vectors: npt.NDArray[np.int32], block: int) -> npt.NDArray[np.uint8]:
    height, width = plane.shape
    field = vectors.repeat(block, 0).repeat(block, 1)[:height, :width]
    y, x = np.mgrid[:height, :width]
    return plane[np.clip(y + field[..., 1], 0, height - 1), np.clip(x + field[..., 0], 0, width - 1)]


def _decoded(decoder: BareCore, payload: bytes) -> Planes:
    buffer = decoder.decode(payload)
    assert buffer is not None
    y, cb, cr = (np.asarray(plane).copy() for plane in buffer.planes)
    return y, cb, cr
