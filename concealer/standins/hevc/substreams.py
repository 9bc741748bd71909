"""How the CTBs of a HEVC slice are cut into substreams by tiles and wavefront rows (6.5.1, 7.3.8.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from concealer.bitstream.hevc import Pps, Sps
from concealer.standins.cabac import State, Symbol, SymbolCoder
from concealer.standins.errors import UnsupportedStandInError


@dataclass(frozen=True, slots=True)
class Substream:
    """CTBs coded with one initialisation of the arithmetic coder."""

    ctbs: tuple[int, ...]
    """Raster addresses in coding order."""
    starts_tile: bool
    """Nothing coded before is available to it, neither contexts nor neighbours."""
    synchronised: bool
    """Contexts are those kept from the row above (WPP storage process, 9.3.1)."""
    keeps: bool
    """Contexts after its second CTB are kept for the row below."""


@lru_cache(maxsize=64)
def _starts(size: int, count: int, explicit: tuple[int, ...] | None) -> tuple[int, ...]:
    """First CTB column or row of each tile (colBd, rowBd of 6-5, 6-6), and the end of the last."""
    if explicit is None:
        return tuple(i * size // count for i in range(count + 1))
    bounds = [0]
    for length in explicit:
        bounds.append(min(bounds[-1] + length, size))
    return (*bounds, size)


class CodingOrder:
    """The CTBs of a picture in coding order, with the places where tiles and their rows begin."""

    def __init__(self, sps: Sps, pps: Pps) -> None:
        cols, rows = sps.width_ctbs, sps.height_ctbs
        self.scan: Sequence[int] = pps.tile_scan(sps) or range(cols * rows)
        self.size = cols * rows
        self._cols = cols
        self._left = _starts(cols, pps.tile_columns, pps.tile_widths)
        self._top = _starts(rows, pps.tile_rows, pps.tile_heights)
        self._wavefront = pps.entropy_coding_sync
        self._is_aligned = not (sps.width | sps.height) & (1 << sps.log2_min_cb) - 1
        self._has_tiles = pps.tile_columns * pps.tile_rows > 1

    @cached_property
    def raster(self) -> npt.NDArray[np.intp]:
        """Raster address of the CTB at each place; not to be written to."""
        return np.array(self.scan, np.intp)

    @cached_property
    def places(self) -> npt.NDArray[np.intp]:
        """Place of the CTB with each raster address; not to be written to."""
        return np.argsort(self.raster)

    def starts_tile(self, place: int) -> bool:
        """Whether a tile begins at `place` in coding order; so it does at the end of the picture."""
        if place >= self.size:
            return True
        y, x = divmod(self.scan[place], self._cols)
        return x in self._left and y in self._top

    def starts_row(self, place: int) -> bool:
        """Whether a row of CTBs of a tile begins there."""
        return place >= self.size or self.scan[place] % self._cols in self._left

    def rows(self, first: int, end: int) -> tuple[int, int]:
        """The CTB rows [top, bottom) that the places first..end - 1 lie in."""
        if not isinstance(self.scan, range):
            covered = [address // self._cols for address in self.scan[first:end]]
            return min(covered), max(covered) + 1
        return first // self._cols, -(-end // self._cols)

    def legal_ranges(self, first: int, end: int) -> list[tuple[int, int]]:
        """`first`..`end` cut where no single slice may reach on: 6.3.1 (tiles), 7.4.7.1 (wavefront)."""
        ranges = []
        while first < end:
            tile_end = next(p for p in range(first + 1, self.size + 1) if self.starts_tile(p))
            stop = min(end, tile_end)
            if self._wavefront and not self.starts_row(first):
                row_end = next(p for p in range(first + 1, self.size + 1) if self.starts_row(p))
                stop = min(stop, row_end)
            elif self.starts_tile(first) and end > tile_end:
                # Several tiles in one slice: they must be whole.
                stop = max(p for p in range(tile_end, end + 1) if self.starts_tile(p))
            ranges.append((first, stop))
            first = stop
        return ranges

    def check(self, first: int, end: int) -> None:
        """Raises ValueError for a range outside the picture, UnsupportedStandInError if it must be cut."""
        if not 0 <= first < end <= self.size:
            raise ValueError(f"range must lie within 0..{self.size}, got {first}..{end}")
        if not self._is_aligned:
            raise UnsupportedStandInError("picture size is no multiple of the smallest coding block")
        if self._wavefront and self._has_tiles:
            # The Main profiles forbid it, and libavcodec does not decode it.
            raise UnsupportedStandInError("tiles together with wavefront parallel processing")
        if self.legal_ranges(first, end) != [(first, end)]:
            raise UnsupportedStandInError(f"tiles or wavefront rows forbid one slice from {first} to {end}")

    def substreams(self, first: int, end: int) -> list[Substream]:
        """Substreams of a slice of the places first..end - 1, which must be a legal range."""
        cuts = [first]
        if self._wavefront or self._has_tiles:
            starts = self.starts_row if self._wavefront else self.starts_tile
            cuts += [place for place in range(first + 1, end) if starts(place)]
        cuts.append(end)
        streams = []
        for start, stop in zip(cuts, cuts[1:], strict=False):
            new_tile = start == first or self.starts_tile(start)
            wide = self._wavefront and not self.starts_row(start + 1) and self.starts_row(start)
            streams.append(
                Substream(tuple(self.scan[start:stop]), new_tile, wide and not new_tile, wide and stop - start > 1)
            )
        return streams


class SliceShape:
    """Parameter sets, compared by what matters for how slices are cut: a key to remember results by."""

    __slots__ = ("_key", "pps", "sps")

    def __init__(self, sps: Sps, pps: Pps) -> None:
        self.sps, self.pps = sps, pps
        self._key = (
            (sps.width, sps.height, sps.log2_ctb, sps.log2_min_cb, pps.entropy_coding_sync),
            (pps.tile_columns, pps.tile_rows, pps.tile_widths, pps.tile_heights, pps.transquant_bypass),
        )

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SliceShape) and self._key == other._key


@lru_cache(maxsize=16)
def _coding_order(shape: SliceShape) -> CodingOrder:
    return CodingOrder(shape.sps, shape.pps)


def coding_order(sps: Sps, pps: Pps) -> CodingOrder:
    """CTBs of a picture in coding order; made once per shape."""
    return _coding_order(SliceShape(sps, pps))


def code_slice_data(
    substreams: Sequence[Substream],
    fresh: Sequence[State],
    terminate: int,
    code_ctb: Callable[[int, list[Symbol]], None],
    start_tile: Callable[[], None],
) -> list[bytes]:
    """slice_segment_data() as one byte string per substream, emulation prevention not yet in.

    `fresh`: contexts at the start of a slice; `terminate`: index of the terminating context;
    `code_ctb(address, symbols)` appends the symbols of coding_tree_unit(), `start_tile()` forgets the
    neighbours.
    """
    coded = []
    kept: list[State] | None = None
    last = len(substreams) - 1
    for number, stream in enumerate(substreams):
        if stream.starts_tile:
            start_tile()
        coder = SymbolCoder(list(kept if stream.synchronised and kept is not None else fresh))
        symbols: list[Symbol] = []
        for count, address in enumerate(stream.ctbs, 1):
            code_ctb(address, symbols)
            if stream.keeps and count == 2:
                coder.encode(symbols)
                symbols = []
                kept = list(coder.states)
            symbols.append((terminate, 0))
        symbols[-1] = (terminate, 1)
        if number < last:
            # end_of_slice_segment_flag 0, then end_of_subset_one_bit.
            symbols.insert(len(symbols) - 1, (terminate, 0))
        coder.encode(symbols)
        coded.append(coder.finish())
    return coded
