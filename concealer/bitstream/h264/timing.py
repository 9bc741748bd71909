"""How the fields of H.264 pictures are to be shown: pic_struct of picture timing SEI messages (D.1.3, D.2.3)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from concealer.bitstream.bits import BitReader, BitstreamError
from concealer.bitstream.h264.sets import Sps
from concealer.bitstream.nal import NalUnit, unescape
from concealer.bitstream.sei import messages

TOP_BOTTOM_TOP, BOTTOM_TOP_BOTTOM = 5, 6
"""pic_struct of a frame whose first field is repeated (Table D-1): 3:2 pulldown."""
_NAL_SEI, _PIC_TIMING = 6, 1
_EXTENDED_SAR = 255


def pic_struct(sps: Sps, nals: Iterable[NalUnit]) -> int | None:
    """pic_struct, 0 to 8, of an access unit by its NAL units; None if it does not tell."""
    skipped = _before_pic_struct(sps.nal.data, sps.vui_at)
    if skipped is None:
        return None
    for nal in nals:
        if nal.data and nal.data[0] & 31 == _NAL_SEI:
            for kind, payload in messages(unescape(nal.data[1:])):
                if kind == _PIC_TIMING:
                    return _read(payload, skipped)
    return None


def _read(payload: bytes, skipped: int) -> int | None:
    reader = BitReader(payload)
    try:
        reader.skip(skipped)
        found = reader.u(4)
    except BitstreamError:
        return None
    return found if found <= 8 else None


@lru_cache(maxsize=16)
def _before_pic_struct(sps: bytes, vui_at: int) -> int | None:
    """Bits before pic_struct in picture timing messages, None if they hold none.

    sps: a sequence parameter set's NAL unit. vui_at: where its VUI begins, in bits.
    """
    reader = BitReader(unescape(sps))
    reader.pos = vui_at
    try:
        return _read_vui(reader) if reader.flag() else None
    except BitstreamError:
        return None


def _read_vui(r: BitReader) -> int | None:
    """E.1.1, up to pic_struct_present_flag."""
    if r.flag() and r.u(8) == _EXTENDED_SAR:
        r.skip(32)
    if r.flag():  # overscan_info_present_flag
        r.skip(1)
    if r.flag():  # video_signal_type_present_flag
        r.skip(4)
        if r.flag():
            r.skip(24)
    if r.flag():  # chroma_loc_info_present_flag
        r.ue()
        r.ue()
    if r.flag():  # timing_info_present_flag
        r.skip(65)
    delays = [_read_hrd(r) if r.flag() else None for _ in range(2)]  # of NAL units, of VCL
    known = [bits for bits in delays if bits is not None]
    if known:
        r.skip(1)  # low_delay_hrd_flag
    return (known[0] if known else 0) if r.flag() else None


def _read_hrd(r: BitReader) -> int:
    """E.1.2: bits of cpb_removal_delay and dpb_output_delay together."""
    count = 1 + r.ue_max(31, "cpb_cnt_minus1")
    r.skip(8)
    for _ in range(count):
        r.ue()
        r.ue()
        r.skip(1)
    r.skip(5)
    bits = 2 + r.u(5) + r.u(5)
    r.skip(5)
    return bits
