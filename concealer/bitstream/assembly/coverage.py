"""From received slice starts to what is missing.

A slice says where it starts, never where it ends: a dropped slice in the middle of a picture is seen only
by those who know where slices start. Encoders with a fixed number of slices start them at the same
places in every picture, so the places are learnt. Where there is no fixed layout (slices cut to packet
size) only the transport's word gives evidence, and the exact hole is left to the decoder.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from concealer.bitstream.access_unit import BlockMask, Coverage, Grid, no_blocks


@dataclass(slots=True)
class Segment:
    """One received slice of a lane, or one with an unreadable header (index None), in arrival order."""

    index: int | None
    """Place of its first unit in coding order."""
    damaged: bool = False
    gap_before: bool = False
    dependent: bool = False


class SliceLayout:
    """Learns the places where slices start, for one kind of picture."""

    _MOST_NEEDED = 64

    def __init__(self) -> None:
        self._starts: tuple[int, ...] = ()
        self._votes = 0
        self._needed = 2
        self._last: tuple[int, ...] = ()
        self._repeats = 0

    def expected(self, starts: Sequence[int]) -> tuple[int, ...] | None:
        """The learnt starts, if they are established and explain all of `starts`."""
        if self._votes < self._needed or (starts != self._starts and not set(starts) <= set(self._starts)):
            return None
        return self._starts

    def learn(self, starts: tuple[int, ...], cols: int) -> None:
        """Take in one picture without sign of damage. `cols`: units per row."""
        self._repeats = self._repeats + 1 if starts == self._last else 1
        self._last = starts
        if starts == self._starts:
            self._votes = min(self._votes + 1, 2 * self._MOST_NEEDED)
        elif self._votes >= self._needed and self._repeats < 4 and set(starts) < set(self._starts):
            # Slices of an established layout are missing; four pictures in a row mean a new layout.
            return
        else:
            if self._starts and self._votes >= 2:
                # A layout that changes may change again: ask for more evidence each time.
                self._needed = min(2 * self._needed, self._MOST_NEEDED)
            self._starts, self._votes = starts, self._repeats
            if any(start % cols for start in starts):
                # Starts inside a row are usual for slices cut to a size, which repeat only by chance.
                self._needed = max(self._needed, 6)


class CoverageTracker:
    """Keeps the learnt layouts of a stream and derives each picture's coverage."""

    _MOST_LAYOUTS = 32

    def __init__(self) -> None:
        self._layouts: dict[Hashable, SliceLayout] = {}

    def coverage(
        self, grid: Grid, lanes: dict[Hashable, list[Segment]], gap_after: bool, whole_lane_lost: bool = False
    ) -> Coverage:
        """Coverage of one picture.

        `lanes`: per independently scanned part (field parity, colour plane) its segments in arrival
        order; `gap_after`: bytes are missing after the last; `whole_lane_lost`: a lane never arrived.
        """
        if len(lanes) == 1 and not gap_after and not whole_lane_lost and self._is_whole(grid, lanes):
            return Coverage.intact(grid.rows, grid.cols)
        found = _Found()
        last_lane = len(lanes) - 1
        for number, (key, segments) in enumerate(lanes.items()):
            layout = self._layout((grid, key))
            starts = [segment.index for segment in segments if segment.index is not None]
            if starts != sorted(set(starts)):
                return Coverage.intact(grid.rows, grid.cols, reliable=False)
            gap = gap_after and number == last_lane
            expected = layout.expected(starts)
            clean = not gap and starts and not any(s.damaged or s.gap_before or s.index is None for s in segments)
            if clean and starts[0] == 0 and (expected is None or len(expected) == len(starts)):
                layout.learn(tuple(starts), grid.cols)
                continue
            found.add(grid.size, segments, starts, expected, gap)
            if clean:
                layout.learn(tuple(starts), grid.cols)
        if whole_lane_lost or not lanes:
            found.lost = [(0, grid.size)]
        return found.coverage(grid)

    def _is_whole(self, grid: Grid, lanes: dict[Hashable, list[Segment]]) -> bool:
        """Whether nothing speaks of damage in a picture of one lane; the layout is learnt then."""
        ((key, segments),) = lanes.items()
        starts, last = [], -1
        for segment in segments:
            index = segment.index
            if index is None or index <= last or segment.damaged or segment.gap_before:
                return False
            starts.append(index)
            last = index
        if not starts or starts[0]:
            return False
        layout, all_starts = self._layout((grid, key)), tuple(starts)
        expected = layout.expected(all_starts)
        if expected is not None and len(expected) != len(starts):
            return False
        layout.learn(all_starts, grid.cols)
        return True

    def _layout(self, key: Hashable) -> SliceLayout:
        layout = self._layouts.get(key)
        if layout is None:
            while len(self._layouts) >= self._MOST_LAYOUTS:
                self._layouts.pop(next(iter(self._layouts)))
            layout = self._layouts[key] = SliceLayout()
        return layout


class _Found:
    """Ranges [first, end) in coding order of one picture."""

    def __init__(self) -> None:
        self.lost: list[tuple[int, int]] = []
        self.uncertain: list[tuple[int, int]] = []
        self.broken: list[tuple[int, int]] = []

    def add(
        self,
        size: int,
        segments: Sequence[Segment],
        starts: Sequence[int],
        expected: tuple[int, ...] | None,
        gap_after: bool,
    ) -> None:
        """Derive the ranges of one lane."""
        bounds = [*(sorted({0, *starts}) if expected is None else expected), size]
        ends = dict(zip(bounds, bounds[1:], strict=False))
        unreadable = _unreadable_neighbours(segments)
        received = set(starts)
        previous = None
        for start, end in ends.items():
            if start not in received:
                # A slice that came here with an unreadable header is broken, not lost.
                came = previous in unreadable
                (self.broken if came else self.lost).append((start, end))
            else:
                previous = start
        lost_ends = {end for _, end in self.lost}
        previous = 0
        for segment in segments:
            if segment.index is None:
                continue
            if expected is None and (segment.gap_before or previous in unreadable) and previous in received:
                self.uncertain.append((previous, segment.index))
            extent = (segment.index, ends[segment.index])
            if segment.damaged or (segment.dependent and segment.index in lost_ends):
                self.broken.append(extent)
                if expected is None:
                    self.uncertain.append(extent)
            previous = segment.index
        if expected is None and (gap_after or previous in unreadable) and previous in received:
            self.uncertain.append((previous, size))

    def coverage(self, grid: Grid) -> Coverage:
        coverage = Coverage.intact(grid.rows, grid.cols)
        coverage.lost = _blocks(grid, self.lost)
        coverage.uncertain = _blocks(grid, self.uncertain)
        coverage.broken_blocks = _blocks(grid, self.broken)
        coverage.broken = sorted(set(self.broken))
        return coverage


def _blocks(grid: Grid, ranges: Sequence[tuple[int, int]]) -> BlockMask:
    if not ranges:
        return no_blocks(grid.rows, grid.cols)
    blocks = np.zeros((grid.rows, grid.cols), np.bool_)
    for first, end in ranges:
        grid.mark(blocks, first, end)
    return blocks


def _unreadable_neighbours(segments: Sequence[Segment]) -> set[int | None]:
    """Places of the readable segments after which an unreadable one came; None = before the first."""
    places: set[int | None] = set()
    previous = None
    for segment in segments:
        if segment.index is None:
            places.add(previous)
        else:
            previous = segment.index
    return places
