"""slice_data() of 16x16 inter macroblocks without residual, in both entropy codes (7.3.4, 7.3.5, 8.4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from .symbol_coder import Symbol, exp_golomb

Vector = Sequence[int]
Rows = Sequence[Sequence[Vector]]
"""Vectors (x, y) of the macroblock rows that a slice touches."""
Lists = Sequence[tuple[int, int, int]]
"""(list, reference index, number of references) of each list used."""

# ctxIdx of 9.3.3.1.
_SKIP_P, _TYPE_P, _SKIP_B, _TYPE_B, _MVD_X, _MVD_Y, _REFERENCE = 11, 14, 24, 27, 40, 47, 54
_PATTERN_LUMA, _PATTERN_CHROMA, _TERMINATE = 73, 77, 78


def motion_symbols(
    fields: Sequence[Rows], first: int, end: int, width: int, is_b: bool, lists: Lists, chroma: bool
) -> list[Symbol]:
    """CABAC symbols of macroblocks first..end - 1 in a picture `width` macroblocks wide.

    `fields`: one for each list used, row 0 being the row of `first`; `chroma`: chroma has a coded block
    pattern (4:2:0 and 4:2:2).
    """
    differences = [_differences(rows, first, end, width, _may_skip(is_b, lists)) for rows in fields]
    heads = [_head(left, above, is_b, lists) for above in (0, 1) for left in (0, 1)]
    tails = [_tail(left, above, chroma) for above in (0, 1) for left in (0, 1)]
    skips = [((_SKIP_P + context, 1), (_TERMINATE, 0)) for context in range(3)]
    x, stride = first % width, width + 2
    place = stride + x + 1
    size = (end // width - first // width + 3) * stride
    # With a margin of 1: whether a macroblock is coded (1), skipped (0) or not there; sizes of differences.
    coded, present = [0] * size, [0] * size
    sizes = [([0] * size, [0] * size) for _ in lists]
    symbols: list[Symbol] = []
    for number in range(end - first):
        left, above = place - 1, place - stride
        present[place] = 1
        if differences[0][number] is None:
            symbols += skips[coded[left] + coded[above]]
        else:
            coded[place] = 1
            symbols += heads[coded[left] + 2 * coded[above]]
            for difference, (sizes_x, sizes_y) in zip(differences, sizes, strict=True):
                dx, dy = difference[number] or (0, 0)
                symbols += _component(_MVD_X, sizes_x[left] + sizes_x[above], dx)
                symbols += _component(_MVD_Y, sizes_y[left] + sizes_y[above], dy)
                sizes_x[place], sizes_y[place] = abs(dx), abs(dy)
            symbols += tails[present[left] + 2 * present[above]]
        x += 1
        place += 1
        if x == width:
            x = 0
            place += 2
    symbols[-1] = (_TERMINATE, 1)
    return symbols


def motion_vlc(fields: Sequence[Rows], first: int, end: int, width: int, is_b: bool, lists: Lists) -> str:
    """The same in CAVLC, as a string of "0" and "1" without trailing bits."""
    differences = [_differences(rows, first, end, width, _may_skip(is_b, lists)) for rows in fields]
    head = _ue((3 if len(lists) == 2 else 1 + lists[0][0]) if is_b else 0)
    for _, index, count in lists:
        if count > 1:
            head += str(1 - index) if count == 2 else _ue(index)
    bits: list[str] = []
    run = 0
    for number in range(end - first):
        if differences[0][number] is None:
            run += 1
            continue
        bits += (_ue(run), head)
        run = 0
        for difference in differences:
            dx, dy = difference[number] or (0, 0)
            bits += (_se(dx), _se(dy))
        # coded_block_pattern 0.
        bits.append("1")
    if run:
        bits.append(_ue(run))
    return "".join(bits)


def _may_skip(is_b: bool, lists: Lists) -> bool:
    """P_Skip predicts from reference 0; what B_Skip does depends on another picture's motion."""
    return not is_b and lists[0][1] == 0


def _differences(rows: Rows, first: int, end: int, width: int, may_skip: bool) -> list[tuple[int, int] | None]:
    """Vector minus median prediction (8.4.1.3) of each macroblock; None = P_Skip gives that vector (8.4.1.1).

    All macroblocks have the same reference index, so a neighbour differs only by not being there.
    """
    found: list[tuple[int, int] | None] = []
    stride = width + 2
    grid: list[Vector | None] = [None] * ((len(rows) + 1) * stride)
    y, x = 0, first % width
    row = rows[0]
    for _ in range(end - first):
        place = (y + 1) * stride + x + 1
        vector = grid[place] = row[x]
        a, b = grid[place - 1], grid[place - stride]
        c = grid[place + 1 - stride] or grid[place - 1 - stride]
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
        x += 1
        if x == width:
            x = 0
            y += 1
            row = rows[y] if y < len(rows) else ()
    return found


def _head(left: int, above: int, is_b: bool, lists: Lists) -> tuple[Symbol, ...]:
    """From mb_skip_flag to ref_idx; `left`, `above`: whether these neighbours are coded, not skipped."""
    context = left + above
    if not is_b:
        symbols = [(_SKIP_P + context, 0), (_TYPE_P, 0), (_TYPE_P + 1, 0), (_TYPE_P + 2, 0)]
    else:
        symbols = [(_SKIP_B + context, 0), (_TYPE_B + context, 1)]
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
    return (*symbols, (_TERMINATE, 0))


def _component(base: int, neighbours: int, value: int) -> tuple[Symbol, ...]:
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
def _ue(value: int) -> str:
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


def _se(value: int) -> str:
    return _ue(2 * value - 1 if value > 0 else -2 * value)
