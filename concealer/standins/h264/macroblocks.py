"""Residual data of a slice's macroblocks as symbols or bits, for the writers of coded stand-ins (7.3.5.3)."""

from __future__ import annotations

import numpy as np

from concealer.standins.arrays import Array
from concealer.standins.h264 import cavlc
from concealer.standins.h264 import residual as cabac
from concealer.standins.h264.motion import Span
from concealer.standins.h264.neighbours import Neighbours
from concealer.standins.h264.transform import Residual

_PLACES = 27
"""Blocks a macroblock may have: luma DC, 16 luma, 2 chroma DC, 8 chroma AC."""


def cabac_residual(residual: Residual, span: Span) -> tuple[Array, Array, Array]:
    """(contexts, values) of the symbols of all macroblocks of `span`, and the (n + 1) places where those of each
    begin."""
    near, pattern, intra = Neighbours(span), residual.pattern, residual.luma_dc is not None
    count = len(pattern)
    base = np.arange(count) * _PLACES
    groups = []

    def add(category: int, levels: Array, left: Array, above: Array, places: Array, coded: Array) -> None:
        """Arrays (n, blocks, ...); an absent neighbour counts as filled in intra macroblocks only (9.3.3.1.1.9)."""
        context = (left > 0) + 2 * (above > 0) if not intra else (left != 0) + 2 * (above != 0)
        groups.append(cabac.Blocks(category, levels[coded], places[coded], context[coded], span.field_coded))

    if residual.luma_dc is not None:
        left, above = near.macroblocks((residual.luma_dc != 0).any(axis=1))
        every = np.ones((count, 1), np.bool_)
        add(cabac.LUMA_DC, residual.luma_dc[:, None], left[:, None], above[:, None], base[:, None], every)
    luma = residual.luma[:, :, 1:] if intra else residual.luma
    coded = (pattern[:, None] >> (np.arange(16) >> 2) & 1).astype(np.bool_)
    if intra:
        coded[:] = (pattern & 15 != 0)[:, None]
    add(
        cabac.LUMA_AC if intra else cabac.LUMA,
        luma,
        *near.luma((luma != 0).any(axis=2)),
        base[:, None] + 1 + np.arange(16),
        coded,
    )
    for which in range(residual.chroma_dc.shape[1]):
        dc, ac = residual.chroma_dc[:, which], residual.chroma_ac[:, which]
        left, above = near.macroblocks((dc != 0).any(axis=1))
        some = (pattern >= 16)[:, None]
        add(cabac.CHROMA_DC, dc[:, None], left[:, None], above[:, None], base[:, None] + 17 + which, some)
        full = np.broadcast_to((pattern >= 32)[:, None], (count, 4))
        places = base[:, None] + 19 + 4 * which + np.arange(4)
        add(cabac.CHROMA_AC, ac, *near.chroma((ac != 0).any(axis=2)), places, full)
    symbol_contexts, values, starts = cabac.residual_symbols(groups, count * _PLACES)
    return symbol_contexts, values, starts[::_PLACES]


def cavlc_residual(residual: Residual, span: Span) -> tuple[str, Array]:
    """Bits of all macroblocks of `span` as "0" and "1", and the (n + 1) places where those of each begin."""
    near, pattern, intra = Neighbours(span), residual.pattern, residual.luma_dc is not None
    count = len(pattern)
    base = np.arange(count) * _PLACES
    luma = residual.luma[:, :, 1:] if intra else residual.luma
    expected = cavlc.predicted_count(*near.luma((luma != 0).sum(axis=2)))
    groups = []
    if residual.luma_dc is not None:
        groups.append(cavlc.Blocks(residual.luma_dc, base, expected[:, 0]))
        coded = np.broadcast_to((pattern & 15 != 0)[:, None], (count, 16))
    else:
        coded = (pattern[:, None] >> (np.arange(16) >> 2) & 1).astype(np.bool_)
    places = base[:, None] + 1 + np.arange(16)
    groups.append(cavlc.Blocks(luma[coded], places[coded], expected[coded]))
    for which in range(residual.chroma_dc.shape[1]):
        dc, ac = residual.chroma_dc[:, which], residual.chroma_ac[:, which]
        some, full = pattern >= 16, np.broadcast_to((pattern >= 32)[:, None], (count, 4))
        groups.append(cavlc.Blocks(dc[some], base[some] + 17 + which, base[some]))
        expected = cavlc.predicted_count(*near.chroma((ac != 0).sum(axis=2)))
        places = base[:, None] + 19 + 4 * which + np.arange(4)
        groups.append(cavlc.Blocks(ac[full], places[full], expected[full]))
    bits, starts = cavlc.residual_bits(groups, count * _PLACES)
    return bits, starts[::_PLACES]
