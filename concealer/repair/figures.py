"""What a network is told that chooses between the candidates of a hole, on a grid of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from concealer.damage import BLOCK
from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair.blend import Expected, soft_weights
from concealer.repair.candidates import Candidate
from concealer.repair.cells import CELL, blurred, cell_size, cells_of, on_cells
from concealer.repair.own import own_error
from concealer.repair.regions import to_grid
from concealer.repair.rehearsal import rehearse
from concealer.repair.site import Layer, Site

MOST = 9
"""Candidates a network is told of, the decoder's own concealment among them."""
OWN = "own"
KINDS = (
    "copy", "extrap", "filled", "acc", "next", "acc_next", "told", "acc_told",
    "copy_both", "inter_both", "acc_future", "acc_both", "above", "below", OWN,
)  # fmt: skip
"""Candidates the network knows; "above" and "below" were in its training and are no longer made."""
OWN_FIGURES = 14
FIGURES = OWN_FIGURES + len(KINDS)
"""Numbers per candidate and cell."""
_REHEARSED, _FLOW, _WAS_REHEARSED, _REACH = 8, 10, 12, 13
"""The first of those of the rehearsal and of the flow, whether there was a rehearsal, and how far motion has to go."""
AROUND = 16
"""Numbers per cell that are the same for all candidates."""
FRESHNESS = 14
"""Which of the numbers around tells how fresh the memory of a cell is; the memory itself puts it there."""
BELIEF = 15
"""Which tells how sure it is that a cell is wrong."""
_AGE = 8.0
"""Steps of order after which memory is a third as fresh."""
_STEADY = 1.0
"""Mean absolute difference (8-bit scale) below which differences are noise and count alike."""


@dataclass(frozen=True)
class ChoiceInputs:
    """Figures of one hole; everything float32."""

    figures: Array
    """(n, FIGURES, rows, cols)."""
    around: Array
    """(AROUND, rows, cols)."""
    motion: Array
    """(2, rows, cols): x, y in cells that content has moved by, for each step of order back in time."""
    errors: Array
    """(n, h, w) on the error grid: logarithms of the candidates' expected errors."""


@dataclass(frozen=True)
class Question:
    """What there is to choose between, for one hole."""

    site: Site
    candidates: Sequence[Candidate]
    expected: Expected
    """What the received rim lets expect of each."""
    references: Sequence[Picture]
    """What the hole is rehearsed on."""
    own: Layer | None
    """The decoder's own concealment, where there is any: one more candidate, the last."""
    ahead: bool
    """Later pictures were looked at."""


def choice_inputs(asked: Question) -> ChoiceInputs:
    """What a network is told. Candidates beyond `MOST` are left out."""
    site, candidates, own = asked.site, asked.candidates, asked.own
    moved = list(candidates[: MOST if own is None else MOST - 1])
    told = moved if own is None else [*moved, own_candidate(site, own)]
    figures = np.zeros((len(told), FIGURES, *cells_of(site)), np.float32)
    # One after the other: two threads take as long, and as much more of the second core.
    _put_rehearsed(site, told, rehearse(site, asked.references), figures)
    seen = _seen(site, moved, asked.expected, own)
    _put_seen(site, seen, figures)
    flows = _flows(site, told)
    _put_flows(site, flows, figures)
    for one, numbers in zip(told, figures, strict=True):
        numbers[_REACH] = np.log(one.reach)
        numbers[OWN_FIGURES:] = np.array([one.name == kind for kind in KINDS], np.float32)[:, None, None]
    around = _around(site, told, seen, own, asked.ahead)
    return ChoiceInputs(figures, around, _moved(site, told, seen.errors, flows), seen.errors)


@dataclass(frozen=True)
class _Seen:
    """What is expected of n candidates and how they differ, on the error grid; everything (n, h, w) or (h, w)."""

    errors: Array
    from_rim: Array
    weights: Array
    doubts: Array
    gaps: Array
    """(3, n, h, w): to the mix of all, to the decoder's own concealment, to itself blurred."""
    least: Array
    own_gap: Array
    """(h, w) logarithm of the difference between the decoder's own concealment and the mix of all."""


def _seen(site: Site, told: Sequence[Candidate], expected: Expected, own: Layer | None) -> _Seen:
    errors, from_rim = expected.errors[: len(told)], expected.from_rim[: len(told)]
    lumas = np.stack([to_grid(c.luma, site.step) for c in told])
    mean = np.einsum("nij,nij->ij", lumas, soft_weights(errors))
    least, own_gap = errors.min(axis=0), np.zeros_like(mean)
    doubts = np.zeros((len(told) + (own is not None), *mean.shape), np.float32)
    for doubt, one in zip(doubts, told, strict=False):
        if one.doubt is not None:
            doubt[...] = _log(one.doubt)
    if own is not None:
        lumas = np.concatenate([lumas, to_grid(own.luma[site.window.slices()], site.step)[None]])
        difference = cv2.blur(cv2.absdiff(lumas[-1], mean), (3, 3))
        own_gap, error = _log(difference), own_error(errors, difference)[None]
        errors, from_rim = np.concatenate([errors, error]), np.concatenate([from_rim, error])
    apart = np.zeros((3, *lumas.shape), np.float32)
    np.subtract(lumas, mean, out=apart[0])
    if own is not None:
        np.subtract(lumas, lumas[-1], out=apart[1])
    np.subtract(lumas, blurred(lumas), out=apart[2])
    np.abs(apart, out=apart)
    gaps = _log(blurred(apart.reshape(-1, *mean.shape))).reshape(apart.shape)
    return _Seen(errors, from_rim, soft_weights(errors), doubts, gaps, least, own_gap)


