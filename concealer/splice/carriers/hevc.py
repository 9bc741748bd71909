"""Slices that carry repaired samples, in HEVC."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from concealer.bitstream import NalUnit, hevc
from concealer.flow import Array
from concealer.picture import Plane
from concealer.splice.effort import Cost, Effort
from concealer.splice.mirror import Mirror
from concealer.splice.motion import best_prediction
from concealer.splice.open_unit import OpenUnit, Run
from concealer.splice.unit import Written
from concealer.standins import UnsupportedStandInError
from concealer.standins.hevc import (
    CodedResidual,
    coded_header,
    coded_standin,
    coding_order,
    inter_standin,
    intra_coded_standin,
)

_QP, _LEAST_QP, _HURRIED_QP, _MOST_QP = 20, 10, 40, 45
"""As for H.264."""
_COST = Cost(slice=3.0, block=0.018, level=0.003)
_NO_LIMIT = 1 << 40
_ENOUGH = 0.75
"""Part of the blocks whose motion is known; where it is that of fewer it is searched for."""
_BLOCK = 16

Motion = tuple[npt.NDArray[np.int16], tuple[int | None, int | None]]
"""Field and references, as `inter_standin` takes them."""


class HevcCarrier:
    """Writes the runs of every access unit that leaves, and follows what leaves, because references count.

    The mirror decodes the stand-ins without residual first, which shows what the residual is to be added to; then it
    is given the samples that the stand-ins with residual lead to: but for deblocking and, at an ordinary QP, for the
    small error of quantisation.
    """

    def __init__(self, parameter_sets: Sequence[NalUnit], quick: bool = False) -> None:
        """`parameter_sets`: those of the container's header. `quick`: as `Splicer`'s."""
        self._effort = Effort(_COST) if quick else None
        self._mirror = Mirror("hevc", parameter_sets)

    def carry(self, unit: OpenUnit) -> list[Written]:
        """One unit for each run. Raises UnsupportedStandInError where the stream allows none."""
        self._mirror.announce(unit.parameter_sets)
        if not unit.runs:
            self._mirror.pass_by(unit)
            return []
        if self._effort is None:
            return self._write(unit, _NO_LIMIT)
        began, blocks = time.perf_counter(), sum(_blocks(run) for run in unit.runs)
        form: Literal["inter", "intra"] = "intra" if any(_is_intra(run) for run in unit.runs) else "inter"
        written = self._write(unit, self._effort.most(form, blocks, blocks))
        if written[0].form in ("inter", "intra"):
            self._effort.took(blocks, sum(len(one.nal.data) for one in written), time.perf_counter() - began)
        return written

    def begin(self, waited: float) -> None:
        """See `Carrier`."""
        if self._effort is not None:
            self._effort.begin(waited)

    def _write(self, unit: OpenUnit, most: int) -> list[Written]:
        """The runs, with about `most` levels at most."""
        blocks = sum(run.end - run.first for run in unit.runs)
        if any(_is_intra(run) for run in unit.runs):
            quick = self._effort is not None
            intra = [_intra(run, unit, most * (run.end - run.first) // blocks, quick) for run in unit.runs]
            self._mirror.pass_by(replace(unit, nals=[*unit.filled(intra)]))
            return intra
        headers = [_header(run) for run in unit.runs]
        if any(run.repeat for run in unit.runs):
            repeated = [_repeated(header, run) for header, run in zip(headers, unit.runs, strict=True)]
            self._mirror.pass_by(replace(unit, nals=[*unit.filled(repeated)]))
            return repeated
        motions = [self._motion(header, run, unit) for header, run in zip(headers, unit.runs, strict=True)]
        plain = [
            Written(inter_standin(h, run.first, run.end, m[0], references=m[1]), run.first, run.end, "inter")
            for h, run, m in zip(headers, unit.runs, motions, strict=True)
        ]
        planes = self._mirror.follow(unit.filled(plain), unit.order, unit.is_reference, unit.restart)
        if not planes or planes[0].shape[1] != unit.planes[0].shape[1]:
            raise UnsupportedStandInError("a picture whose stand-ins can't be decoded")
        written = []
        for header, run, (field, references) in zip(headers, unit.runs, motions, strict=True):
            residual = CodedResidual(header, run.first, run.end, _residual(header, run, unit, planes))
            share = most * (run.end - run.first) // blocks
            coarser = _coarser(header, residual.excess(header, share))
            levels = residual.levels(coarser)
            nal = coded_standin(coarser, run.first, run.end, field, residual, levels, references)
            written.append(Written(nal, run.first, run.end, "inter"))
            if coarser is not header:
                residual.add(levels, coarser, _rows_of(planes, header, run))
            else:
                _paint(run, unit, planes)
        return written

    def catch_up(self) -> None:
        """Have the mirror decode what has left."""
        self._mirror.catch_up()

    def close(self) -> None:
        """Free the decoder."""
        self._mirror.close()

    def _motion(self, header: hevc.SliceHeader, run: Run, unit: OpenUnit) -> Motion:
        """Motion of the run's blocks towards the first reference of each list; zero where it can't be seen."""
        sps = header.sps
        wanted = unit.planes[0]
        orders = [hevc.first_reference(header, which) for which in range(2 if header.slice_type == hevc.B else 1)]
        field = np.zeros((len(orders), sps.height >> 3, sps.width >> 3, 2), np.int16)
        top, bottom = _rows(header, run)
        first, end = top // _BLOCK, min(bottom, sps.height) // _BLOCK
        if end <= first:
            return field, (0, 0 if len(orders) == 2 else None)
        shape = (len(orders), end - first, wanted.shape[1] // _BLOCK)
        vectors, known = np.zeros((*shape, 2), np.int16), np.zeros(shape, np.bool_)
        for which, (told, where) in enumerate(unit.motion[: len(orders)]):
            rows, cols = told[first:end].shape[:2]
            cols = min(cols, shape[2])
            known[which, :rows, :cols] = where[first:end, :cols]
            vectors[which, :rows, :cols] = np.where(where[first:end, :cols, None], told[first:end, :cols], 0)
        if known.mean() < _ENOUGH:
            seen = [None if delta is None else self._mirror.at(unit.order + delta) for delta in orders]
            pictures = [planes[0] for planes in seen if planes is not None and planes[0].shape[1] == wanted.shape[1]]
            if len(pictures) == len(orders):
                parts = [plane[unit.top : unit.top + wanted.shape[0]] for plane in pictures]
                found = best_prediction(wanted, parts, first - unit.top // _BLOCK, end - unit.top // _BLOCK).vectors
                vectors = np.where(known[..., None], vectors, found[: len(orders)])
        cells = vectors.repeat(2, axis=1).repeat(2, axis=2)
        field[:, top >> 3 : (top >> 3) + cells.shape[1], : cells.shape[2]] = cells[:, :, : field.shape[2]]
        return field, (0, 0 if len(orders) == 2 else None)


def _blocks(run: Run) -> int:
    """Of 16x16 samples."""
    assert isinstance(run.header, hevc.SliceHeader)
    return (run.end - run.first << 2 * run.header.sps.log2_ctb) >> 8


def _is_intra(run: Run) -> bool:
    return run.header.slice_type == hevc.I


def _repeated(header: hevc.SliceHeader, run: Run) -> Written:
    """A slice that shows the reference, or the mean of two."""
    sps, lists = header.sps, 2 if header.slice_type == hevc.B else 1
    field = np.zeros((lists, sps.height >> 3, sps.width >> 3, 2), np.int16)
    nal = inter_standin(header, run.first, run.end, field, references=(0, 0 if lists == 2 else None))
    return Written(nal, run.first, run.end, "skip")


def _intra(run: Run, unit: OpenUnit, most: int, quick: bool) -> Written:
    """An intra slice, where there is nothing to predict from, with about `most` levels at most."""
    header = _header(run)
    top, bottom = _rows(header, run)
    planes = []
    for index, plane in enumerate(unit.planes):
        shift = int(index > 0 and plane.shape[0] < unit.planes[0].shape[0])
        planes.append(plane[top - unit.top >> shift : bottom - unit.top >> shift].astype(np.int64))
    # What is predicted from above leaves about as much as one row of samples differs from the next by.
    steps = CodedResidual(header, run.first, run.end, [np.diff(plane, axis=0, prepend=plane[:1]) for plane in planes])
    header = _coarser(header, steps.excess(header, most), _HURRIED_QP if run.repeat else 0)
    return Written(intra_coded_standin(header, run.first, run.end, planes, quick), run.first, run.end, "intra")


def _header(run: Run) -> hevc.SliceHeader:
    header = run.header
    assert isinstance(header, hevc.SliceHeader)
    qp = max(_LEAST_QP, min(_QP, header.pps.init_qp + header.slice_qp_delta))
    made = copy.copy(coded_header(header, qp))
    # What the inter writer turns off anyway, so that both writings of the slice have the same filters.
    made.sao_luma = made.sao_chroma = False
    return made


def _coarser(header: hevc.SliceHeader, excess: int, least: int = 0) -> hevc.SliceHeader:
    """A header with a QP that is higher by `excess`, and `least` or more; the same one where that changes nothing."""
    now = header.pps.init_qp + header.slice_qp_delta
    qp = max(now, min(_MOST_QP, max(now + excess, least)))
    if qp == now:
        return header
    made = copy.copy(header)
    made.slice_qp_delta += qp - now
    return made


def _rows(header: hevc.SliceHeader, run: Run) -> tuple[int, int]:
    """Luma rows [top, bottom) of the CTB rows that the run touches."""
    top, bottom = coding_order(header.sps, header.pps).rows(run.first, run.end)
    return top << header.sps.log2_ctb, bottom << header.sps.log2_ctb


def _residual(header: hevc.SliceHeader, run: Run, unit: OpenUnit, planes: Sequence[Plane]) -> list[Array]:
    """Wanted minus predicted samples of the rows that the run touches, none outside the run."""
    top, bottom = _rows(header, run)
    inside = _inside(header, run)
    parts = []
    for index, (wanted, seen) in enumerate(zip(unit.planes, planes, strict=True)):
        shift = int(index > 0 and wanted.shape[0] < unit.planes[0].shape[0])
        ours = wanted[top - unit.top >> shift : bottom - unit.top >> shift].astype(np.int32)
        difference = ours - seen[top >> shift : (top >> shift) + ours.shape[0]]
        step = 1 << shift
        difference[~inside[::step, ::step][: difference.shape[0], : difference.shape[1]]] = 0
        parts.append(difference)
    return parts


def _rows_of(planes: Sequence[Plane], header: hevc.SliceHeader, run: Run) -> list[Plane]:
    """The rows of a picture that the run touches."""
    top, bottom = _rows(header, run)
    shifts = [int(plane.shape[0] < planes[0].shape[0]) for plane in planes]
    return [plane[top >> shift : bottom >> shift] for plane, shift in zip(planes, shifts, strict=True)]


def _inside(header: hevc.SliceHeader, run: Run) -> npt.NDArray[np.bool_]:
    """Luma samples of the CTB rows that the run touches: which are the run's."""
    sps = header.sps
    first_row, end_row = coding_order(sps, header.pps).rows(run.first, run.end)
    units = np.zeros((end_row - first_row) * sps.width_ctbs, np.bool_)
    start = first_row * sps.width_ctbs
    units[run.first - start : run.end - start] = True
    size = 1 << sps.log2_ctb
    return units.reshape(-1, sps.width_ctbs).repeat(size, axis=0).repeat(size, axis=1)


def _paint(run: Run, unit: OpenUnit, planes: Sequence[Plane]) -> None:
    """Put the wanted samples of the run into the mirror's picture."""
    header = run.header
    assert isinstance(header, hevc.SliceHeader)
    top, bottom = _rows(header, run)
    inside = _inside(header, run)
    for index, (wanted, seen) in enumerate(zip(unit.planes, planes, strict=True)):
        shift = int(index > 0 and wanted.shape[0] < unit.planes[0].shape[0])
        ours = wanted[top - unit.top >> shift : bottom - unit.top >> shift]
        step = 1 << shift
        mask = inside[::step, ::step][: ours.shape[0], : ours.shape[1]]
        np.copyto(seen[top >> shift : (top >> shift) + ours.shape[0]], ours, where=mask)
