"""NAL units written in place of lost ones, so that no picture is lost with them.

The stand-ins keep a decoder's picture count, timestamps and reference structure right, and copy a
reference where they can; where not they carry junk, whose pixels are for repair.
"""

from __future__ import annotations

import logging
import random

from concealer.bitstream import AccessUnit, BitReader, BitWriter, MissingPicture, NalUnit, escape, h264, hevc, unescape
from concealer.standins import h264 as h264_standins
from concealer.standins import hevc as hevc_standins
from concealer.standins.errors import UnsupportedStandInError

log = logging.getLogger(__name__)

_JUNK_BYTES = 256
_TAIL_BYTES = 1 << 15
STOP = b"\xff" * 16
"""Behind the bytes of a tile, or of a row of CTBs of a wavefront: libav goes on as to the next one, where the
arithmetic decoder starts anew (9.3.2.5), and gives up there, since no stream begins with nine ones."""
STOP_TAIL = STOP[:1] * _TAIL_BYTES
OTHER_STOP_TAIL = b"\x04\x88\x88" + STOP_TAIL
_NO_ZERO = bytes([1, *range(1, 256)])


def first_slice_standin(au: AccessUnit) -> NalUnit | None:
    """HEVC: a first slice for a picture whose own was lost, or None if it is there or cannot be made.

    Without it libavcodec drops the whole picture. It holds skipped coding units up to the first received slice; where
    that cannot be written (IRAP pictures), the header of the first received independent slice segment without address,
    and junk. H.264 needs none: None.
    """
    headers = [(piece.nal, piece.header) for piece in au.slices if isinstance(piece.header, hevc.SliceHeader)]
    if not headers or any(h.first_slice_segment for _, h in headers):
        return None
    sibling = next(((nal, h) for nal, h in headers if not h.dependent), None)
    if sibling is None:
        return None
    nal, h = sibling
    if h.slice_type != hevc.I and not h.pps.tiles:
        try:
            return hevc_standins.inter_standin(h, 0, min(other.address for _, other in headers))
        except UnsupportedStandInError as error:
            log.debug("first slice: %s", error)
    bits = BitReader(unescape(nal.data)).bits
    w = BitWriter()
    w.bits(bits[:16])
    w.flag(True)
    w.bits(bits[17 : h.address_bit])
    w.bits(bits[h.body_bit : h.entry_bit])
    if h.pps.tiles or h.pps.entropy_coding_sync:
        w.ue(0)
    if h.pps.slice_header_extension:
        w.ue(0)
    return NalUnit(escape(w.aligned() + _junk(_JUNK_BYTES, h.poc_lsb)))


def lost_picture_standin(previous: AccessUnit, missing: MissingPicture) -> list[NalUnit] | None:
    """NAL units of a whole picture for a lost one, or None if `previous` does not tell enough.

    `previous`: the access unit before in decoding order (or its stand-in's predecessor); its parameter sets are taken
    over. The stand-in is a P picture of skipped blocks: an exact copy of the latest (H.264) or nearest (HEVC) reference
    picture. None where the stream's tools forbid it. See `lost_idr_standin` for H.264 IDR pictures.
    """
    header = next((piece.header for piece in previous.slices if piece.header is not None), None)
    try:
        if isinstance(header, h264.SliceHeader) and missing.frame_num is not None:
            own = h264_standins.lost_picture_header(header, missing.frame_num, missing.poc, missing.is_reference)
            return [h264_standins.inter_standin(own, 0, own.sps.width_mbs * own.sps.height_mbs)]
        if isinstance(header, hevc.SliceHeader) and previous.poc is not None:
            made = hevc_standins.lost_picture_header(header, missing.poc, missing.references or (previous.poc,))
            if made is None:
                return None
            order = hevc_standins.coding_order(made.sps, made.pps)
            return [hevc_standins.inter_standin(made, first, end) for first, end in order.legal_ranges(0, order.size)]
    except UnsupportedStandInError as error:
        log.debug("lost picture: %s", error)
    return None


def lost_field_standin(sibling: h264.SliceHeader, second: bool) -> NalUnit | None:
    """A P field of skipped macroblocks in place of a lost one, or None where the stream's tools forbid it.

    sibling: header of a slice of the other field of its frame. second: the lost one is the second in decoding order.
    """
    own = h264_standins.lost_field_header(sibling, second)
    try:
        return h264_standins.inter_standin(own, 0, own.sps.width_mbs * own.sps.height_mbs >> 1)
    except UnsupportedStandInError as error:
        log.debug("lost field: %s", error)
        return None


def lost_idr_standin(previous: AccessUnit, missing: MissingPicture) -> list[NalUnit] | None:
    """A grey IDR picture, or the two fields of one, for a lost H.264 one; None where none can be written.

    `previous`: as for other pictures.

    Without it a decoder would go on counting where the stream has begun anew, and show what follows in a wrong order or
    not at all.
    """
    header = next((piece.header for piece in previous.slices if isinstance(piece.header, h264.SliceHeader)), None)
    if header is None or not missing.is_idr:
        return None
    sps = header.sps
    own = h264_standins.lost_idr_header(header)
    count = sps.width_mbs * sps.height_mbs >> own.field_pic
    try:
        own = h264_standins.coded_header(own, 0, count, h264.I, header.pps.pic_init_qp)
        nals = [h264_standins.grey_standin(own, 0, count)]
        if own.field_pic:
            nals.append(h264_standins.inter_standin(h264_standins.lost_field_header(own, True), 0, count))
        return nals
    except UnsupportedStandInError as error:
        log.debug("lost IDR picture: %s", error)
        return None


def junk_tail(nal: NalUnit, damaged_at: int, seed: int) -> NalUnit:
    """The unit with the bytes from `damaged_at` on replaced by junk: the same for the same seed.

    The tail is long enough that a decoder finds junk up to the slice's last block, and not whatever lay in its memory.
    Slice headers are not touched: two bytes of NAL header are the least that is kept.
    """
    keep = max(damaged_at, 2)
    return NalUnit(nal.data[:keep] + _junk(max(len(nal.data) - keep, _TAIL_BYTES), seed), nal.offset, damaged_at)


def stop_tail(nal: NalUnit, damaged_at: int, other: bool = False) -> NalUnit:
    """The unit with the bytes from `damaged_at` on replaced by what ends its decoding with the tile or the row.

    other: another tail to the same end, which differs from its first bit on.
    """
    keep = max(damaged_at, 2)
    return NalUnit(nal.data[:keep] + (OTHER_STOP_TAIL if other else STOP_TAIL), nal.offset, damaged_at)


def _junk(count: int, seed: int) -> bytes:
    """Random bytes without zeros, so that no start code or emulation prevention can arise."""
    return random.Random(seed).randbytes(count).translate(_NO_ZERO)
