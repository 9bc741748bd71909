"""Picture order counts (H.264 8.2.1, HEVC 8.3.1) and one output order over the whole stream."""

from __future__ import annotations

from collections import deque

from concealer.bitstream import h264, hevc


class H264Poc:
    """Decodes PicOrderCnt of frames and fields in decoding order."""

    def __init__(self) -> None:
        self._msb = self._lsb = 0
        self._frame_num = self._frame_num_offset = 0

    def decode(self, h: h264.SliceHeader, late: bool = False) -> int:
        """PicOrderCnt of the frame (the lesser of its fields) or field that `h` belongs to.

        late: it came after pictures that follow it.
        """
        if h.sps.poc_type == 0:
            top, bottom = self._type_0(h)
        else:
            top, bottom = self._type_1_2(h, late)
        poc = min(top, bottom) if not h.field_pic else bottom if h.bottom_field else top
        if h.has_mmco5:
            # 8.2.1: the picture then counts as if it had the POC 0 and frame_num 0.
            self._msb = self._frame_num = self._frame_num_offset = 0
            self._lsb = 0 if h.bottom_field else top - poc
        return poc

    def _type_0(self, h: h264.SliceHeader) -> tuple[int, int]:
        if h.is_idr:
            self._msb = self._lsb = 0
        maximum = 1 << h.sps.log2_max_poc_lsb
        msb = self._msb
        if h.poc_lsb < self._lsb and self._lsb - h.poc_lsb >= maximum // 2:
            msb += maximum
        elif h.poc_lsb > self._lsb and h.poc_lsb - self._lsb > maximum // 2:
            msb -= maximum
        if h.nal_ref_idc:
            self._msb, self._lsb = msb, h.poc_lsb
        poc = msb + h.poc_lsb
        return poc, poc + h.delta_poc_bottom

    def _type_1_2(self, h: h264.SliceHeader, late: bool) -> tuple[int, int]:
        sps = h.sps
        before = self._frame_num, self._frame_num_offset
        if late:
            if h.frame_num > self._frame_num:
                self._frame_num_offset -= 1 << sps.log2_max_frame_num
        elif h.is_idr:
            self._frame_num_offset = 0
        elif self._frame_num > h.frame_num:
            self._frame_num_offset += 1 << sps.log2_max_frame_num
        self._frame_num = h.frame_num
        offset = self._frame_num_offset
        if late:
            self._frame_num, self._frame_num_offset = before
        if sps.poc_type == 2:
            poc = 2 * (offset + h.frame_num) - (not h.is_idr and h.nal_ref_idc == 0)
            return poc, poc
        cycle = sps.offset_for_ref_frame
        count = offset + h.frame_num if cycle else 0
        if h.nal_ref_idc == 0 and count > 0:
            count -= 1
        expected = 0
        if count > 0:
            cycles, rest = divmod(count - 1, len(cycle))
            expected = cycles * sum(cycle) + sum(cycle[: rest + 1])
        if h.nal_ref_idc == 0:
            expected += sps.offset_for_non_ref_pic
        top = expected + h.delta_poc[0]
        if h.field_pic:
            return top, top + sps.offset_for_top_to_bottom_field
        return top, top + sps.offset_for_top_to_bottom_field + h.delta_poc[1]


class HevcPoc:
    """Decodes PicOrderCntVal in decoding order."""

    def __init__(self) -> None:
        self._previous = 0

    def decode(self, h: hevc.SliceHeader, starts_sequence: bool) -> int:
        """PicOrderCntVal; `starts_sequence`: IRAP picture with NoRaslOutputFlag equal to 1."""
        maximum = 1 << h.sps.log2_max_poc_lsb
        if starts_sequence:
            poc = h.poc_lsb
        else:
            lsb = self._previous & (maximum - 1)
            poc = self._previous - lsb + h.poc_lsb
            if h.poc_lsb < lsb and lsb - h.poc_lsb >= maximum // 2:
                poc += maximum
            elif h.poc_lsb > lsb and h.poc_lsb - lsb > maximum // 2:
                poc -= maximum
        if h.temporal_id == 0 and not h.is_leading and h.is_sub_layer_reference:
            self._previous = poc
        return poc


class OutputOrder:
    """Turns POCs, which start anew at every IDR, into one order that increases over the stream."""

    def __init__(self, step: int) -> None:
        self._step = step
        """Least POC difference seen between pictures: one picture further."""
        self._offset = 0
        self._greatest: int | None = None
        self._recent: deque[int] = deque(maxlen=16)

    def place(self, poc: int, restart: bool, leading: int = 0) -> int:
        """Order of the next picture in decoding order.

        `restart`: all earlier pictures precede it and all later ones (IDR and its like); `leading`: as
        many later pictures may still precede it in output (HEVC leading pictures).
        """
        if restart and self._greatest is not None:
            self._offset = self._greatest + self._step * (1 + leading) - poc
            self._recent.clear()
        for other in self._recent:
            if 0 < abs(other - poc) < self._step:
                self._step = abs(other - poc)
        self._recent.append(poc)
        order = poc + self._offset
        if self._greatest is None or order > self._greatest:
            self._greatest = order
        return order

    def of(self, poc: int) -> int:
        """Order of a picture known only by its POC, in the current sequence."""
        return poc + self._offset

    def unknown(self) -> int:
        """A place for a picture whose POC is unknown: after all others so far."""
        self._greatest = self._step + (0 if self._greatest is None else self._greatest)
        return self._greatest

    @property
    def step(self) -> int:
        return self._step

    def precedes_all_recent(self, poc: int) -> bool:
        """Whether `poc` lies before each of the last pictures: impossible without a lost IDR."""
        return len(self._recent) >= 3 and poc < min(list(self._recent)[-8:])
