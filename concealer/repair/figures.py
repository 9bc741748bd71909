"""What a network is told that chooses between the candidates of a hole, on a grid of cells of 8x8 luma samples, or of
16x16 in large pictures."""

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
from concealer.repair.own import own_error
from concealer.repair.parallel import each
from concealer.repair.regions import to_grid
from concealer.repair.site import Layer, Site

CELL, LARGE = 8, 500_000
"""Luma samples of a cell's side, and those of a picture from which on cells are twice as wide: what they show is as
large as in the pictures that were trained on."""
MOST = 9
"""Candidates a network is told of, the decoder's own concealment among them."""
OWN = "own"
KINDS = (
    "copy", "extrap", "filled", "acc", "next", "acc_next", "told", "acc_told",
    "copy_both", "inter_both", "acc_future", "acc_both", "above", "below", OWN,
)  # fmt: skip
OWN_FIGURES = 14
FIGURES = OWN_FIGURES + len(KINDS)
"""Numbers per candidate and cell."""
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


def choice_inputs(
    site: Site,
    candidates: Sequence[Candidate],
    expected: Expected,
    rehearsed: Mapping[str, Array],
    own: Layer | None,
    ahead: bool,
) -> ChoiceInputs:
    """rehearsed: errors by name, see `rehearse`. own: the decoder's own concealment, where there is any: the last
    of the candidates. ahead: an outlook was given. Candidates beyond `MOST` are left out."""
    told = list(candidates[: MOST if own is None else MOST - 1])
    errors, from_rim = expected.errors[: len(told)], expected.from_rim[: len(told)]
    lumas = each(lambda c: to_grid(c.luma, site.step), told)
    mean = np.einsum("nij,nij->ij", np.stack(lumas), soft_weights(errors))
    least = errors.min(axis=0)
    gap = np.zeros_like(mean)
    own_luma = None
    if own is not None:
        own_luma = to_grid(own.luma[site.window.slices()], site.step)
        difference = cv2.blur(cv2.absdiff(own_luma, mean), (3, 3))
        gap, error = _log(difference), own_error(errors, difference)[None]
        told.append(own_candidate(site, own))
        lumas.append(own_luma)
        errors, from_rim = np.concatenate([errors, error]), np.concatenate([from_rim, error])
    weights = soft_weights(errors)
    tried = {name: _log(one) for name, one in rehearsed.items()}
    known = [tried[c.name] for c in told if c.name in tried]
    best = np.min(known, axis=0) if known else None

    def of(index: int) -> Array:
        one, error, luma = told[index], errors[index], lumas[index]
        rehearsal = tried.get(one.name)
        maps = [
            error,
            error - least,
            weights[index],
            from_rim[index],
            None if one.doubt is None else _log(one.doubt),
            _gap(luma, mean),
            None if own_luma is None else _gap(luma, own_luma),
            _gap(luma, cv2.blur(luma, (3, 3))),
            rehearsal,
            None if rehearsal is None or best is None else rehearsal - best,
        ]
        constants = [float(rehearsal is not None), float(np.log(one.reach)), *(one.name == kind for kind in KINDS)]
        return _figures(site, maps, one.flow, constants)

    figures = np.stack(each(of, range(len(told))))
    around = _around(site, told, least, gap, own, ahead)
    return ChoiceInputs(figures, around, _moved(site, told, errors), errors)


def own_candidate(site: Site, own: Layer) -> Candidate:
    """The decoder's own concealment as one of the candidates."""
    return Candidate(OWN, np.ascontiguousarray(own.luma[site.window.slices()]), None)


