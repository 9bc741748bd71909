"""Slices that carry repaired samples, in H.264."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from concealer.bitstream import NalUnit, h264
from concealer.flow import Array
from concealer.picture import Plane
from concealer.splice.carriers.macroblocks import in_coding_order, macroblocks
from concealer.splice.effort import Cost, Effort
from concealer.splice.mirror import Mirror
from concealer.splice.motion import Prediction, best_prediction
from concealer.splice.open_unit import OpenUnit, Run
from concealer.splice.unit import Form, Written
from concealer.standins import UnsupportedStandInError
from concealer.standins.h264 import (
    BitBudget,
    InterBlocks,
    Quantiser,
    Span,
    coarseness,
    coded_header,
    coded_standin,
    inter_standin,
    intra_standin,
    pcm_standin,
    slice_span,
    transformed,
    vertical_range,
    with_cavlc,
    with_header,
)

log = logging.getLogger(__name__)

_QP, _LEAST_QP = 20, 10
"""Quantisation whose error is small beside that of a repair; no finer than the stream's own is needed."""
_COST = Cost(slice=3.0, block=0.012, level=0.0024)
_FINER, _MOST_FINER = 2, 4
"""QP by which it is finer for each halving of the part of a slice that did not arrive, and at most."""
_HURRIED_QP = 40
"""Of intra slices that are wanted at once."""
_LESS = 2
"""QP by which it is coarser in pictures nobody refers to."""
_UNFILTERED_QP = 15
"""Greatest QP at which deblocking changes nothing (Table 8-16)."""
_COARSER, _MOST_QP = 5, 45
"""Step and limit of the QP where the level leaves less room."""
_NO_LIMIT = 1 << 40
_TAILS = b"", b"\xff" * 16
"""Two ends that differ from the first bit on."""


@dataclass
class _InterRun:
    """A run that is predicted from references."""

    sibling: h264.SliceHeader
    span: Span
    slice_type: int
    blocks: InterBlocks
    residual: list[Array]
    """`transformed`."""
    form: Form = "inter"

    def code(self, qp: int) -> NalUnit:
        """The slice."""
        header = coded_header(self.sibling, self.span.first, self.span.end, self.slice_type, qp)
        quantiser = Quantiser(header.sps, header.pps, qp, False, field_coded=self.span.field_coded)
        self.blocks.residual = quantiser.inter(self.residual)
        return coded_standin(header, self.span.first, self.span.end, self.blocks)

    def excess(self, qp: int, most: int) -> int:
        """See `Quantiser.excess`."""
        return Quantiser(self.sibling.sps, self.sibling.pps, qp, False).excess(self.residual, most)


@dataclass
class _IntraRun:
    """A run that is predicted from nothing."""

    sibling: h264.SliceHeader
    span: Span
    wanted: list[Array]
    """As of `macroblocks`."""
    form: Form = "intra"

    def code(self, qp: int) -> NalUnit:
        """The slice."""
        header = coded_header(self.sibling, self.span.first, self.span.end, h264.I, qp)
        field_pairs = self.span.pairs and self.span.field_coded
        return intra_standin(header, self.span.first, self.span.end, self.wanted, field_pairs=field_pairs)

    def excess(self, qp: int, most: int) -> int:
        """As of an inter run; vertical prediction leaves about what one row of samples differs from the next by."""
        steps = [transformed(plane - plane[:, :1]) for plane in self.wanted]
        return Quantiser(self.sibling.sps, self.sibling.pps, qp, True).excess(steps, most)


