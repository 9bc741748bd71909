"""Tiles of one size over a map of any size, for networks that are compiled for fixed sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_Place = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Tile:
    """Rows and columns of one tile, in the map and in the tile."""

    taken: _Place
    """What it reads of the map."""
    filled: _Place
    """Where that lies in the tile; the rest of it is empty."""
    kept: _Place
    """What of the map it answers for."""
    kept_inside: _Place
    """Where that lies in the tile."""


@lru_cache(maxsize=64)
def tiles(rows: int, cols: int, tile_rows: int, tile_cols: int, reach: int) -> tuple[Tile, ...]:
    """Tiles that answer for each cell of a (rows, cols) map once, each at least `reach` cells away from a border of its
    tile that is none of the map. Tiles must be greater than twice that."""
    return tuple(
        Tile(*((one, other) for one, other in zip(down, across, strict=True)))
        for down in _spans(rows, tile_rows, reach)
        for across in _spans(cols, tile_cols, reach)
    )


def _spans(length: int, tile: int, reach: int) -> Iterator[tuple[slice, slice, slice, slice]]:
    """Along one axis: taken, filled, kept, kept inside."""
    start = done = 0
    while done < length:
        end = min(start + tile, length)
        kept = length if end == length else end - reach
        yield slice(start, end), slice(0, end - start), slice(done, kept), slice(done - start, kept - start)
        done = kept
        start = min(done - reach, max(length - tile, 0))