def _figures(site: Site, maps: Sequence[Array | None], flow: Array | None, constants: Sequence[float]) -> Array:
    """(FIGURES, rows, cols) of one candidate. maps: on the error grid, None for zero."""
    rows, cols = cells_of(site)
    out = np.zeros((FIGURES, rows, cols), np.float32)
    for index, values in enumerate(maps):
        if values is not None:
            out[index] = on_cells(values, site.step, site)
    if flow is not None:
        shrink = np.float32(CELL / cell_size(site.picture))
        vectors = [on_cells(flow[..., axis], site.step, site) * shrink for axis in (0, 1)]
        changes = [cv2.absdiff(one, cv2.blur(one, (3, 3))) for one in vectors]
        out[len(maps)] = np.log1p(np.hypot(*vectors))
        out[len(maps) + 1] = np.log1p(changes[0] + changes[1])
    out[len(maps) + 2 :] = np.array(constants, np.float32)[:, None, None]
    return out


def _around(
    site: Site, candidates: Sequence[Candidate], least: Array, gap: Array, own: Layer | None, ahead: bool
) -> Array:
    trust = site.rim_weight
    distance = cv2.distanceTransform((trust < 0.5).astype(np.uint8), cv2.DIST_L2, 3) if (trust >= 0.5).any() else None
    if distance is None:
        distance = np.full(trust.shape, 64.0 / site.step, np.float32)
    hole = to_grid(site.window_hole, site.step)
    maps = np.stack([trust, hole, np.log1p(distance * np.float32(site.step / cell_size(site.picture))), least, gap])
    cells = _to_cells(maps[None], site)[0]
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


def _moved(site: Site, candidates: Sequence[Candidate], errors: Array) -> Array:
    """By the flow of the candidate that is expected to err least on the mean, of those from the past."""
    rows, cols = cells_of(site)
    moving = [(float(e.mean()), c) for c, e in zip(candidates, errors, strict=True)
              if c.flow is not None and c.source_order < site.now.order]  # fmt: skip
    if not moving:
        return np.zeros((2, rows, cols), np.float32)
    best = min(moving, key=lambda one: one[0])[1]
    steps = site.now.order - best.source_order
    assert best.flow is not None
    flow = _to_cells(np.ascontiguousarray(best.flow.transpose(2, 0, 1))[None], site)[0]
    return np.asarray(flow * np.float32(1.0 / (cell_size(site.picture) * steps)), np.float32)


def freshness(order: int, seen: Array) -> Array:
    """1 for what was told a moment ago, 0 for what was never told. seen: order at which it was, NaN for never."""
    age = np.abs(np.float32(order) - seen)
    return np.asarray(np.nan_to_num(np.exp(age * np.float32(-1.0 / _AGE)), nan=0.0), np.float32)


def cell_size(picture: Picture) -> int:
    """Luma samples of a cell's side."""
    return CELL if picture.width * picture.height < LARGE else 2 * CELL


def cells_of(site: Site) -> tuple[int, int]:
    """Rows and columns of the window in cells."""
    rows, cols = site.window_hole.shape
    cell = cell_size(site.picture)
    return -(-rows // cell), -(-cols // cell)


def _gap(one: Array, other: Array) -> Array:
    return _log(cv2.blur(cv2.absdiff(one, other), (3, 3)))


def _log(values: Array) -> Array:
    return np.asarray(np.log(values + np.float32(_STEADY)), np.float32)


def _to_cells(maps: Array, site: Site) -> Array:
    """(n, f, h, w) on the error grid to (n, f, rows, cols)."""
    rows, cols = cells_of(site)
    out = np.empty((*maps.shape[:2], rows, cols), np.float32)
    for index in np.ndindex(*maps.shape[:2]):
        out[index] = on_cells(maps[index], site.step, site)
    return out


def on_cells(values: Array, step: int, site: Site) -> Array:
    """A map of the window on cells of `step` samples, brought to (rows, cols) cells."""
    rows, cols = cells_of(site)
    cell = cell_size(site.picture)
    if step <= cell:
        return to_grid(values, cell // step)[:rows, :cols]
    return np.ascontiguousarray(values.repeat(step // cell, 0).repeat(step // cell, 1)[:rows, :cols], np.float32)