@dataclass
class _Site:
    """Where a run lies: in a frame, or in one field of it."""

    planes: Sequence[Plane]
    """Of the frame or field, from its luma row `top` on."""
    top: int
    rows: slice
    """Those of the frame that belong to it."""

    @classmethod
    def of(cls, header: h264.SliceHeader, unit: OpenUnit) -> _Site:
        """Of a run with that header."""
        if not header.field_pic:
            return cls(unit.planes, unit.top, slice(None))
        rows = slice(int(header.bottom_field), None, 2)
        return cls([plane[rows] for plane in unit.planes], unit.top // 2, rows)

    def seen(self, plane: Plane) -> Plane:
        """The same rows of another frame's plane."""
        return plane[self.rows][self.top : self.top + self.planes[0].shape[0]]


class H264Carrier:
    """Writes the runs of every access unit that leaves, and follows what leaves, because references count."""

    def __init__(self, parameter_sets: Sequence[NalUnit], seconds: float, quick: bool = False) -> None:
        """`parameter_sets`: those of the container's header; `seconds`: from one picture to the next; `quick`: as
        `Splicer`'s.
        """
        self._effort = Effort(_COST) if quick else None
        self._mirror = Mirror("h264", parameter_sets)
        self._budget = BitBudget(seconds)

    def carry(self, unit: OpenUnit) -> list[Written]:
        """One unit for each run. Raises UnsupportedStandInError where the stream allows none."""
        self._mirror.announce(unit.parameter_sets)
        sps = unit.sps
        size = sum(len(nal.data) for nal in unit.nals if nal is not None)
        to_do = sum(run.end - run.first for run in unit.runs)
        written: list[Written] = []
        for run in unit.runs:
            allowed = self._budget.left(sps, size) if isinstance(sps, h264.Sps) else _NO_LIMIT
            count = run.end - run.first
            most = (
                self._effort.most("intra" if run.kind == "I" else "inter", count, to_do)
                if self._effort is not None
                else _NO_LIMIT
            )
            began = time.perf_counter()
            made = self._write(run, unit, allowed * count // to_do, most)
            if self._effort is not None and made.form in ("inter", "intra"):
                self._effort.took(count, len(made.nal.data), time.perf_counter() - began)
            written.append(made)
            to_do -= run.end - run.first
            size += len(made.nal.data)
        if isinstance(sps, h264.Sps):
            self._budget.spend(sps, size)
        self._mirror.pass_by(replace(unit, nals=[*unit.filled(written)]))
        return written

    def begin(self, waited: float) -> None:
        """See `Carrier`."""
        if self._effort is not None:
            self._effort.begin(waited)

    def catch_up(self) -> None:
        """Have the mirror decode what has left."""
        self._mirror.catch_up()

    def close(self) -> None:
        """Free the decoder."""
        self._mirror.close()

    def _write(self, run: Run, unit: OpenUnit, allowed: int, most: int) -> Written:
        """The smallest form, coarser where it would weigh more than `allowed` bytes or have more than `most` levels."""
        header = run.header
        assert isinstance(header, h264.SliceHeader)
        if run.rest is not None and self._is_whole(header, run, unit):
            return Written(run.rest, run.first, run.end, "cut")
        if run.repeat and run.kind != "I":
            return Written(inter_standin(header, run.first, run.end), run.first, run.end, "skip")
        if not header.sps.chroma_array_type:
            # The decoder makes up grey chroma for monochrome streams.
            unit = replace(unit, planes=unit.planes[:1])
        exact = _pcm_bytes(header.sps) * (run.end - run.first)
        try:
            coder = self._coder(header, run, unit)
            qp = _first_qp(header, unit.is_reference, coder.form == "intra", run.arrived)
            if header.pps.deblocking_filter_control_present:
                qp = min(_MOST_QP, qp + coder.excess(qp, most))
            qp = max(qp, _HURRIED_QP) if run.repeat else qp
            coded = coder.code(qp)
            while len(coded.data) > min(allowed, exact) and qp < _MOST_QP and exact > allowed:
                qp = min(_MOST_QP, qp + _COARSER)
                coded = coder.code(qp)
            if len(coded.data) < exact:
                return Written(coded, run.first, run.end, coder.form)
        except UnsupportedStandInError as error:
            log.debug("no coded stand-in: %s", error)
        whole = _whole(_Site.of(header, unit))
        return Written(pcm_standin(header, run.first, run.end, whole), run.first, run.end, "pcm")

    def _coder(self, sibling: h264.SliceHeader, run: Run, unit: OpenUnit) -> _InterRun | _IntraRun:
        """What writes the run: an inter slice with residual, or an intra slice without a reference."""
        site = _Site.of(sibling, unit)
        references = self._references(run.kind, unit.order)
        if any(plane.shape[1] != unit.planes[0].shape[1] for plane in references):
            references = []
        if not references:
            span = slice_span(sibling, run.first, run.end, sibling.mbaff and _is_woven(site.planes[0]))
            return _IntraRun(sibling, span, macroblocks(site.planes, span, site.top))
        slice_type = h264.B if len(references) == 2 else h264.P
        span, blocks = self._prediction([site.seen(plane) for plane in references], sibling, run, site)
        wanted = macroblocks(site.planes, span, site.top)
        question = coded_header(sibling, run.first, run.end, slice_type, _QP)
        question.nal_ref_idc, question.marking = 0, None
        question.pps = with_cavlc(question.pps)
        seen = self._ask(question, coded_standin(question, run.first, run.end, blocks))
        if not seen:
            raise UnsupportedStandInError("the prediction can't be decoded")
        guessed = macroblocks([plane[site.rows] for plane in seen[: len(wanted)]], span)
        differences = [transformed(a - b) for a, b in zip(wanted, guessed, strict=True)]
        return _InterRun(sibling, span, slice_type, blocks, differences)

    def _is_whole(self, header: h264.SliceHeader, run: Run, unit: OpenUnit) -> bool:
        """Whether the end of what came of a slice is its end: what stands behind it then does not matter."""
        asked = copy.copy(header)
        asked.nal_ref_idc, asked.nal_unit_type, asked.marking = 0, h264.NAL_SLICE, None
        span, site = slice_span(header, run.first, run.end), _Site.of(header, unit)
        shown = []
        for tail in _TAILS:
            slice_ = with_header(asked, header, run.rest, tail) if run.rest is not None else None
            planes = self._ask(asked, slice_) if slice_ is not None else ()
            if not planes:
                return False
            shown.append(macroblocks([plane[site.rows] for plane in planes[:1]], span)[0])
        return np.array_equal(shown[0], shown[1])

    def _ask(self, header: h264.SliceHeader, slice_: NalUnit) -> tuple[Plane, ...]:
        """What a slice with that header shows, which is the first one with its parameter set."""
        parts = [[header.pps.nal, slice_]]
        if header.field_pic:
            # The decoder waits for the other field of the frame.
            size = header.sps.width_mbs * header.sps.height_mbs >> 1
            other = copy.copy(header)
            other.bottom_field = not header.bottom_field
            parts.append([inter_standin(coded_header(other, 0, size, h264.P, _QP), 0, size)])
        return self._mirror.probe(parts)

    def _prediction(
        self, references: Sequence[Plane], header: h264.SliceHeader, run: Run, site: _Site
    ) -> tuple[Span, InterBlocks]:
        """How the macroblocks are predicted from luma of the reference pictures, cut as that of the site."""
        target, ways = site.planes[0], [False]
        if header.mbaff:
            # Where somebody waits it is not searched twice.
            ways = [False, True] if self._effort is None else [_is_woven(target)]
        top, bottom = (row - site.top // 16 for row in slice_span(header, run.first, run.end).rows)
        found, field_pairs = min(
            ((_best(target, references, top, bottom, way), way) for way in ways), key=lambda one: one[0].errors.sum()
        )
        span = slice_span(header, run.first, run.end, field_pairs)
        modes = in_coding_order(found.modes, span)
        vectors = np.stack([in_coding_order(one, span) for one in found.vectors])
        highest = vertical_range(header.sps, span.field_coded)
        np.clip(vectors[..., 1], -highest, highest - 1, out=vectors[..., 1])
        return span, InterBlocks(modes, vectors, field_pairs=field_pairs)

    def _references(self, kind: str, order: int) -> list[Plane]:
        """Luma of the first reference of each list; none where a slice must be intra."""
        if kind == "B":
            around = self._mirror.around(order)
            if around is not None:
                return [planes[0] for planes in around]
        latest = self._mirror.latest()
        return [] if kind == "I" or latest is None else [latest[0]]


def _first_qp(header: h264.SliceHeader, is_reference: bool, intra: bool, arrived: float) -> int:
    """QP at which a stand-in is written where there is room. arrived: see `Run`."""
    qp = max(_LEAST_QP, min(_QP, header.pps.pic_init_qp + header.slice_qp_delta))
    # The less of it is made up, the smaller is the mean error of that, beside which this one is to be small.
    qp = max(_LEAST_QP, qp - min(round(_FINER * -math.log2(max(1 - arrived, 1e-3))), _MOST_FINER))
    # What nobody refers to shows its error once.
    qp += 0 if is_reference else _LESS
    qp = max(0, qp - coarseness(header.sps, header.pps, intra))
    # Where deblocking can't be turned off it is to find nothing to do (Table 8-16).
    return qp if header.pps.deblocking_filter_control_present else min(qp, _UNFILTERED_QP)


def _whole(site: _Site) -> list[Plane]:
    """Planes that begin with the picture's first row; above the unit's own they hold nothing."""
    planes = []
    for plane in site.planes:
        above = site.top * plane.shape[0] // site.planes[0].shape[0]
        planes.append(np.concatenate([np.zeros((above, plane.shape[1]), plane.dtype), plane]))
    return planes


def _best(target: Plane, references: Sequence[Plane], top: int, bottom: int, by_field: bool) -> Prediction:
    """The prediction of rows [top, bottom) of macroblocks of a frame, or of a row of each field in turns."""
    if not by_field:
        return best_prediction(target, references, top, bottom)
    fields = (
        best_prediction(target[which::2], [plane[which::2] for plane in references], top // 2, bottom // 2)
        for which in (0, 1)
    )
    return Prediction.of_two_fields(*fields)


def _is_woven(luma: Plane) -> bool:
    """Whether rows are more like those of their own field than like those beside them."""
    rows = luma.astype(np.int16)
    return float(np.abs(rows[2:] - rows[:-2]).mean()) < float(np.abs(rows[1:] - rows[:-1]).mean())


def _pcm_bytes(sps: h264.Sps) -> int:
    """Of an I_PCM macroblock."""
    chroma = (0, 128, 256, 512)[sps.chroma_array_type]
    return (256 * sps.bit_depth_luma + chroma * sps.bit_depth_chroma) // 8
