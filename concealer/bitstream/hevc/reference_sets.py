"""HEVC short-term reference picture sets (ITU-T H.265 7.3.7, 7.4.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from concealer.bitstream.bits import BitReader, BitstreamError


@dataclass(frozen=True, slots=True)
class ShortTermRps:
    """Short-term reference picture set as POC differences from the current picture (7.4.8)."""

    negative: tuple[tuple[int, bool], ...] = ()
    """(delta POC < 0, used by the current picture), nearest first."""
    positive: tuple[tuple[int, bool], ...] = ()
    """(delta POC > 0, used by the current picture), nearest first."""

    @property
    def num_used(self) -> int:
        return sum(used for _, used in self.negative) + sum(used for _, used in self.positive)


def parse_short_term_rps(r: BitReader, sets: Sequence[ShortTermRps], in_slice_header: bool = False) -> ShortTermRps:
    """st_ref_pic_set (7.3.7, 7.4.8) after `sets`; raises BitstreamError."""
    if sets and r.flag():
        back = 1 + r.ue_max(len(sets) - 1, "delta_idx_minus1") if in_slice_header else 1
        return _predicted_rps(r, sets[-back])
    num_negative = r.ue_max(16, "num_negative_pics")
    num_positive = r.ue_max(16 - num_negative, "num_positive_pics")
    signs = []
    for count, sign in ((num_negative, -1), (num_positive, 1)):
        delta, entries = 0, []
        for _ in range(count):
            delta += sign * (1 + r.ue_max(32767, "delta_poc_minus1"))
            entries.append((delta, r.flag()))
        signs.append(tuple(entries))
    return ShortTermRps(*signs)


def _predicted_rps(r: BitReader, source: ShortTermRps) -> ShortTermRps:
    """Set predicted from `source` (7-61), (7-62)."""
    negative_sign = r.flag()
    delta_rps = 1 + r.ue_max(32767, "abs_delta_rps_minus1")
    if negative_sign:
        delta_rps = -delta_rps
    deltas = [delta for delta, _ in (*source.negative, *source.positive)] + [0]
    kept: list[tuple[int, bool]] = []
    for delta in deltas:
        used = r.flag()
        if used or r.flag():
            kept.append((delta + delta_rps, used))
    negative = sorted((entry for entry in kept if entry[0] < 0), reverse=True)
    positive = sorted(entry for entry in kept if entry[0] > 0)
    if len(negative) + len(positive) > 16:
        raise BitstreamError("reference picture set of more than 16 pictures")
    return ShortTermRps(tuple(negative), tuple(positive))
