"""Slices that carry repaired samples, in H.264."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from concealer.bitstream import h264
from concealer.bitstream.access_unit import AccessUnit, MissingPicture
from concealer.bitstream.h264_coded_standin import InterBlocks, coded_header, h264_coded_standin
from concealer.bitstream.h264_inter_standin import h264_inter_standin
from concealer.bitstream.h264_motion import Span
from concealer.bitstream.h264_pcm_standin import h264_pcm_standin
from concealer.bitstream.h264_transform import Quantiser
from concealer.bitstream.lost_picture_header import h264_lost_picture_header
from concealer.bitstream.nal import NalUnit
from concealer.bitstream.standin_error import UnsupportedStandInError
from concealer.picture import Plane
from concealer.splice.mirror import Mirror
from concealer.splice.motion import best_prediction
from concealer.splice.plan import Plan
from concealer.splice.unit import Target, Written

log = logging.getLogger(__name__)

QP = 18


class H264Writer:
    """Writes stand-ins; told of every access unit that leaves (`passed`), because references count."""

    def __init__(self, parameter_sets: Sequence[NalUnit]) -> None:
        self._mirror = Mirror("h264", parameter_sets)
        self._header: h264.SliceHeader | None = None
        """Of the last picture that left."""
        self._order = 0
        self._poc = 0
        self._frame_num: int | None = None
        """Of the last reference picture that left."""

    def passed(self, nals: Sequence[NalUnit], au: AccessUnit) -> None:
        """An access unit leaves with these NAL units."""
        self._mirror.follow(nals, au.order, au.is_reference, au.is_irap)
        header = next((s.header for s in au.slices if isinstance(s.header, h264.SliceHeader)), None)
        if header is not None:
            self._remember(header, au.order, au.poc or 0)

    def _remember(self, header: h264.SliceHeader, order: int, poc: int) -> None:
        self._header, self._order, self._poc = header, order, poc
        if header.nal_ref_idc:
            self._frame_num = 0 if header.has_mmco5 else header.frame_num

    def write(self, au: AccessUnit, plan: Plan, target: Target) -> list[Written]:
        """Slices for the runs of `plan`, ascending."""
        sibling = _sibling(plan)
        kind = {"P": h264.P, "B": h264.B}.get(au.kind, h264.I)
        return [self._carry(sibling, first, end, target, kind, au.order) for first, end in plan.runs]

    def write_picture(self, missing: MissingPicture, target: Target) -> list[Written]:
        """A whole picture that was lost."""
        header = self._lost_header(missing)
        end = header.sps.width_mbs * header.sps.height_mbs
        written = [self._carry(header, 0, end, target, header.slice_type, missing.order)]
        self._mirror.follow([one.nal for one in written], missing.order, missing.is_reference, header.is_idr)
        self._remember(header, missing.order, missing.poc)
        return written

    def repeat(self, order: int) -> list[Written]:
        """A picture no other refers to, that repeats the last reference picture; nothing before the first."""
        like = self._header
        if like is None or self._frame_num is None:
            return []
        following = (self._frame_num + 1) % (1 << like.sps.log2_max_frame_num)
        header = h264_lost_picture_header(like, following, self._poc + order - self._order, False)
        end = header.sps.width_mbs * header.sps.height_mbs
        return [Written(h264_inter_standin(header, 0, end), 0, end, "skip")]

    def _lost_header(self, missing: MissingPicture) -> h264.SliceHeader:
        like = self._header
        if like is None or missing.frame_num is None:
            raise UnsupportedStandInError("a lost picture with nothing before it")
        header = h264_lost_picture_header(like, missing.frame_num, missing.poc, missing.is_reference)
        expected = None if self._frame_num is None else (self._frame_num + 1) % (1 << like.sps.log2_max_frame_num)
        if missing.frame_num == 0 and expected != 0:
            # Counting starts anew: this was an IDR picture.
            header.slice_type = h264.I
            header.nal_unit_type, header.nal_ref_idc = h264.NAL_IDR, 3
            header.idr_pic_id = (like.idr_pic_id + 1) % 2 if like.is_idr else 1
            header.no_output_of_prior_pics = header.long_term_reference = False
        return header

    def _carry(self, sibling: h264.SliceHeader, first: int, end: int, target: Target, kind: int, order: int) -> Written:
        """The smaller form of the two that carry the samples of macroblocks `first`..`end` - 1."""
        exact = h264_pcm_standin(sibling, first, end, target.planes)
        try:
            coded = self._coded(sibling, first, end, target, kind, order)
        except UnsupportedStandInError as error:
            log.debug("no coded stand-in: %s", error)
            coded = None
        if coded is not None and len(coded.data) < len(exact.data):
            return Written(coded, first, end, "inter")
        return Written(exact, first, end, "pcm")

    def _coded(
        self, sibling: h264.SliceHeader, first: int, end: int, target: Target, kind: int, order: int
    ) -> NalUnit | None:
        """An inter slice with residual; None where there is nothing to predict from."""
        pair = self._mirror.around(order) if kind == h264.B else None
        latest = self._mirror.latest()
        if kind == h264.I or latest is None:
            return None
        references = [planes[0] for planes in pair] if pair is not None else [latest[0]]
        if any(plane.shape != target.planes[0].shape for plane in references):
            return None
        header = coded_header(sibling, first, end, h264.B if pair is not None else h264.P, QP)
        span = Span(first, end, header.sps.width_mbs)
        modes, vectors = best_prediction(target.planes[0], references, *span.rows)
        inside = slice(first - span.rows[0] * span.width, end - span.rows[0] * span.width)
        blocks = InterBlocks(modes.reshape(-1)[inside], vectors.reshape(2, -1, 2)[:, inside])
        question = copy.copy(header)
        question.nal_ref_idc, question.marking = 0, None
        predicted = self._mirror.probe([h264_coded_standin(question, first, end, blocks)])
        if not predicted:
            return None
        residual = [
            wanted - seen
            for wanted, seen in zip(macroblocks(target.planes, span), macroblocks(predicted, span), strict=True)
        ]
        blocks.residual = Quantiser(header.sps, header.pps, QP, False, 0.4).inter(residual)
        return h264_coded_standin(header, first, end, blocks)


def macroblocks(planes: Sequence[Plane], span: Span) -> list[npt.NDArray[np.int16]]:
    """Samples of the macroblocks of a progressive slice: (n, 16, 16) luma, (n, 8, 8) Cb and Cr of 4:2:0."""
    top, bottom = span.rows
    inside = slice(span.first - top * span.width, span.end - top * span.width)
    parts = []
    for index, plane in enumerate(planes):
        side = 8 if index else 16
        rows = plane[top * side : bottom * side, : span.width * side]
        blocks = rows.reshape(bottom - top, side, span.width, side).transpose(0, 2, 1, 3)
        parts.append(blocks.reshape(-1, side, side)[inside].astype(np.int16))
    return parts


def _sibling(plan: Plan) -> h264.SliceHeader:
    """A header to go by: of a slice that arrived whole, else of any."""
    for slice_ in (*plan.kept, *plan.removed):
        if isinstance(slice_.header, h264.SliceHeader) and not slice_.header.redundant_pic_cnt:
            return copy.copy(slice_.header)
    raise UnsupportedStandInError("no slice header of the picture is readable")
