"""CAVLC bits of H.264 residual blocks (9.2), for all macroblocks of a slice at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from concealer.standins.arrays import Array
from concealer.standins.h264 import cavlc_tables as tables
from concealer.standins.h264.transform import Ints

Flat = npt.NDArray[np.int64]

_SLOTS = 35
"""Codes of a block at most: coeff_token, signs of trailing ones, 16 levels, total_zeros, 15 run_before, and a spare."""


def _table(rows: Sequence[Sequence[tuple[int, int]]], width: int) -> Flat:
    """(rows, width, 2) of lengths and codes."""
    table = np.zeros((len(rows), width, 2), np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


_FIXED = [(6, max(0, total - 1) << 2 | ones) if total else (6, 3) for total in range(17) for ones in range(4)]
_COEFF_TOKEN = _table([*tables.COEFF_TOKEN, _FIXED, tables.COEFF_TOKEN_CHROMA_DC], 68)
_TOTAL_ZEROS = _table(tables.TOTAL_ZEROS, 16)
_TOTAL_ZEROS_DC = _table(tables.TOTAL_ZEROS_CHROMA_DC, 4)
_RUN_BEFORE = _table(tables.RUN_BEFORE, 15)
_CHROMA_DC_TOKENS = 4


@dataclass
class Blocks:
    """Blocks of one size that are coded, whether they hold anything or not."""

    levels: Ints
    """(m, 4, 15 or 16), in scan order; 4 = chroma DC."""
    place: Flat
    """(m,) place in the slice's order of blocks."""
    near: Flat
    """(m,) nC; not looked at for chroma DC."""


def predicted_count(left: Array, above: Array) -> Flat:
    """nC (9.2.1) from the neighbours' numbers of coefficients, -1 where there is no neighbour."""
    both = (left >= 0) & (above >= 0)
    return np.where(both, (left + above + 1) >> 1, np.maximum(np.maximum(left, above), 0))


def residual_bits(groups: Sequence[Blocks], places: int) -> tuple[str, Flat]:
    """All blocks in order of `place` as "0" and "1", and where those of each place begin (`places` + 1 entries)."""
    order = np.concatenate([group.place for group in groups])
    sort = np.argsort(order, kind="stable")
    codes = np.concatenate([_codes(group) for group in groups])[sort]
    sizes = codes[:, :, 0]
    per_place = np.bincount(order[sort], weights=sizes.sum(axis=1), minlength=places).astype(np.int64)
    used = sizes.ravel() > 0
    lengths, values = sizes.ravel()[used], codes[:, :, 1].ravel()[used]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(lengths)
    shift = ends[owner] - 1 - np.arange(len(owner))
    bits = (values[owner] >> shift & 1).astype(np.uint8) + np.uint8(48)
    return bits.tobytes().decode("ascii"), np.concatenate([[0], np.cumsum(per_place)])


def _codes(group: Blocks) -> Flat:
    """(m, _SLOTS, 2): lengths and values of each block's codes, unused ones of length 0."""
    levels = group.levels
    count, size = levels.shape
    codes = np.zeros((count, _SLOTS, 2), np.int64)
    nonzero = levels != 0
    total = nonzero.sum(axis=1)
    # Coefficients of each block last first, then zeros.
    rank = np.argsort(~nonzero[:, ::-1], axis=1, kind="stable")
    backward = np.take_along_axis(levels[:, ::-1], rank, axis=1).astype(np.int64)
    position = size - 1 - rank
    is_one = np.abs(backward) == 1
    ones = np.minimum(np.cumprod(is_one, axis=1).sum(axis=1), 3)
    kind = np.full(count, _CHROMA_DC_TOKENS) if size == 4 else np.searchsorted([2, 4, 8], group.near, side="right")
    codes[:, 0] = _COEFF_TOKEN[kind, 4 * total + ones]
    index = np.arange(size)
    signs = (backward < 0) & (index < ones[:, None])
    codes[:, 1, 0] = ones
    for place in range(min(3, size)):
        codes[:, 1, 1] |= np.where(place < ones, signs[:, place] << np.maximum(ones - 1 - place, 0), 0)
    _levels(codes, backward, total, ones)
    _zeros(codes, position, total, size)
    return codes


def _levels(codes: Flat, backward: Flat, total: Flat, ones: Flat) -> None:
    """level_prefix and level_suffix (9.2.2.1), in slots 2..17."""
    suffix_length = ((total > 10) & (ones < 3)).astype(np.int64)
    for place in range(backward.shape[1]):
        active = (place >= ones) & (place < total)
        if not active.any():
            continue
        level = backward[:, place]
        code = 2 * np.abs(level) - 2 + (level < 0) - 2 * ((place == ones) & (ones < 3))
        plain = code < np.where(suffix_length == 0, 14, 15 << suffix_length)
        middle = (suffix_length == 0) & ~plain & (code < 30)
        prefix = np.where(plain, code >> suffix_length, np.where(middle, 14, 15))
        size = np.where(plain, suffix_length, np.where(middle, 4, 12))
        over = code - np.where(middle, 14, np.where(suffix_length == 0, 30, 15 << suffix_length))
        suffix = np.where(plain, code & ((1 << suffix_length) - 1), over)
        codes[:, 2 + place, 0] = np.where(active, prefix + 1 + size, 0)
        codes[:, 2 + place, 1] = np.where(active, 1 << size | suffix, 0)
        longer = np.maximum(suffix_length, 1)
        longer += (np.abs(level) > 3 << (longer - 1)) & (longer < 6)
        suffix_length = np.where(active, longer, suffix_length)


def _zeros(codes: Flat, position: Flat, total: Flat, size: int) -> None:
    """total_zeros and run_before (9.2.3), in slots 18..33."""
    zeros = np.where(total > 0, position[:, 0] + 1 - total, 0)
    some = (total > 0) & (total < size)
    table = _TOTAL_ZEROS_DC if size == 4 else _TOTAL_ZEROS
    codes[some, 18] = table[total[some] - 1, zeros[some]]
    left = zeros
    for place in range(size - 1):
        active = (place < total - 1) & (left > 0)
        if not active.any():
            break
        run = position[:, place] - position[:, place + 1] - 1
        codes[active, 19 + place] = _RUN_BEFORE[np.minimum(left[active], 7) - 1, run[active]]
        left = np.where(active, left - run, left)