def _put_seen(site: Site, seen: _Seen, figures: Array) -> None:
    count = len(seen.errors)
    stack = np.concatenate([seen.errors, seen.weights, seen.from_rim, seen.doubts, *seen.gaps, seen.least[None]])
    cells = on_cells(stack, site.step, site)
    error, weight, from_rim, doubt, *gaps = cells[:-1].reshape(7, count, *cells.shape[1:])
    for place, values in enumerate((error, error - cells[-1], weight, from_rim, doubt, *gaps)):
        figures[:, place] = values


def _put_rehearsed(site: Site, told: Sequence[Candidate], rehearsed: Mapping[str, Array], figures: Array) -> None:
    known = [index for index, one in enumerate(told) if one.name in rehearsed]
    if not known:
        return
    errors = _log(np.stack([rehearsed[told[index].name] for index in known]))
    cells = on_cells(np.concatenate([errors, errors.min(axis=0)[None]]), site.step, site)
    figures[known, _REHEARSED] = cells[:-1]
    figures[known, _REHEARSED + 1] = cells[:-1] - cells[-1]
    figures[known, _WAS_REHEARSED] = 1.0


def _flows(site: Site, told: Sequence[Candidate]) -> dict[int, Array]:
    """(2, rows, cols) in samples, of each candidate that has one."""
    moving = {index: one.flow for index, one in enumerate(told) if one.flow is not None}
    if not moving:
        return {}
    maps = np.stack([flow[..., axis] for flow in moving.values() for axis in (0, 1)])
    cells = on_cells(maps, site.step, site)
    return {index: cells[2 * number : 2 * number + 2] for number, index in enumerate(moving)}


def _put_flows(site: Site, flows: Mapping[int, Array], figures: Array) -> None:
    shrink = np.float32(CELL / cell_size(site.picture))
    for index, flow in flows.items():
        vectors = flow * shrink
        changes = np.abs(vectors - blurred(vectors))
        figures[index, _FLOW] = np.log1p(np.hypot(*vectors))
        figures[index, _FLOW + 1] = np.log1p(changes[0] + changes[1])


def own_candidate(site: Site, own: Layer) -> Candidate:
    """The decoder's own concealment as one of the candidates."""
    return Candidate(OWN, own.luma[site.window.slices()], None)


def _around(site: Site, candidates: Sequence[Candidate], seen: _Seen, own: Layer | None, ahead: bool) -> Array:
    trust = site.rim_weight
    distance = cv2.distanceTransform((trust < 0.5).astype(np.uint8), cv2.DIST_L2, 3) if (trust >= 0.5).any() else None
    if distance is None:
        distance = np.full(trust.shape, 64.0 / site.step, np.float32)
    hole = to_grid(site.window_hole, site.step)
    away = np.log1p(distance * np.float32(site.step / cell_size(site.picture)))
    maps = np.stack([trust, hole, away, seen.least, seen.own_gap])
    cells = on_cells(maps, site.step, site)
    names = {c.name for c in candidates}
    two_sided = bool(names & {"copy_both", "inter_both"})
    kind = site.picture.kind
    constants = [
        kind == "P",
        kind == "B",
        two_sided,
        own is not None,
        site.picture.concealed,
        ahead,
        np.log2(site.step * CELL / cell_size(site.picture)) / 4.0,
        len(candidates) / MOST,
        site.belief is not None,
        0.0,
    ]
    out = np.empty((AROUND, *cells.shape[1:]), np.float32)
    out[:5] = cells
    out[5 : 5 + len(constants)] = np.array(constants, np.float32)[:, None, None]
    out[BELIEF] = _belief(site, cells.shape[1:])
    return out


def _belief(site: Site, shape: tuple[int, ...]) -> Array:
    """How sure it is that a cell is wrong."""
    if site.belief is None:
        return np.ones(shape, np.float32)
    top, left, each_way = site.window.top // BLOCK, site.window.left // BLOCK, BLOCK // cell_size(site.picture)
    near = site.belief[top:, left:].repeat(each_way, 0).repeat(each_way, 1)[: shape[0], : shape[1]]
    return np.asarray(near, np.float32)


def _moved(site: Site, candidates: Sequence[Candidate], errors: Array, flows: Mapping[int, Array]) -> Array:
    """By the flow of the candidate that is expected to err least on the mean, of those from the past."""
    rows, cols = cells_of(site)
    moving = [(float(errors[index].mean()), index) for index in flows
              if candidates[index].source_order < site.now.order]  # fmt: skip
    if not moving:
        return np.zeros((2, rows, cols), np.float32)
    best = min(moving)[1]
    steps = site.now.order - candidates[best].source_order
    return np.asarray(flows[best] * np.float32(1.0 / (cell_size(site.picture) * steps)), np.float32)


def freshness(order: int, seen: Array) -> Array:
    """1 for what was told a moment ago, 0 for what was never told. seen: order at which it was, NaN for never."""
    age = np.abs(np.float32(order) - seen)
    return np.asarray(np.nan_to_num(np.exp(age * np.float32(-1.0 / _AGE)), nan=0.0), np.float32)


def _log(values: Array) -> Array:
    tall = (values + np.float32(_STEADY)).reshape(-1, values.shape[-1])
    return np.asarray(cv2.log(tall), np.float32).reshape(values.shape)
