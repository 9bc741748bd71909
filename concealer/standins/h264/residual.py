"""CABAC symbols of H.264 residual data (7.3.5.3.3, 9.3.3.1.1.9, 9.3.3.1.3), for all macroblocks of a slice at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from concealer.standins.arrays import Array
from concealer.standins.h264.transform import Ints

LUMA_DC, LUMA_AC, LUMA, CHROMA_DC, CHROMA_AC = range(5)
"""ctxBlockCat (Table 9-42)."""
_FLAG = (85, 89, 93, 97, 101)
_SIGNIFICANT = (105, 120, 134, 149, 152)
_LAST = (166, 181, 195, 210, 213)
_FIELD = 172
"""How much further on these two stand for field macroblocks (Table 9-34)."""
_LEVEL = (227, 237, 247, 257, 266)
_MOST_PREFIX = 14


@dataclass
class Blocks:
    """Blocks of one category that are coded, whether they hold anything or not."""

    category: int
    levels: Ints
    """(m, coefficients), in scan order."""
    place: Array
    """(m,) place in the slice's order of blocks."""
    context: Array
    """(m,) ctxIdxInc of coded_block_flag: 0..3."""
    field_coded: bool = False
    """See `Span`."""


@dataclass
class _Symbols:
    block: Array
    """Place of the block in the slice."""
    offset: Array
    """Place of the symbol in the block."""
    context: Array
    value: Array


def residual_symbols(groups: Sequence[Blocks], places: int) -> tuple[Array, Array, Array]:
    """(contexts, values) of the symbols (see `symbol_coder`) of all blocks in order of `place`, and where those of each
    place begin: `places` + 1 entries.
    """
    parts = [part for group in groups for part in _symbols(group)]
    sizes = np.zeros(places, np.int64)
    for part in parts:
        sizes += np.bincount(part.block, minlength=places)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    contexts, values = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.int64)
    for part in parts:
        where = starts[part.block] + part.offset
        contexts[where], values[where] = part.context, part.value
    return contexts, values, starts


def _symbols(group: Blocks) -> list[_Symbols]:
    if not len(group.levels):
        return []
    filled: Array = (group.levels != 0).any(axis=1)
    flags = _Symbols(
        group.place, np.zeros_like(group.place), _FLAG[group.category] + group.context, filled.astype(np.int64)
    )
    if not filled.any():
        return [flags]
    levels, place = group.levels[filled], group.place[filled]
    run, run_size = _significance(group, levels, place)
    return [flags, run, _magnitudes(group.category, levels, place, 1 + run_size)]


def _significance(group: Blocks, levels: Ints, place: Array) -> tuple[_Symbols, Array]:
    """significant_coeff_flag and last_significant_coeff_flag, and their number in each block."""
    count, size = levels.shape
    nonzero = levels != 0
    last = size - 1 - np.argmax(nonzero[:, ::-1], axis=1)
    index = np.arange(size - 1)
    valid = np.empty((count, size - 1, 2), np.bool_)
    valid[:, :, 0] = index <= last[:, None]
    valid[:, :, 1] = valid[:, :, 0] & nonzero[:, :-1]
    increment: Array = np.minimum(index, 2) if group.category == CHROMA_DC else index
    increment = increment + _FIELD * group.field_coded
    contexts = np.stack([_SIGNIFICANT[group.category] + increment, _LAST[group.category] + increment], axis=1)
    values = np.stack([nonzero[:, :-1], index == last[:, None]], axis=2)
    flat = valid.reshape(count, -1)
    rows, slots = np.nonzero(flat)
    sizes: Array = flat.sum(axis=1)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    symbols = _Symbols(place[rows], 1 + within, contexts.reshape(-1)[slots], values.reshape(count, -1)[rows, slots])
    return symbols, sizes


def _magnitudes(category: int, levels: Ints, place: Array, begin: Array) -> _Symbols:
    """coeff_abs_level_minus1 and coeff_sign_flag, last coefficient first; `begin`: symbols before them in a block."""
    backward = levels[:, ::-1]
    sizes = np.abs(backward)
    greater, ones = sizes > 1, sizes == 1
    rows, slots = np.nonzero(sizes)
    greater_before: Array = (np.cumsum(greater, axis=1) - greater)[rows, slots]
    ones_before = (np.cumsum(ones, axis=1) - ones)[rows, slots]
    size, negative = sizes[rows, slots] - 1, backward[rows, slots] < 0
    first = _LEVEL[category] + np.where(greater_before > 0, 0, np.minimum(4, 1 + ones_before))
    later = _LEVEL[category] + 5 + np.minimum(4 - (category == CHROMA_DC), greater_before)
    prefix = np.minimum(size, _MOST_PREFIX)
    bins = prefix + (size < _MOST_PREFIX)
    # Bypass bins: what goes beyond the prefix in Exp-Golomb code of order 0, and the sign.
    rest = np.maximum(size - _MOST_PREFIX, 0)
    escape_ones = np.where(size < _MOST_PREFIX, 0, np.floor(np.log2(rest + 1))).astype(np.int64)
    escape_count = np.where(size < _MOST_PREFIX, 0, 2 * escape_ones + 1)
    escape = (((1 << escape_ones) - 1) << (escape_ones + 1)) | (rest + 1 - (1 << escape_ones))
    bypass = np.where(size < _MOST_PREFIX, 0, escape) << 1 | negative
    total = bins + 1
    ends = np.cumsum(total)
    owner = np.repeat(np.arange(len(size)), total)
    within = np.arange(int(ends[-1])) - (ends - total)[owner]
    is_bypass = within == bins[owner]
    contexts = np.where(within == 0, first[owner], later[owner])
    contexts[is_bypass] = -(escape_count + 1)
    values = (within < prefix[owner]) * 1
    values[is_bypass] = bypass
    row = rows[owner]
    per_block = np.bincount(row, minlength=len(levels))
    block_starts = np.cumsum(per_block) - per_block
    offset = begin[row] + np.arange(len(row)) - block_starts[row]
    return _Symbols(place[row], offset, contexts, values)
