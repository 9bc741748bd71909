"""Rehearsal: the hole of the damaged picture laid over the last one before it, where the truth is known.

Each method is tried there with the references it would have had, on the flow grid alone. What it errs by is no proof,
for motion changes, but the methods that fail at a place tend to fail there again.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from concealer import flow as motion
from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair.candidates import accelerated, disagreement, fill_flow, time_ratio
from concealer.repair.site import Site

_LARGE = 10_000
"""Samples of the flow grid from which on flow is searched at half its resolution."""


def rehearse(site: Site, references: Sequence[Picture]) -> dict[str, Array]:
    """Mean absolute luma error (h, w) by candidate name, on the error grid of the window; empty where there are not
    enough references to try anything."""
    past = sorted((r for r in references if r.order < site.now.order), key=lambda r: -r.order)
    future = sorted((r for r in references if r.order > site.now.order), key=lambda r: r.order)
    if future and len(past) > 1:
        return _between(site, past[0], past[1], future[0])
    near = past or future
    return {} if future and past or len(near) < 2 else _onward(site, near[:3])


def _onward(site: Site, near: Sequence[Picture]) -> dict[str, Array]:
    """near: two or three references, the nearest first; that one is foretold from the others."""
    last, older = near[:2]
    made = _Warps(site, site.gray(older))
    tried: dict[str, Array] = {"copy": made.moved(None)}
    if len(near) > 2:
        before = _flow(site, older, near[2])
        predicted = motion.extrapolate(
            before, time_ratio(last.order - older.order, older.order - near[2].order), site.scale
        )
        tried["extrap"] = made.moved(predicted)
        if site.flow_trusted:
            back = _flow(site, last, older)
            filled, acc = fill_flow(site, back, predicted)
            tried["filled"], tried["acc"] = made.moved(filled), made.moved(acc)
    elif site.flow_trusted:
        tried["filled"] = made.moved(site.spread_flow(_flow(site, last, older)))
    return _errors(site, site.gray(last), tried)


def _between(site: Site, nearest: Picture, earlier: Picture, later: Picture) -> dict[str, Array]:
    """`nearest`, the last picture before the damaged one, is made up between the two around it."""
    past, future = _Warps(site, site.gray(earlier)), _Warps(site, site.gray(later))
    share = time_ratio(nearest.order - earlier.order, later.order - earlier.order)
    across = _flow(site, earlier, later)
    to_past, to_future = motion.interpolate(across, share, site.scale)
    still = past.moved(None)
    tried = {"copy": still, "copy_both": cv2.addWeighted(still, 1.0 - share, future.moved(None), share, 0.0)}
    tried["inter_both"] = _mean(past.moved(to_past), future.moved(to_future))
    if site.flow_trusted:
        tried["acc"] = past.moved(accelerated(site, _flow(site, nearest, earlier), to_past))
        tried["acc_future"] = future.moved(accelerated(site, _flow(site, nearest, later), to_future))
        tried["acc_both"] = _mean(tried["acc"], tried["acc_future"])
    return _errors(site, site.gray(nearest), tried)


class _Warps:
    """The window painted from one picture, on the flow grid."""

    def __init__(self, site: Site, gray: Array) -> None:
        self._gray, self._cut, self._part = gray, site.flow_window, np.float32(1.0 / site.scale)
        self._places = np.ascontiguousarray(motion.grid(*gray.shape)[self._cut])

    def moved(self, flow: Array | None) -> Array:
        """flow: of the whole region; None: zero."""
        if flow is None:
            return np.ascontiguousarray(self._gray[self._cut])
        inside = np.ascontiguousarray(flow[self._cut])
        return motion.read_at(self._gray, cv2.scaleAdd(inside, float(self._part), self._places))


def _flow(site: Site, first: Picture, second: Picture) -> Array:
    """Flow on the flow grid. In large regions it is searched for on reduced pictures, where it is not known yet: the
    search is most of a rehearsal's time."""
    known = site.known_flow(first, second)
    if known is not None:
        return known
    one, other = site.gray(first), site.gray(second)
    rows, cols = one.shape
    if rows * cols < _LARGE:
        return motion.dense_flow(one, other, site.scale)
    size = -(-cols // 2), -(-rows // 2)
    one, other = (cv2.resize(gray, size, interpolation=cv2.INTER_AREA) for gray in (one, other))
    return cv2.resize(motion.dense_flow(one, other, 2 * site.scale), (cols, rows), interpolation=cv2.INTER_LINEAR)


def _mean(first: Array, second: Array) -> Array:
    return cv2.addWeighted(first, 0.5, second, 0.5, 0.0)


def _errors(site: Site, truth: Array, tried: dict[str, Array]) -> dict[str, Array]:
    inside = np.ascontiguousarray(truth[site.flow_window])
    return {name: disagreement(cv2.absdiff(made, inside), site.step // site.scale) for name, made in tried.items()}
