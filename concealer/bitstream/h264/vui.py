"""What of the video usability information (E.1.1) picture timing messages are read with."""

from __future__ import annotations

from concealer.bitstream.bits import BitReader

_EXTENDED_SAR = 255


def read_pic_timing(r: BitReader) -> tuple[bool, int]:
    """(pic_struct_present_flag, bits of the delays that picture timing messages begin with) of vui_parameters; raises
    BitstreamError."""
    if r.flag() and r.u(8) == _EXTENDED_SAR:
        r.skip(32)
    if r.flag():
        r.skip(1)
    if r.flag():
        r.skip(4)
        if r.flag():
            r.skip(24)
    if r.flag():
        r.ue()
        r.ue()
    if r.flag():
        r.skip(65)
    delays = [_hrd(r) if r.flag() else None for _ in ("nal", "vcl")]
    known = [bits for bits in delays if bits is not None]
    if known:
        r.skip(1)
    return r.flag(), known[-1] if known else 0


def _hrd(r: BitReader) -> int:
    """Bits of cpb_removal_delay and dpb_output_delay by hrd_parameters (E.1.2)."""
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
