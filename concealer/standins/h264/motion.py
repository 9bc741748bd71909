"""slice_data() of 16x16 inter macroblocks without residual, in both entropy codes (7.3.4, 7.3.5, 8.4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from concealer.standins.cabac import Symbol, exp_golomb
from concealer.standins.h264.contexts import TERMINATE

Counts = npt.NDArray[np.int64]
Vector = Sequence[int]
Rows = Sequence[Sequence[Vector]]
"""Vectors (x, y) of the macroblock rows that a slice touches."""
Lists = Sequence[tuple[int, int, int]]
"""(list, reference index, number of references) of each list used."""

# ctxIdx of 9.3.3.1.
_SKIP_P, _TYPE_P, _SKIP_B, _TYPE_B, _MVD_X, _MVD_Y, _REFERENCE = 11, 14, 24, 27, 40, 47, 54
_FIELD_FLAG, _PATTERN_LUMA, _PATTERN_CHROMA = 70, 73, 77


@dataclass(frozen=True, slots=True)
class Span:
    """The macroblocks of a slice."""

    first: int
    end: int
    width: int
    """Macroblocks in a row of the picture."""
    pairs: bool = False
    """MBAFF: addresses count top and bottom macroblocks of pairs, here either all frame or all field pairs."""
    field_coded: bool = False
    """Every macroblock holds rows of one field: of a field picture, or of field pairs."""

    def places(self) -> list[tuple[int, int]]:
        """(x, y) of each macroblock in coding order, y counted from the first row the slice touches; as `cells`."""
        x, y = self.cells()
        return list(zip(x.tolist(), y.tolist(), strict=True))

    def cells(self) -> tuple[Counts, Counts]:
        """(x, y) of each macroblock in coding order, in a grid where its neighbours in the slice lie beside it.

        The rows are those of the picture, but for field pairs: there those of the bottom field follow those of the top
        field, with a row between them that stays empty (6.4.12.2).
        """
        top, bottom = self.rows
        if not self.pairs:
            y, x = np.divmod(np.arange(self.first, self.end) - top * self.width, self.width)
            return x, y
        y, x = np.divmod(np.arange(self.first // 2, self.end // 2) - top // 2 * self.width, self.width)
        both = (y, y + (bottom - top) // 2 + 1) if self.field_coded else (2 * y, 2 * y + 1)
        return x.repeat(2), np.stack(both, axis=1).reshape(-1)

    @property
    def grid_rows(self) -> int:
        """Rows of the grid of `cells`."""
        return self.rows[1] - self.rows[0] + (self.pairs and self.field_coded)

    @property
    def rows(self) -> tuple[int, int]:
        """Macroblock rows [top, bottom) that the slice touches."""
        if self.pairs:
            return 2 * (self.first // 2 // self.width), 2 * ((self.end // 2 - 1) // self.width + 1)
        return self.first // self.width, (self.end - 1) // self.width + 1


def motion_symbols(fields: Sequence[Rows], span: Span, is_b: bool, lists: Lists, chroma: bool) -> list[Symbol]:
    """CABAC symbols of the macroblocks of `span`.

    `fields`: one for each list used, row 0 being the first row the slice touches; `chroma`: chroma has a
    coded block pattern (4:2:0 and 4:2:2).
    """
    differences = [_differences(rows, span, _may_skip(is_b, lists, span)) for rows in fields]
    heads = [[_head(left, above, is_b, lists, flag) for above in (0, 1) for left in (0, 1)] for flag in (0, 1)]
    tails = [_tail(left, above, chroma) for above in (0, 1) for left in (0, 1)]
    skips = [((_SKIP_P + context, 1), (TERMINATE, 0)) for context in range(3)]
    stride, pairs = span.width + 2, span.pairs
    size = (span.rows[1] - span.rows[0] + 2) * stride
    # With a margin of 1: whether a macroblock is coded (1), skipped (0) or not there; sizes of differences.
    coded, present = [0] * size, [0] * size
    sizes = [([0] * size, [0] * size) for _ in lists]
    symbols: list[Symbol] = []
    for number, (x, y) in enumerate(span.places()):
        place = (y + 1) * stride + x + 1
        left, above = place - 1, place - stride
        present[place] = 1
        if differences[0][number] is None:
            symbols += skips[coded[left] + coded[above]]
            continue
        coded[place] = 1
        is_top = pairs and not y & 1
        symbols += heads[is_top][coded[left] + 2 * coded[above]]
        for difference, (sizes_x, sizes_y) in zip(differences, sizes, strict=True):
            dx, dy = difference[number] or (0, 0)
            symbols += component_symbols(_MVD_X, sizes_x[left] + sizes_x[above], dx)
            symbols += component_symbols(_MVD_Y, sizes_y[left] + sizes_y[above], dy)
            sizes_x[place], sizes_y[place] = abs(dx), abs(dy)
        symbols += tails[present[left] + 2 * present[above]]
        if is_top:
            # One end_of_slice_flag a pair.
            symbols.pop()
    symbols[-1] = (TERMINATE, 1)
    return symbols


def motion_vlc(fields: Sequence[Rows], span: Span, is_b: bool, lists: Lists) -> str:
    """The same in CAVLC, as a string of "0" and "1" without trailing bits."""
    differences = [_differences(rows, span, _may_skip(is_b, lists, span)) for rows in fields]
    head = ue_bits((3 if len(lists) == 2 else 1 + lists[0][0]) if is_b else 0)
    for _, index, count in lists:
        if count > 1:
            head += str(1 - index) if count == 2 else ue_bits(index)
    bits: list[str] = []
    run = 0
    for number in range(span.end - span.first):
        if differences[0][number] is None:
            run += 1
            continue
        bits.append(ue_bits(run))
        if span.pairs and not number & 1:
            bits.append("0")
        bits.append(head)
        run = 0
        for difference in differences:
            dx, dy = difference[number] or (0, 0)
            bits += (se_bits(dx), se_bits(dy))
        # coded_block_pattern 0.
        bits.append("1")
    if run:
        bits.append(ue_bits(run))
    return "".join(bits)


def _may_skip(is_b: bool, lists: Lists, span: Span) -> bool:
    """P_Skip predicts from reference 0; what B_Skip does depends on another picture's motion.

    Skipping one macroblock of a pair would leave it open whether the pair is a field pair.
    """
    return not is_b and lists[0][1] == 0 and not span.pairs


def _differences(rows: Rows, span: Span, may_skip: bool) -> list[tuple[int, int] | None]:
    """Vector minus median prediction (8.4.1.3) of each macroblock; None = P_Skip gives that vector (8.4.1.1).

    All macroblocks have the same reference index, so a neighbour differs only by not being there.
    """
    found: list[tuple[int, int] | None] = []
    stride, pairs = span.width + 2, span.pairs
    grid: list[Vector | None] = [None] * ((len(rows) + 1) * stride)
    for x, y in span.places():
        place = (y + 1) * stride + x + 1
        vector = grid[place] = rows[y][x]
        a, b = grid[place - 1], grid[place - stride]
        # In a pair the bottom macroblock has no neighbour C (Table 6-4).
        c = (None if pairs and y & 1 else grid[place + 1 - stride]) or grid[place - 1 - stride]
        if b is None and c is None:
            px, py = a or (0, 0)
        elif a is None and (b is None or c is None):
            px, py = b or c or (0, 0)
        else:
            ax, ay = a or (0, 0)
            bx, by = b or (0, 0)
            px, py = c or (0, 0)
            if ax > bx:
                ax, bx = bx, ax
            px = ax if px < ax else bx if px > bx else px
            if ay > by:
                ay, by = by, ay
            py = ay if py < ay else by if py > by else py
        vx, vy = vector
        found.append((vx - px, vy - py))
        if may_skip:
            still = not a or not b or not any(a) or not any(b)
            if not (vx or vy) if still else vx == px and vy == py:
                found[-1] = None
    return found


def _head(left: int, above: int, is_b: bool, lists: Lists, field_flag: int) -> tuple[Symbol, ...]:
    """From mb_skip_flag to ref_idx; `left`, `above`: whether these neighbours are coded, not skipped.

    `field_flag`: whether mb_field_decoding_flag follows, which is 0.
    """
    context = left + above
    symbols: list[Symbol] = [((_SKIP_B if is_b else _SKIP_P) + context, 0)]
    if field_flag:
        symbols.append((_FIELD_FLAG, 0))
    if not is_b:
        symbols += [(_TYPE_P, 0), (_TYPE_P + 1, 0), (_TYPE_P + 2, 0)]
    else:
        symbols.append((_TYPE_B + context, 1))
        if len(lists) == 2:
            symbols += [(_TYPE_B + 3, 1), (_TYPE_B + 4, 0), *[(_TYPE_B + 5, 0)] * 3]
        else:
            symbols += [(_TYPE_B + 3, 0), (_TYPE_B + 5, lists[0][0])]
    for _, index, count in lists:
        if count > 1:
            first = left + 2 * above if index else 0
            contexts = [first, 4, *[5] * index]
            bins = [1] * index + [0]
            symbols += [(_REFERENCE + inc, value) for inc, value in zip(contexts, bins, strict=False)]
    return tuple(symbols)


def _tail(left: int, above: int, chroma: bool) -> tuple[Symbol, ...]:
    """coded_block_pattern 0 and end_of_slice_flag 0; `left`, `above`: whether these neighbours are there."""
    pattern = [left + 2 * above, 1 + 2 * above, left + 2, 3]
    symbols = [(_PATTERN_LUMA + inc, 0) for inc in pattern]
    if chroma:
        symbols.append((_PATTERN_CHROMA, 0))
    return (*symbols, (TERMINATE, 0))


def component_symbols(base: int, neighbours: int, value: int) -> tuple[Symbol, ...]:
    """CABAC symbols of one component of mvd; `neighbours`: sum of the sizes left and above, `base`: 40 or 47."""
    return _coded_component(base + (0 if neighbours < 3 else 1 if neighbours <= 32 else 2), base, value)


@lru_cache(maxsize=8192)
def _coded_component(first: int, base: int, value: int) -> tuple[Symbol, ...]:
    """mvd: UEG3 with uCoff 9 (9.3.2.3), context indices of 9.3.3.1.1.7."""
    size = abs(value)
    if not size:
        return ((first, 0),)
    symbols = [(first, 1)] + [(base + min(2 + place, 6), 1) for place in range(1, min(size, 9))]
    if size < 9:
        symbols.append((base + min(2 + size, 6), 0))
        return (*symbols, (-1, int(value < 0)))
    bits, count = exp_golomb(size - 9, 3)
    return (*symbols, (-count - 1, bits << 1 | (value < 0)))


@lru_cache(maxsize=4096)
def ue_bits(value: int) -> str:
    """ue(v) as "0" and "1"."""
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


def se_bits(value: int) -> str:
    """se(v) as "0" and "1"."""
    return ue_bits(2 * value - 1 if value > 0 else -2 * value)
