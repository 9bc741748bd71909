"""A picture parameter set like another, but with CAVLC: for slices that only our own decoder sees."""

from __future__ import annotations

import copy

from concealer.bitstream import BitReader, BitWriter, NalUnit, escape, h264, unescape


def with_cavlc(pps: h264.Pps) -> h264.Pps:
    """The same set under another id; its `nal` announces it. CAVLC slices are cheaper to write than CABAC's."""
    reader = BitReader(unescape(pps.nal.data))
    reader.skip(8)
    reader.ue()
    start = reader.pos
    reader.ue()
    made = copy.copy(pps)
    made.id = 254 if pps.id == 255 else 255
    made.cabac = False
    w = BitWriter()
    w.u(pps.nal.data[0], 8)
    w.ue(made.id)
    w.bits(reader.bits[start : reader.pos])
    w.bits("0")
    # With its trailing bits, which need not end at a byte border any more.
    w.bits(reader.bits[reader.pos + 1 : reader.bits.rindex("1")])
    made.nal = NalUnit(escape(w.aligned()))
    return made
