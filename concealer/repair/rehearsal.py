"""Rehearsal: the hole of the damaged picture laid over the last one before it, where the truth is known.

Each method is tried there with the references it would have had, on the flow grid alone. What it errs by is no proof,
for motion changes, but the methods that fail at a place tend to fail there again.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from concealer import flow as motion
from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair.candidates import disagreement, fill_flow, time_ratio
from concealer.repair.parallel import both
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
    last, older = (site.gray(one) for one in near[:2])
    tried: dict[str, Array] = {"copy": older}
    back, before = both(
        lambda: _flow(last, older, site.scale),
        lambda: _flow(older, site.gray(near[2]), site.scale) if len(near) > 2 else None,
    )
    if before is not None:
        ratio = time_ratio(near[0].order - near[1].order, near[1].order - near[2].order)
        predicted = motion.extrapolate(before, ratio, site.scale)
        tried["extrap"] = motion.sample(older, predicted, site.scale)
        if site.flow_trusted:
            filled, acc = fill_flow(site, back, predicted)
            tried["filled"] = motion.sample(older, filled, site.scale)
            tried["acc"] = motion.sample(older, acc, site.scale)
            excess = cv2.subtract(back, predicted)
            for name, above in (("above", True), ("below", False)):
                spread = site.spread_from(above, excess)
                if spread is not None:
                    tried[name] = motion.sample(older, cv2.add(predicted, spread), site.scale)
    elif site.flow_trusted:
        tried["filled"] = motion.sample(older, site.spread_flow(back), site.scale)
    return _errors(site, last, tried)


def _between(site: Site, nearest: Picture, earlier: Picture, later: Picture) -> dict[str, Array]:
    """`nearest`, the last picture before the damaged one, is made up between the two around it."""
    truth, past, future = (site.gray(one) for one in (nearest, earlier, later))
    share = time_ratio(nearest.order - earlier.order, later.order - earlier.order)
    across, seen = both(
        lambda: _flow(past, future, site.scale),
        lambda: (_flow(truth, past, site.scale), _flow(truth, future, site.scale)),
    )
    to_past, to_future = motion.interpolate(across, share, site.scale)
    tried = {"copy": past, "copy_both": cv2.addWeighted(past, 1.0 - share, future, share, 0.0)}
    tried["inter_both"] = _mean(motion.sample(past, to_past, site.scale), motion.sample(future, to_future, site.scale))
    if site.flow_trusted:
        tried["acc"] = motion.sample(past, fill_flow(site, seen[0], to_past)[1], site.scale)
        tried["acc_future"] = motion.sample(future, fill_flow(site, seen[1], to_future)[1], site.scale)
        tried["acc_both"] = _mean(tried["acc"], tried["acc_future"])
    return _errors(site, truth, tried)


def _flow(first: Array, second: Array, scale: int) -> Array:
    """`dense_flow`, in large regions of reduced pictures: the search is most of a rehearsal's time."""
    rows, cols = first.shape
    if rows * cols < _LARGE:
        return motion.dense_flow(first, second, scale)
    size = -(-cols // 2), -(-rows // 2)
    small, other = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (first, second))
    return cv2.resize(motion.dense_flow(small, other, 2 * scale), (cols, rows), interpolation=cv2.INTER_LINEAR)


def _mean(first: Array, second: Array) -> Array:
    return cv2.addWeighted(first, 0.5, second, 0.5, 0.0)


def _errors(site: Site, truth: Array, tried: dict[str, Array]) -> dict[str, Array]:
    cut = site.flow_window
    return {name: disagreement(cv2.absdiff(made[cut], truth[cut]), site.step // site.scale)
            for name, made in tried.items()}  # fmt: skip
