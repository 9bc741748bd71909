"""What the CUs of a HEVC intra slice are predicted from, and the levels that lead to the wanted samples.

Mode 25, which is all but vertical, predicts from the row above alone, so that a row of CUs is transformed at once.
Mode 26 would smooth the edge to the left (8.4.4.2.6). CUs that have nothing above follow one another by DC mode.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from concealer.bitstream import hevc
from concealer.standins.arrays import Array
from concealer.standins.hevc.residual import hide_signs
from concealer.standins.hevc.transform import added_samples, flat_level, flat_sample, plane_qp, quantised, transformed

DC, STEEP = 1, 25
"""IntraPredModeY."""
_SIDE = 16
"""Of CUs that the picture's border does not cut; of the others half of it."""


class IntraRows:
    """The CTBs at places `first`..`end` - 1 of a picture without tiles, made to show `planes`, which begin with the
    first row of CTBs that the range touches."""

    def __init__(
        self, header: hevc.SliceHeader, first: int, end: int, planes: Sequence[Array], quick: bool = False
    ) -> None:
        """quick: chroma of CUs with nothing above, which come one after the other, is flat."""
        self._quick = quick
        sps = header.sps
        self._header, self._planes = header, planes
        self.shown = [np.zeros(plane.shape, np.int64) for plane in planes]
        """What a decoder makes of it before deblocking."""
        self.modes: dict[tuple[int, int], int] = {}
        """By luma place of a CU, from the planes' first row."""
        self.levels: list[dict[tuple[int, int], Array]] = [{} for _ in planes]
        """By plane and luma place of a CU: levels of the blocks that have any."""
        top = first // sps.width_ctbs
        above = (0, 0)
        for row in range(top, (end - 1) // sps.width_ctbs + 1):
            start, stop = (min(max(place - row * sps.width_ctbs, 0), sps.width_ctbs) for place in (first, end))
            left, right = start << sps.log2_ctb, min(stop << sps.log2_ctb, sps.width)
            for y in range(row << sps.log2_ctb, min(row + 1 << sps.log2_ctb, sps.height), _SIDE):
                self._row(y - (top << sps.log2_ctb), (left, right), above, cut=y + _SIDE > sps.height)
                above = (left, right)

    def _row(self, y: int, inside: tuple[int, int], above: tuple[int, int], cut: bool) -> None:
        """CUs between two columns `inside`; those between the columns `above` have some above them."""
        left, right = inside
        side = _SIDE // 2 if cut else _SIDE
        whole = left + (right - left) // side * side
        # Places at which the row above begins and ends lie on the borders of CTBs.
        begin, stop = max(left, above[0]), min(whole, above[1])
        for x in range(left, min(whole, begin) if stop > begin else whole, side):
            self._alone(x, y, side, left, above[0])
        if stop > begin:
            self._steep(begin, (stop - begin) // side, y, side, left, above[0])
            for x in range(stop, whole, side):
                self._alone(x, y, side, left, above[0])
        if whole < right:
            half = _SIDE // 2
            if whole < above[1]:
                self._steep(whole, 1, y, half, left, above[0])
            else:
                self._alone(whole, y, half, left, above[0])
            self._steep(whole, 1, y + half, half, left, left)

    def _alone(self, x: int, y: int, side: int, left: int, above: int) -> None:
        """A CU with nothing above; left, above: first columns of its row and of the row above that are in the slice."""
        self.modes[x, y] = DC
        for index in range(len(self._planes)):
            shift = int(index > 0)
            size, px, py = side >> shift, x >> shift, y >> shift
            depth = self._depth(index)
            base = np.full((size, size), 1 << depth - 1, np.int64)
            if x > left:
                base = _dc(self.shown[index][py : py + size, px - 1], not index)
            elif above == x + side:
                # All it has is above to the right.
                base[:] = self.shown[index][py - 1, px + size]
            if index and self._quick and side == _SIDE:
                self._show_flat(index, base, (x, y))
            else:
                self._show(index, base[None], [(x, y)], side)

    def _show_flat(self, index: int, base: Array, place: tuple[int, int]) -> None:
        """The same as `_show` of one chroma block, whose residual is its mean."""
        size, qp, depth = len(base), plane_qp(self._header, index), self._depth(index)
        area = slice(place[1] >> 1, (place[1] >> 1) + size), slice(place[0] >> 1, (place[0] >> 1) + size)
        level = flat_level(self._planes[index][area] - base, qp)
        if level:
            self.levels[index][place] = np.zeros((size, size), np.int64)
            self.levels[index][place][0, 0] = level
            base = np.clip(base + flat_sample(level, size, qp, depth), 0, (1 << depth) - 1)
        self.shown[index][area] = base

    def _steep(self, x: int, count: int, y: int, side: int, left: int, above: int) -> None:
        """`count` CUs with some above; above: first column of these, left: of the row itself."""
        places = [(x + number * side, y) for number in range(count)]
        self.modes.update(dict.fromkeys(places, STEEP))
        for index in range(len(self._planes)):
            shift = int(index > 0)
            shown, size, px, py = self.shown[index], side >> shift, x >> shift, y >> shift
            row = shown[py - 1, px : px + count * size].reshape(count, size)
            corner = np.empty(count, np.int64)
            corner[1:] = row[:-1, -1]
            # Substitution (8.4.4.2.2): what lies left of it below, else what lies right of it.
            corner[0] = shown[py - 1, px - 1] if x > above else shown[py, px - 1] if x > left else row[0, 0]
            known = np.concatenate([corner[:, None], row], axis=1)[:, None]
            weight = 32 - 2 * np.arange(1, size + 1)[:, None]
            base = ((32 - weight) * known[..., :-1] + weight * known[..., 1:] + 16) >> 5
            self._show(index, base, places, side)

    def _show(self, index: int, base: Array, places: Sequence[tuple[int, int]], side: int) -> None:
        """Quantise CUs that lie side by side, and keep what a decoder shows of them; base: (n, size, size)."""
        count, size = base.shape[:2]
        shift = int(index > 0)
        x, y = places[0][0] >> shift, places[0][1] >> shift
        area = slice(y, y + size), slice(x, x + count * size)
        shown = base
        if side == _SIDE:
            wanted = self._planes[index][area].reshape(size, count, size).transpose(1, 0, 2)
            qp = plane_qp(self._header, index)
            levels, exact = quantised(transformed(wanted - base), qp)
            filled = np.flatnonzero(levels.any(axis=(1, 2)))
            if filled.size:
                coded = levels[filled]
                if self._header.pps.sign_data_hiding:
                    hide_signs(coded, exact[filled])
                self.levels[index].update(zip([places[number] for number in filled.tolist()], coded, strict=True))
                depth = self._depth(index)
                shown = base.copy()
                shown[filled] = np.clip(base[filled] + added_samples(coded, qp, depth), 0, (1 << depth) - 1)
        self.shown[index][area] = shown.transpose(1, 0, 2).reshape(size, count * size)

    def _depth(self, index: int) -> int:
        return self._header.sps.bit_depth_chroma if index else self._header.sps.bit_depth_luma


def _dc(left: Array, smooth: bool) -> Array:
    """Intra_DC (8.4.4.2.5) of a block with nothing above it, where the topmost sample on the left stands for what is
    missing (8.4.4.2.2). smooth: luma."""
    size = len(left)
    mean = (size * int(left[0]) + int(left.sum()) + size) >> size.bit_length()
    base = np.full((size, size), mean, np.int64)
    if smooth:
        base[0, 1:] = (int(left[0]) + 3 * mean + 2) >> 2
        base[1:, 0] = (left[1:] + 3 * mean + 2) >> 2
        base[0, 0] = (2 * int(left[0]) + 2 * mean + 2) >> 2
    return base
