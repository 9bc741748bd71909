"""Getting past the video usability information, behind which HEVC's parameter set extensions lie."""

from __future__ import annotations

from concealer.bitstream.bits import BitReader


def skip_vui(r: BitReader, max_sub_layers: int) -> None:
    """Pass over vui_parameters (E.2.1); raises BitstreamError."""
    if r.flag() and r.u(8) == 255:
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
    r.skip(3)
    if r.flag():
        for _ in range(4):
            r.ue()
    if r.flag():
        r.skip(64)
        if r.flag():
            r.ue()
        if r.flag():
            _skip_hrd(r, max_sub_layers)
    if r.flag():
        r.skip(3)
        for _ in range(5):
            r.ue()


def _skip_hrd(r: BitReader, sub_layers: int) -> None:
    """hrd_parameters(1, sub_layers - 1) (E.2.2)."""
    nal, vcl = r.flag(), r.flag()
    sub_pic = False
    if nal or vcl:
        sub_pic = r.flag()
        r.skip((19 if sub_pic else 0) + 8 + (4 if sub_pic else 0) + 15)
    for _ in range(sub_layers):
        fixed_general = r.flag()
        fixed_cvs = fixed_general or r.flag()
        low_delay = False
        if fixed_cvs:
            r.ue()
        else:
            low_delay = r.flag()
        count = 1 if low_delay else 1 + r.ue_max(31, "cpb_cnt_minus1")
        for _ in range((nal + vcl) * count):
            for _ in range(4 if sub_pic else 2):
                r.ue()
            r.skip(1)
