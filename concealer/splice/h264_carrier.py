"""Slices that carry repaired samples, in H.264."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from concealer.bitstream import h264
from concealer.bitstream.h264_coded_standin import InterBlocks, coded_header, h264_coded_standin
from concealer.bitstream.h264_inter_standin import h264_inter_standin
from concealer.bitstream.h264_motion import Span
from concealer.bitstream.h264_pcm_standin import h264_pcm_standin
from concealer.bitstream.h264_pps_copy import with_cavlc
from concealer.bitstream.h264_transform import Quantiser
from concealer.bitstream.nal import NalUnit
from concealer.bitstream.standin_error import UnsupportedStandInError
from concealer.picture import Plane
from concealer.splice.job import Job, Run, filled
from concealer.splice.mirror import Mirror
from concealer.splice.motion import best_prediction
from concealer.splice.unit import Written

log = logging.getLogger(__name__)

_QP, _LEAST_QP = 20, 10
"""Quantisation whose error is small beside that of a repair; 18 to 24 differ by less than 0.1 dB of sequence PSNR."""
_FINER = 2
"""QP by which ours lies at least below that of the stream."""
_LESS = 3
"""QP by which it is coarser in pictures nobody refers to."""


class H264Carrier:
    """Writes the runs of every access unit that leaves, and follows what leaves, because references count."""

    def __init__(self, parameter_sets: Sequence[NalUnit]) -> None:
        """`parameter_sets`: those of the container's header."""
        self._mirror = Mirror("h264", parameter_sets)

    def carry(self, job: Job) -> list[Written]:
        """One unit for each run. Raises UnsupportedStandInError where the stream allows none."""
        written = [self._write(run, job) for run in job.runs]
        self._mirror.follow(filled(job.nals, written), job.order, job.is_reference, job.restart)
        return written

    def close(self) -> None:
        """Free the decoder."""
        self._mirror.close()

    def _write(self, run: Run, job: Job) -> Written:
        header = run.header
        assert isinstance(header, h264.SliceHeader)
        if not header.sps.chroma_array_type:
            # The decoder makes up grey chroma for monochrome streams.
            job = replace(job, planes=job.planes[:1])
        if run.repeat:
            return Written(h264_inter_standin(header, run.first, run.end), run.first, run.end, "skip")
        try:
            coded = self._coded(header, run, job)
        except UnsupportedStandInError as error:
            log.debug("no coded stand-in: %s", error)
            coded = None
        if coded is not None and len(coded.data) < _pcm_bytes(header.sps) * (run.end - run.first):
            return Written(coded, run.first, run.end, "inter")
        return Written(h264_pcm_standin(header, run.first, run.end, _whole(job)), run.first, run.end, "pcm")

    def _coded(self, sibling: h264.SliceHeader, run: Run, job: Job) -> NalUnit | None:
        """An inter slice with residual; None where there is nothing to predict from."""
        references = self._references(run.kind, job.order)
        if not references or any(plane.shape[1] != job.planes[0].shape[1] for plane in references):
            return None
        # What nobody refers to shows its error once.
        qp = min(_QP, sibling.pps.pic_init_qp + sibling.slice_qp_delta - _FINER)
        qp = max(_LEAST_QP, qp) + (0 if job.is_reference else _LESS)
        header = coded_header(sibling, run.first, run.end, h264.B if len(references) == 2 else h264.P, qp)
        span = Span(run.first, run.end, header.sps.width_mbs)
        bottom = job.top + job.planes[0].shape[0]
        seen = [plane[job.top : bottom] for plane in references]
        rows = (row - job.top // 16 for row in span.rows)
        modes, vectors = best_prediction(job.planes[0], seen, *rows)
        inside = _inside(span)
        blocks = InterBlocks(modes.reshape(-1)[inside], vectors.reshape(2, -1, 2)[:, inside])
        question = copy.copy(header)
        question.nal_ref_idc, question.marking = 0, None
        question.pps = with_cavlc(header.pps)
        predicted = self._mirror.probe([question.pps.nal, h264_coded_standin(question, run.first, run.end, blocks)])
        if not predicted:
            return None
        pairs = zip(macroblocks(job.planes, span, job.top), macroblocks(predicted, span), strict=True)
        quantiser = Quantiser(header.sps, header.pps, qp, False, 0.33)
        blocks.residual = quantiser.inter([wanted - guess for wanted, guess in pairs])
        return h264_coded_standin(header, run.first, run.end, blocks)

    def _references(self, kind: str, order: int) -> list[Plane]:
        """Luma of the first reference of each list; none where a slice must be intra."""
        if kind == "B":
            around = self._mirror.around(order)
            if around is not None:
                return [planes[0] for planes in around]
        latest = self._mirror.latest()
        return [] if kind == "I" or latest is None else [latest[0]]


def _inside(span: Span) -> slice:
    """The slice's macroblocks among those of the rows it touches."""
    start = span.rows[0] * span.width
    return slice(span.first - start, span.end - start)


def _whole(job: Job) -> list[Plane]:
    """Planes that begin with the picture's first row; above the job's own they hold nothing."""
    planes = []
    for index, plane in enumerate(job.planes):
        above = job.top * plane.shape[0] // job.planes[0].shape[0] if index else job.top
        planes.append(np.concatenate([np.zeros((above, plane.shape[1]), plane.dtype), plane]))
    return planes


def macroblocks(planes: Sequence[Plane], span: Span, top_row: int = 0) -> list[npt.NDArray[np.int16]]:
    """Samples of the macroblocks of a progressive slice: (n, 16, 16) luma, (n, 8, 8) Cb and Cr of 4:2:0.

    The planes begin with the picture's luma row `top_row`.
    """
    top, bottom = (row - top_row // 16 for row in span.rows)
    parts = []
    for index, plane in enumerate(planes):
        side = 8 if index else 16
        rows = plane[top * side : bottom * side, : span.width * side]
        blocks = rows.reshape(bottom - top, side, span.width, side).transpose(0, 2, 1, 3)
        parts.append(blocks.reshape(-1, side, side)[_inside(span)].astype(np.int16))
    return parts


def _pcm_bytes(sps: h264.Sps) -> int:
    """Of an I_PCM macroblock."""
    chroma = (0, 128, 256, 512)[sps.chroma_array_type]
    return (256 * sps.bit_depth_luma + chroma * sps.bit_depth_chroma) // 8
