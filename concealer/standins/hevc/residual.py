"""CABAC symbols of HEVC residual_coding() (7.3.8.11, 9.3.4.2.4 to 9.3.4.2.7), for many transform blocks at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from concealer.standins.arrays import Array

# Places of the contexts among those of `CONTEXTS`.
_LAST_X, _LAST_Y, _SUB_BLOCK, _SIGNIFICANT, _GREATER_1, _GREATER_2 = 0, 18, 36, 40, 82, 106
_LAST_P = (125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108)
_LAST_B = (125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93)
_LAST_I = (110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63)
CONTEXTS = {
    "I": (
        *_LAST_I, *_LAST_I, 91, 171, 134, 141,
        111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125,
        107, 125, 141, 179, 153, 125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111,
        140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140,
        227, 122, 197, 138, 153, 136, 167, 152, 152,
    ),
    "P": (
        *_LAST_P, *_LAST_P, 121, 140, 61, 154,
        155, 154, 139, 153, 139, 123, 123, 63, 153, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154,
        166, 183, 140, 136, 153, 154, 170, 153, 123, 123, 107, 121, 107, 121, 167, 151, 183, 140, 151, 183, 140,
        154, 196, 196, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 137, 169, 194, 166, 167, 154,
        167, 137, 182, 107, 167, 91, 122, 107, 167,
    ),
    "B": (
        *_LAST_B, *_LAST_B, 121, 140, 61, 154,
        170, 154, 139, 153, 139, 123, 123, 63, 124, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154,
        166, 183, 140, 136, 153, 154, 170, 153, 138, 138, 122, 121, 122, 121, 167, 151, 183, 140, 151, 183, 140,
        154, 196, 167, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 122, 169, 208, 166, 167, 154,
        152, 167, 182, 107, 167, 91, 107, 107, 167,
    ),
}  # fmt: skip
"""initValue of I, P and B slices (initType 0, 1, 2), Tables 9-29 to 9-34."""
_SLOTS = 43
"""Symbols of a sub-block at most: flag, 16 significances, 8 + 1 greater flags, signs, 16 remainders."""
_PREFIX_OF = np.array([0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7])
_GROUP_START = np.array([0, 1, 2, 3, 4, 6, 8, 12])
_MOST_RICE = 4


@lru_cache(maxsize=8)
def _diagonal(size: int) -> tuple[Array, Array]:
    """(x, y) of the up-right diagonal scan (6.5.3)."""
    places = [(s - y, y) for s in range(2 * size - 1) for y in range(min(s, size - 1), -1, -1) if s - y < size]
    return np.array([x for x, _ in places]), np.array([y for _, y in places])


def hide_signs(levels: Array, exact: Array) -> None:
    """Change levels (m, n, n) in place so that each sub-block's parity tells its first coefficient's sign (7.4.9.11).

    `exact`: the same before rounding; the level nearest to being rounded the other way gives way.
    """
    count, size, _ = levels.shape
    x, y = _diagonal(4)
    shape = (count, size // 4, 4, size // 4, 4)
    cells = levels.reshape(shape).transpose(0, 1, 3, 2, 4)[..., y, x].copy()
    rest = exact.reshape(shape).transpose(0, 1, 3, 2, 4)[..., y, x] - cells
    nonzero = cells != 0
    first = np.argmax(nonzero, axis=-1)
    last = 15 - np.argmax(nonzero[..., ::-1], axis=-1)
    lead = np.take_along_axis(cells, first[..., None], axis=-1)[..., 0]
    wrong = (last - first > 3) & ((np.abs(cells).sum(axis=-1) & 1) != (lead < 0)) & nonzero.any(axis=-1)
    where = np.nonzero(wrong)
    if not where[0].size:
        return
    part, error = cells[where], rest[where]
    sign = np.sign(part)
    outward = error * sign >= 0
    # A level of 1 must not vanish: the first and the last place would move.
    outward |= np.abs(part) == 1
    gain = np.where(part != 0, np.where(error * sign >= 0, np.abs(error), np.where(outward, -1.0, np.abs(error))), -9.0)
    chosen = np.argmax(gain, axis=1)
    rows = np.arange(len(part))
    part[rows, chosen] += np.where(outward[rows, chosen], sign[rows, chosen], -sign[rows, chosen])
    cells[where] = part
    back = np.empty(cells.shape[:-1] + (4, 4), levels.dtype)
    back[..., y, x] = cells
    levels[:] = back.transpose(0, 1, 3, 2, 4).reshape(levels.shape)


def block_symbols(levels: Array, chroma: bool, sign_hiding: bool) -> tuple[Array, Array, Array]:
    """(contexts, values, starts) of m transform blocks of 8x8 or 16x16, none of them empty.

    levels: (m, n, n) by row and column; with `sign_hiding` after `hide_signs`. contexts count from the first of
    `CONTEXTS`, negative ones are bypass bins (see `symbol_coder`); those of block i lie in starts[i]..starts[i + 1].
    """
    count, size, _ = levels.shape
    log2, side = size.bit_length() - 1, size // 4
    x, y = _diagonal(4)
    block_x, block_y = _diagonal(side)
    cells = levels.reshape(count, side, 4, side, 4).transpose(0, 1, 3, 2, 4)[..., y, x][:, block_y, block_x]
    blocks = side * side
    flat = cells.reshape(count, -1) != 0
    last = flat.shape[1] - 1 - np.argmax(flat[:, ::-1], axis=1)
    last_block, last_place = last >> 4, last & 15
    filled: Array = (cells != 0).any(axis=2)
    owner, index = np.nonzero(np.arange(blocks) <= last_block[:, None])
    order = np.argsort(owner * blocks - index, kind="stable")
    owner, index = owner[order], index[order]
    contexts, values, valid = _sub_blocks(
        cells[owner, index],
        filled,
        owner,
        index,
        last_block[owner],
        last_place[owner],
        (block_x[index], block_y[index]),
        _grid(filled, block_x, block_y, side),
        log2,
        chroma,
        sign_hiding,
    )
    head = _last_position(
        4 * block_x[last_block] + x[last_place], 4 * block_y[last_block] + y[last_place], log2, chroma
    )
    rows = np.argsort(
        np.concatenate([np.arange(count) * (blocks + 1), owner * (blocks + 1) + blocks - index]), kind="stable"
    )
    contexts, values, valid = (
        np.concatenate([a, b])[rows] for a, b in zip(head, (contexts, values, valid), strict=True)
    )
    sizes = np.bincount(np.concatenate([np.arange(count), owner])[rows], weights=valid.sum(axis=1), minlength=count)
    return contexts[valid], values[valid], np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _grid(filled: Array, block_x: Array, block_y: Array, side: int) -> Array:
    """(m, side + 1, side + 1) whether the sub-block at (y, x) holds anything; the margin does not."""
    grid = np.zeros((len(filled), side + 1, side + 1), np.int64)
    grid[:, block_y, block_x] = filled
    return grid


def _last_position(last_x: Array, last_y: Array, log2: int, chroma: bool) -> tuple[Array, Array, Array]:
    """last_sig_coeff_x/y_prefix and _suffix as rows of slots."""
    count, most = len(last_x), 2 * log2 - 1
    contexts = np.zeros((count, _SLOTS), np.int64)
    values = np.zeros((count, _SLOTS), np.int64)
    valid = np.zeros((count, _SLOTS), np.bool_)
    offset, shift = (15, log2 - 2) if chroma else (3 * (log2 - 2) + (log2 - 1 >> 2), log2 + 1 >> 2)
    bins = np.arange(most)
    for start, base, position in ((0, _LAST_X, last_x), (most, _LAST_Y, last_y)):
        prefix = _PREFIX_OF[position][:, None]
        contexts[:, start : start + most] = base + offset + (bins >> shift)
        values[:, start : start + most] = bins < prefix
        valid[:, start : start + most] = bins <= prefix
    for slot, position in ((2 * most, last_x), (2 * most + 1, last_y)):
        prefix = _PREFIX_OF[position]
        valid[:, slot] = prefix > 3
        contexts[:, slot] = -((prefix >> 1) - 1)
        values[:, slot] = position - _GROUP_START[prefix]
    return contexts, values, valid


def _sub_blocks(
    cells: Array,
    filled: Array,
    owner: Array,
    index: Array,
    last_block: Array,
    last_place: Array,
    place: tuple[Array, Array],
    grid: Array,
    log2: int,
    chroma: bool,
    sign_hiding: bool,
) -> tuple[Array, Array, Array]:
    """Rows of slots of sub-blocks in coding order; cells: (r, 16) in scan order."""
    count = len(cells)
    contexts = np.zeros((count, _SLOTS), np.int64)
    values = np.zeros((count, _SLOTS), np.int64)
    valid = np.zeros((count, _SLOTS), np.bool_)
    is_last, is_first = index == last_block, index == 0
    right, below = grid[owner, place[1], place[0] + 1], grid[owner, place[1] + 1, place[0]]
    has = filled[owner, index]
    # coded_sub_block_flag.
    valid[:, 0] = ~is_last & ~is_first
    contexts[:, 0] = _SUB_BLOCK + 2 * chroma + np.minimum(right + below, 1)
    values[:, 0] = has
    # sig_coeff_flag, from the last place back.
    nonzero = cells != 0
    reverse = np.arange(15, -1, -1)
    coded = (has | is_first)[:, None] & np.where(is_last[:, None], reverse < last_place[:, None], True)
    lone = ~is_last & ~is_first & ~nonzero[:, 1:].any(axis=1)
    coded &= (reverse > 0) | ~lone[:, None]
    valid[:, 1:17] = coded
    values[:, 1:17] = nonzero[:, ::-1]
    contexts[:, 1:17] = _significance(right + 2 * below, index, log2, chroma)[:, ::-1]
    _levels(contexts, values, valid, cells, owner, is_first, chroma, sign_hiding)
    return contexts, values, valid


def _levels(
    contexts: Array,
    values: Array,
    valid: Array,
    cells: Array,
    owner: Array,
    is_first: Array,
    chroma: bool,
    sign_hiding: bool,
) -> None:
    """Levels and signs, first those nearest to the end, in slots 17..42; cells: as for `_sub_blocks`."""
    count, nonzero = len(cells), cells != 0
    rank = np.argsort(~nonzero[:, ::-1], axis=1, kind="stable")
    ordered = np.take_along_axis(cells[:, ::-1], rank, axis=1).astype(np.int64)
    size, total = np.abs(ordered), nonzero.sum(axis=1)
    number = np.arange(16)
    there = number < total[:, None]
    greater = (size > 1) & there
    before = np.cumsum(greater[:, :8], axis=1) - greater[:, :8] > 0
    chosen = np.where(is_first | chroma, 0, 2)
    # The set is the next one where the sub-block coded before (in the same block) had a level above 1.
    some = np.flatnonzero(total > 0)
    previous = np.zeros(count, np.bool_)
    follows = owner[some[1:]] == owner[some[:-1]]
    previous[some[1:]] = follows & greater[some[:-1], :8].any(axis=1)
    chosen = chosen + previous
    valid[:, 17:25] = there[:, :8]
    values[:, 17:25] = greater[:, :8]
    step = np.where(before, 0, np.minimum(3, number[:8] + 1))
    contexts[:, 17:25] = _GREATER_1 + 16 * chroma + 4 * chosen[:, None] + step
    any_greater = greater[:, :8].any(axis=1)
    first_greater = np.argmax(greater[:, :8], axis=1)
    valid[:, 25] = any_greater
    values[:, 25] = size[np.arange(count), first_greater] > 2
    contexts[:, 25] = _GREATER_2 + 4 * chroma + chosen
    # Signs; the hidden one is that of the place nearest to the start.
    first_place = np.argmax(nonzero, axis=1)
    end_place = 15 - np.argmax(nonzero[:, ::-1], axis=1)
    signs = total - (sign_hiding & (end_place - first_place > 3) & (total > 0))
    bits = np.zeros(count, np.int64)
    for k in range(16):
        bits = np.where(k < signs, bits << 1 | (ordered[:, k] < 0), bits)
    valid[:, 26], contexts[:, 26], values[:, 26] = signs > 0, -signs, bits
    floor = np.where(number < 8, np.where(any_greater[:, None] & (number == first_greater[:, None]), 3, 2), 1)
    _remainders(contexts, values, valid, size, floor, there)


@lru_cache(maxsize=8)
def _inside(log2: int, chroma: bool) -> Array:
    """(4, 2, 16): ctxIdxInc of sig_coeff_flag by neighbours, whether the sub-block is not the first, and place."""
    x, y = _diagonal(4)
    table = np.zeros((4, 2, 16), np.int64)
    table[0] = np.where(x + y == 0, 2, np.where(x + y < 3, 1, 0))
    table[1] = np.where(y == 0, 2, np.where(y == 1, 1, 0))
    table[2] = np.where(x == 0, 2, np.where(x == 1, 1, 0))
    table[3] = 2
    if chroma:
        table += 27 + (9 if log2 == 3 else 12)
    else:
        table[:, 1] += 3
        table += 9 if log2 == 3 else 21
    table[:, 0, 0] = 27 if chroma else 0
    return table


def _significance(neighbours: Array, index: Array, log2: int, chroma: bool) -> Array:
    return _SIGNIFICANT + _inside(log2, chroma)[neighbours, np.minimum(index, 1)]


def _remainders(contexts: Array, values: Array, valid: Array, size: Array, floor: Array, there: Array) -> None:
    """coeff_abs_level_remaining (9.3.3.11), in slots 27..42."""
    rice = np.zeros(len(size), np.int64)
    for k in range(16):
        active = there[:, k] & (size[:, k] >= floor[:, k])
        if not active.any():
            continue
        rest = np.where(active, size[:, k] - floor[:, k], 0)
        prefix = rest >> rice
        plain = prefix < 4
        beyond = np.where(plain, 0, rest - (4 << rice))
        ones = np.floor(np.log2((beyond >> rice + 1) + 1)).astype(np.int64)
        tail = rice + 1 + ones
        short = ((1 << np.minimum(prefix, 4)) - 1) << 1 + rice | rest & (1 << rice) - 1
        long = ((1 << 4 + ones) - 1) << 1 + tail | beyond - ((1 << ones) - 1 << rice + 1)
        valid[:, 27 + k] = active
        contexts[:, 27 + k] = -np.where(plain, prefix + 1 + rice, 5 + ones + tail)
        values[:, 27 + k] = np.where(plain, short, long)
        rice = np.where(active & (size[:, k] > 3 << rice), np.minimum(rice + 1, _MOST_RICE), rice)
