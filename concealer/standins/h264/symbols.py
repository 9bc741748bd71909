"""CABAC symbols of 16x16 inter macroblocks with residual (H.264 7.3.4, 7.3.5), for all of a slice at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from concealer.standins.arrays import Array
from concealer.standins.h264.contexts import TERMINATE, TRANSFORM_SIZE
from concealer.standins.h264.motion import Span

BOTH = 2
"""Mode of a macroblock predicted from both lists."""
_SKIP_P, _TYPE_P, _SKIP_B, _TYPE_B, _MVD_X, _MVD_Y = 11, 14, 24, 27, 40, 47
_REFERENCE, _QP_DELTA, _FIELD_FLAG, _PATTERN_LUMA, _PATTERN_CHROMA = 54, 60, 70, 73, 77
_MOST_MVD = 9
"""uCoff of mvd (9.3.2.3): bins of its prefix."""


def inter_symbols(
    modes: Array,
    differences: Sequence[Array],
    skippable: Array,
    patterns: Array,
    residual: tuple[Array, Array, Array],
    span: Span,
    *,
    is_b: bool,
    chroma: bool,
    size_flag: bool,
) -> tuple[Array, Array]:
    """(contexts, values) of slice_data(), see `symbol_coder`.

    modes: (n,) list of each macroblock, or `BOTH`. differences: for each list (n, 2) vectors minus predictions.
    skippable: (n,) P_Skip gives the vector. patterns: (n,) coded_block_pattern. residual: (contexts, values, starts)
    of what is coded behind mb_qp_delta, that of macroblock i in starts[i]..starts[i + 1]. chroma: there is any.
    size_flag: transform_size_8x8_flag is sent.
    """
    near = Cells(span)
    skipped = skippable & (patterns == 0)
    coded = ~skipped
    left, above = near.of(coded.astype(np.int64), 0)
    slots = Slots(len(modes))
    slots.add(coded | skipped, (_SKIP_B if is_b else _SKIP_P) + left + above, skipped)
    if span.pairs:
        slots.add(says_field(coded), near.field_context(span), span.field_coded)
    if is_b:
        both = modes == BOTH
        slots.add(coded, _TYPE_B + left + above, 1)
        slots.add(coded, _TYPE_B + 3, both)
        slots.add(coded & both, _TYPE_B + 4, 0)
        slots.add(coded, _TYPE_B + 5, np.where(both, 0, modes))
        for _ in range(2):
            slots.add(coded & both, _TYPE_B + 5, 0)
    else:
        for bin_ in range(3):
            slots.add(coded, _TYPE_P + bin_, 0)
    for which in range(len(differences)):
        if span.pairs and span.field_coded:
            # One frame is two fields to choose from; the first is that of the same parity.
            slots.add(coded & ((modes == which) | (modes == BOTH)), _REFERENCE, 0)
    for which, difference in enumerate(differences):
        uses = coded & ((modes == which) | (modes == BOTH))
        for component, base in ((0, _MVD_X), (1, _MVD_Y)):
            size = np.where(uses, np.abs(difference[:, component]), 0)
            _vector(slots, uses, size, difference[:, component] < 0, base, np.add(*near.of(size, 0)))
    # A neighbour outside the slice counts as full, a skipped one as empty.
    _pattern(slots, coded, patterns, *near.of(patterns, 15), chroma)
    filled = coded & (patterns > 0)
    if size_flag:
        slots.add(filled & (patterns & 15 > 0), TRANSFORM_SIZE, 0)
    slots.add(filled, _QP_DELTA, 0)
    behind = len(slots)
    add_end(slots, span)
    return slots.with_parts(behind, residual)


def says_field(coded: Array) -> Array:
    """(n,) which macroblocks of pairs mb_field_decoding_flag is sent with: the first of each that is not skipped."""
    first: Array = coded.copy()
    first[1::2] &= ~coded[::2]
    return first


def add_end(slots: Slots, span: Span) -> None:
    """end_of_slice_flag: one for each macroblock, or pair."""
    count = span.end - span.first
    sent, last = np.ones(count, np.bool_), np.zeros(count, np.int64)
    if span.pairs:
        sent[::2] = False
    last[-1] = 1
    slots.add(sent, TERMINATE, last)


def predictions(modes: Array, vectors: Array, which: int, span: Span) -> Array:
    """(n, 2) predicted vectors (8.4.1.3) of list `which`, all of whose vectors refer to one picture.

    modes: (n,); vectors: (n, 2). For macroblocks that do not use the list what is returned means nothing.
    """
    near = Cells(span)
    uses = (modes == which) | (modes == BOTH)
    grid = near.grid(np.where(uses[:, None], vectors, 0), 0)
    with_list, there = near.grid(uses.astype(np.int64), 0), near.grid(np.ones(len(modes), np.int64), 0)
    place = near.places
    a, b, c = place - 1, place - near.stride, place + 1 - near.stride
    has_c = there[c] > 0
    if span.pairs and not span.field_coded:
        has_c[1::2] = False  # Table 6-4: of a frame pair the bottom macroblock has none
    c = np.where(has_c, c, place - 1 - near.stride)
    use = np.stack([with_list[a], with_list[b], with_list[c]])
    three = np.stack([grid[a], grid[b], grid[c]])
    median = three.sum(axis=0) - three.max(axis=0) - three.min(axis=0)
    # What is not there or lacks the list is zero in `three`, so that the sum is the only one that has it.
    only: Array = use.sum(axis=0) == 1
    only |= (there[b] == 0) & (there[c] == 0) & (there[a] > 0)
    found: Array = np.where(only[:, None], _only(three, use), median)
    return found


def _only(three: Array, use: Array) -> Array:
    return (three * use[:, :, None]).sum(axis=0)


def skip_gives(vectors: Array, predicted: Array, span: Span) -> Array:
    """(n,) whether P_Skip (8.4.1.1) gives the vectors of a P slice."""
    near = Cells(span)
    moves = near.grid((vectors != 0).any(axis=1).astype(np.int64), 0)
    still = (moves[near.places - 1] == 0) | (moves[near.places - near.stride] == 0)
    wanted: Array = np.where(still[:, None], 0, predicted)
    found: Array = (vectors == wanted).all(axis=1)
    if span.pairs and span.field_coded:
        # A pair that is skipped as a whole is taken for what lies beside it; without that for a frame pair (7.4.4).
        found &= near.field_context(span) > _FIELD_FLAG
    return found


class Cells:
    """The macroblocks of a slice in a grid with a margin, in which their neighbours lie at fixed distances."""

    def __init__(self, span: Span) -> None:
        self.stride = span.width + 2
        self._size = (span.grid_rows + 2) * self.stride
        x, y = span.cells()
        self.places: Array = (y + 1) * self.stride + x + 1

    def grid(self, values: Array, absent: int) -> Array:
        """values (n, ...) at their places, `absent` where the slice has no macroblock."""
        grid = np.full((self._size, *values.shape[1:]), absent, np.int64)
        grid[self.places] = values
        return grid

    def of(self, values: Array, absent: int) -> tuple[Array, Array]:
        """What (n,) values are left of and above each macroblock."""
        grid = self.grid(values, absent)
        return grid[self.places - 1], grid[self.places - self.stride]

    def field_context(self, span: Span) -> Array:
        """(n,) ctxIdx of mb_field_decoding_flag: how many of the pairs left and above are field pairs (9.3.3.1.1.1)."""
        beside: Array = np.add(*self.of(np.ones(span.end - span.first, np.int64), 0))
        return _FIELD_FLAG + beside * span.field_coded


class Slots:
    """Symbols of n macroblocks: each slot is a symbol that a macroblock has or has not."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._valid: list[Array] = []
        self._contexts: list[Array | int] = []
        self._values: list[Array | int] = []

    def __len__(self) -> int:
        return len(self._valid)

    def add(self, valid: Array, contexts: Array | int, values: Array | int) -> None:
        """A slot behind those before."""
        self._valid.append(valid)
        self._contexts.append(contexts)
        self._values.append(values)

    def with_parts(self, slot: int, parts: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        """(contexts, values) of all in order; parts, as of `inter_symbols`, go before slot `slot` of macroblocks."""
        shape = (len(self._valid), self._count)
        contexts, values = np.empty(shape, np.int64), np.empty(shape, np.int64)
        for row, (context, value) in enumerate(zip(self._contexts, self._values, strict=True)):
            contexts[row], values[row] = context, value
        valid = np.stack(self._valid)
        more_contexts, more_values, starts = parts
        sizes = np.diff(starts)
        flat = np.ascontiguousarray(valid.T)
        ours = flat.sum(axis=1)
        # Where the parts go: behind all of the macroblocks before and what stands before the slot.
        before = np.cumsum(ours) - ours + flat[:, :slot].sum(axis=1)
        where = np.repeat(before, sizes) + np.arange(int(starts[-1]))
        total = int(ours.sum() + starts[-1])
        is_ours = np.ones(total, np.bool_)
        is_ours[where] = False
        out = []
        for own, more in ((contexts, more_contexts), (values, more_values)):
            joined = np.empty(total, np.int64)
            joined[where] = more
            joined[is_ours] = own.T[flat]
            out.append(joined)
        return out[0], out[1]


def _vector(slots: Slots, uses: Array, size: Array, negative: Array, base: int, neighbours: Array) -> None:
    """One component of mvd: UEG3 with uCoff 9 (9.3.2.3), context indices of 9.3.3.1.1.7.

    neighbours: (n,) sum of the sizes left and above.
    """
    slots.add(uses, base + np.where(neighbours < 3, 0, np.where(neighbours <= 32, 1, 2)), size > 0)
    for place in range(1, min(_MOST_MVD, int(size.max()) + 1)):
        slots.add(uses & (size >= place), base + min(2 + place, 6), size > place)
    rest = np.maximum(size - _MOST_MVD, 0)
    ones = np.floor(np.log2((rest >> 3) + 1)).astype(np.int64)
    count = np.where(size < _MOST_MVD, 0, 2 * ones + 4)
    code = (((1 << ones) - 1) << (ones + 4)) | (rest - (((1 << ones) - 1) << 3))
    slots.add(uses & (size > 0), -(count + 1), np.where(size < _MOST_MVD, 0, code) << 1 | negative)


def _pattern(slots: Slots, coded: Array, pattern: Array, left: Array, above: Array, chroma: bool) -> None:
    """coded_block_pattern (9.3.3.1.1.4)."""
    bits = [pattern >> i & 1 for i in range(4)]
    for own, beside, over in (
        (0, left & 2, above & 4),
        (1, bits[0], above & 8),
        (2, left & 8, bits[0]),
        (3, bits[2], bits[1]),
    ):
        slots.add(coded, _PATTERN_LUMA + (beside == 0) + 2 * (over == 0), bits[own])
    if chroma:
        slots.add(coded, _PATTERN_CHROMA + (left >= 16) + 2 * (above >= 16), pattern >= 16)
        slots.add(coded & (pattern >= 16), _PATTERN_CHROMA + 4 + (left >= 32) + 2 * (above >= 32), pattern >= 32)
