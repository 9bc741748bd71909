"""Whole pictures that never arrived, seen from those that did."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from concealer.bitstream import h264, hevc


class _Seen(NamedTuple):
    poc: int
    is_reference: bool


class FrameNumGaps:
    """Lost H.264 reference pictures, from gaps in frame_num (7.4.3, 8.2.5.2)."""

    _MOST = 16
    _MOST_PLACES = 4096
    """That are looked through."""

    def __init__(self) -> None:
        self._reference_frame_num: int | None = None
        self._history: deque[_Seen] = deque(maxlen=64)

    @property
    def reference_frame_num(self) -> int | None:
        """frame_num of the last reference picture."""
        return self._reference_frame_num

    def missing(self, h: h264.SliceHeader, poc: int, step: int) -> list[tuple[int, int]]:
        """(frame_num, POC) of reference pictures lost right before the frame or first field of `h`.

        At most 16, the most recent ones. POCs are exact for POC type 2; for the others they repeat how
        POCs went before ("I P b b P b b ..."), or lie evenly between the neighbours.
        """
        maximum = 1 << h.sps.log2_max_frame_num
        previous = self._reference_frame_num
        lost: list[tuple[int, int]] = []
        if not h.is_idr and previous is not None and not h.sps.gaps_in_frame_num_allowed:
            count = (h.frame_num - previous - 1) % maximum
            if h.frame_num != previous and count:
                numbers = [(previous + 1 + i) % maximum for i in range(count)][-self._MOST :]
                lost = list(zip(numbers, self._pocs(h, poc, step, count)[-self._MOST :], strict=True))
        if h.is_idr:
            self._history.clear()
        self._history.append(_Seen(poc, h.nal_ref_idc != 0))
        if h.has_mmco5:
            self._reference_frame_num = 0
            self._history.clear()
        elif h.nal_ref_idc:
            self._reference_frame_num = h.frame_num
        elif lost or previous is None:
            self._reference_frame_num = (h.frame_num - 1) % maximum
        return lost

    def _pocs(self, h: h264.SliceHeader, poc: int, step: int, count: int) -> list[int]:
        if h.sps.poc_type == 2:
            last = poc + (h.nal_ref_idc == 0) - 2
            return [last - 2 * (count - 1 - i) for i in range(count)]
        history = list(self._history)
        if not history:
            return [poc - step * (count - i) for i in range(count)]
        before = history[-1]
        now = _Seen(poc, h.nal_ref_idc != 0)
        if count <= 4:
            for start in range(len(history) - 2 - count, -1, -1):
                repeated = _matching_run(history, start, before, now, count)
                if repeated:
                    return [before.poc + delta for delta in repeated]
        taken = {seen.poc for seen in history} | {poc}
        if poc < before.poc:
            # A picture shown before the last one: the lost one is the B picture that halves the distance.
            below = max((taken_poc for taken_poc in taken if taken_poc < poc), default=poc - step)
            between = range(below + step, before.poc, step)
            # Only damage makes them lie that far apart.
            middle = [p for p in between if p not in taken] if len(between) <= self._MOST_PLACES else []
            middle.sort(key=lambda p: (abs(2 * p - below - before.poc), p))
            if len(middle) >= count:
                return middle[:count]
        if poc > before.poc + step * count:
            spread = (poc - before.poc) // (count + 1) // step * step
            return [before.poc + spread * (i + 1) for i in range(count)]
        pocs: list[int] = []
        candidate = before.poc
        for _ in range(count):
            while candidate in taken:
                candidate += step
            taken.add(candidate)
            pocs.append(candidate)
        return pocs


def _matching_run(history: list[_Seen], start: int, before: _Seen, now: _Seen, count: int) -> list[int] | None:
    """POC differences to history[start] of the `count` reference pictures after it, if what surrounds
    them looks like (before, now)."""
    origin = history[start]
    if origin.is_reference != before.is_reference:
        return None
    deltas: list[int] = []
    for seen in history[start + 1 :]:
        ends_alike = seen.is_reference == now.is_reference and seen.poc - origin.poc == now.poc - before.poc
        if len(deltas) == count and ends_alike:
            return deltas
        if seen.is_reference:
            deltas.append(seen.poc - origin.poc)
        if len(deltas) > count:
            return None
    return None


class ReferenceSetGaps:
    """Lost HEVC reference pictures: entries of a reference picture set that never arrived (8.3.2)."""

    def __init__(self) -> None:
        self._dpb: set[int] | None = None
        self._joined = False
        """The IRAP picture that came last is the first since the stream was joined in its middle."""
        self.kept: tuple[int, ...] = ()
        """POCs that the last picture's reference picture set keeps and that are there, ascending."""

    def missing(self, h: hevc.SliceHeader, poc: int, starts_sequence: bool, skipped: bool) -> list[int]:
        """POCs, ascending, of pictures that `h` refers to and that are not there.

        Only pictures used by the current one count: others may be left out on purpose (sub-layers).
        `skipped`: RASL picture that decoders drop. Before the first IRAP picture nothing is missing, nor of those that
        its RASL pictures refer to: they came before it, some maybe before the stream was joined.
        """
        if starts_sequence or (self._dpb is None and h.is_irap):
            self._joined = not starts_sequence
            self._dpb = {poc}
            return []
        self._joined &= not h.is_irap
        if self._dpb is None or skipped:
            return []
        dpb = self._dpb
        kept: set[int] = set()
        missing: set[int] = set()
        for delta, used in (*h.short_term_rps.negative, *h.short_term_rps.positive):
            if poc + delta in dpb:
                kept.add(poc + delta)
            elif used:
                missing.add(poc + delta)
        maximum = 1 << h.sps.log2_max_poc_lsb
        for lsb, used, cycle in h.long_term:
            if cycle is not None:
                wanted = poc - cycle * maximum - (poc & maximum - 1) + lsb
                found = wanted in dpb
            else:
                same_lsb = [other for other in dpb if other & maximum - 1 == lsb]
                found = bool(same_lsb)
                wanted = max(same_lsb) if found else poc - ((poc - lsb) % maximum or maximum)
            if found:
                kept.add(wanted)
            elif used:
                missing.add(wanted)
        self._dpb = kept | missing | {poc}
        if self._joined and h.is_rasl:
            missing.clear()
        self.kept = tuple(sorted(kept))
        return sorted(missing)
