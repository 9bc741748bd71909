"""How often and in which order the fields of a picture are shown: pic_struct of picture timing (H.264 D.2.3)."""

from __future__ import annotations

from enum import IntEnum

from concealer.bitstream import h264
from concealer.bitstream.access_unit import AccessUnit
from concealer.bitstream.bits import BitReader, BitstreamError
from concealer.bitstream.sei import sei_messages

_PIC_TIMING = 1
"""payloadType (D.1)."""


class PicStruct(IntEnum):
    """pic_struct (Table D-1)."""

    FRAME = 0
    TOP_FIELD = 1
    BOTTOM_FIELD = 2
    TOP_BOTTOM = 3
    BOTTOM_TOP = 4
    TOP_BOTTOM_TOP = 5
    BOTTOM_TOP_BOTTOM = 6
    FRAME_DOUBLING = 7
    FRAME_TRIPLING = 8

    @property
    def fields(self) -> int:
        """Fields that it is shown for."""
        return (2, 1, 1, 2, 2, 3, 3, 4, 6)[self]

    @property
    def repeats_first_field(self) -> bool:
        """As in 3:2 pulldown: the field shown first is shown again behind the other."""
        return self in (PicStruct.TOP_BOTTOM_TOP, PicStruct.BOTTOM_TOP_BOTTOM)

    @property
    def top_first(self) -> bool:
        """The top field is shown first."""
        return self in (PicStruct.TOP_FIELD, PicStruct.TOP_BOTTOM, PicStruct.TOP_BOTTOM_TOP)


def pic_struct_of(au: AccessUnit) -> PicStruct | None:
    """That of an H.264 access unit; of a field whose sister was lost that of both; None where the stream tells none."""
    sps = au.sps
    if not isinstance(sps, h264.Sps) or not sps.pic_struct_present:
        return None
    for kind, payload in sei_messages("h264", au.nals):
        if kind == _PIC_TIMING:
            try:
                reader = BitReader(payload)
                reader.skip(sps.delay_bits)
                found = PicStruct(reader.u(4))
            except (BitstreamError, ValueError):
                return None
            return _of_pair(found, au)
    return None


def _of_pair(found: PicStruct, au: AccessUnit) -> PicStruct:
    """Both fields have a message of their own; the first one was read."""
    if found not in (PicStruct.TOP_FIELD, PicStruct.BOTTOM_FIELD):
        return found
    parities = {s.header.bottom_field for s in au.slices if isinstance(s.header, h264.SliceHeader)}
    if len(parities) < 2 and au.coverage.is_intact:
        return found
    return PicStruct.TOP_BOTTOM if found is PicStruct.TOP_FIELD else PicStruct.BOTTOM_TOP
