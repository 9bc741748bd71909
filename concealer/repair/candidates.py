"""Temporal candidates for a hole: which reference, moved by which flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from concealer.repair import flow as motion
from concealer.repair.crop import to_grid
from concealer.repair.site import Layer, Site

Array = npt.NDArray[Any]


@dataclass
class Candidate:
    """One proposal for the hole, painted over the site's window."""

    name: str
    luma: Array
    """(h, w) float32, 8-bit scale."""
    chroma: Array | None
    """(h', w', 2) float32."""
    flow: Array | None = None
    """Flow-grid flow of the window, for candidates that are one warp."""
    doubt: Array | None = None
    """(h, w) float32 on the error grid of the window: how far two references disagree about this candidate, as
    mean absolute luma difference; known inside the hole too. None if there is only one reference."""


def warp(site: Site, source: Layer, flow: Array | None, name: str) -> Candidate:
    """Paint the window from `source`, moved by `flow` ((h, w, 2), the window on the flow grid; None: zero)."""
    window = site.window
    if flow is None:
        chroma = None if source.chroma is None else source.chroma[site.chroma_window]
        return Candidate(name, source.luma[window.slices()], chroma, None)
    luma = _warp_plane(source.luma, flow, site, (0, 0))
    chroma = None
    if source.chroma is not None:
        chroma = _warp_plane(source.chroma, flow, site, site.shift)
    return Candidate(name, luma, chroma, flow)


def _warp_plane(plane: Array, flow: Array, site: Site, shift: tuple[int, int]) -> Array:
    given = flow
    scale_y, scale_x = site.scale / (1 << shift[1]), site.scale / (1 << shift[0])
    if shift != (0, 0):
        part = np.float32(1.0 / (1 << shift[0])), np.float32(1.0 / (1 << shift[1]))
        flow = flow * (part[0] if part[0] == part[1] else np.array(part))
    if scale_y != 1 or scale_x != 1:
        size = (round(flow.shape[1] * scale_x), round(flow.shape[0] * scale_y))
        flow = cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR)
    base = site.places(shift)
    fresh = flow is not given and flow.shape == base.shape
    # In place: a fresh array of this size costs more in page faults than the sum itself.
    places = cv2.add(flow, base, dst=flow) if fresh else cv2.add(flow[: base.shape[0], : base.shape[1]], base)
    return motion.read_at(plane, places)


def average(first: Candidate, second: Candidate, share: float, name: str) -> Candidate:
    """`share` of the second, the rest of the first."""
    luma = cv2.addWeighted(first.luma, 1.0 - share, second.luma, share, 0.0)
    chroma = None
    if first.chroma is not None and second.chroma is not None:
        chroma = cv2.addWeighted(first.chroma, 1.0 - share, second.chroma, share, 0.0)
    return Candidate(name, luma, chroma)


def surroundings_flow(site: Site, base: Layer, predicted: Array, prefill: Array) -> tuple[Array, Array]:
    """Flow from the damaged picture to `base`, filled in two ways: (filled, acc).

    predicted: (h, w, 2) flow of the region to `base`, known without the damaged picture. prefill: (h, w)
    uint8 guess of the region, used inside the hole only so that the search sees no edge there.
    filled spreads the surroundings' motion; acc spreads their deviation from `predicted`, the acceleration.
    """
    gray = np.where(site.flow_hole, prefill, site.now.gray)
    seen = motion.dense_flow(gray, base.gray, site.scale)
    excess = cv2.subtract(seen, predicted)
    return site.spread_flow(seen), cv2.add(predicted, site.spread_flow(excess))


def _disagreement(difference: Array, step: int) -> Array:
    """Local mean of a (h, w) absolute difference; cells of `step` samples, 5 x 5 of them averaged."""
    return cv2.blur(to_grid(difference, step), (5, 5))


def _doubt_steady(site: Site, last: Layer, older: Layer, flow: Array | None) -> Array:
    """Disagreement of the last two pictures if `flow` (window, flow grid) had been so before, too."""
    elapsed = site.now.order - last.order
    further = _ratio(site.now.order - older.order, elapsed)
    cut = site.flow_window
    if flow is None:
        difference = cv2.absdiff(last.gray[cut], older.gray[cut])
    else:
        places = np.ascontiguousarray(motion.grid(*last.gray.shape)[cut])
        flow = np.ascontiguousarray(flow)
        near, far = (
            motion.read_at(layer.gray, cv2.scaleAdd(flow, reach / site.scale, places))
            for layer, reach in ((last, 1.0), (older, further))
        )
        difference = cv2.absdiff(near, far)
    return _disagreement(difference, site.step // site.scale)


def from_past(site: Site, last: Layer, older: Layer | None, light: bool) -> list[Candidate]:
    """Candidates from the last one or two pictures before the damaged one."""
    cut = site.flow_window
    out = [warp(site, last, None, "copy")]
    if older is not None:
        back = motion.dense_flow(last.gray, older.gray, site.scale)
        ratio = _ratio(site.now.order - last.order, last.order - older.order)
        predicted = motion.extrapolate(back, ratio, site.scale)
        out.append(warp(site, last, predicted[cut], "extrap"))
    else:
        predicted = np.zeros((*last.gray.shape, 2), np.float32)
    # Nothing received to see motion on (whole picture lost), or no time to look.
    if not site.flow_trusted or (light and older is not None):
        proposals = out
    else:
        prefill = motion.sample(last.gray, predicted, site.scale)
        filled, acc = surroundings_flow(site, last, predicted, prefill)
        proposals = [*out, warp(site, last, filled[cut], "filled")]
        if older is not None:
            proposals.append(warp(site, last, acc[cut], "acc"))
    if older is not None:
        for candidate in proposals:
            candidate.doubt = _doubt_steady(site, last, older, candidate.flow)
    return proposals


def from_both(site: Site, past: Layer, future: Layer, light: bool) -> list[Candidate]:
    """Candidates between a picture before and one after the damaged one."""
    cut = site.flow_window
    share = _ratio(site.now.order - past.order, future.order - past.order)
    across = motion.dense_flow(past.gray, future.gray, site.scale)
    to_past, to_future = motion.interpolate(across, share, site.scale)
    copy_past, copy_future = warp(site, past, None, "copy"), warp(site, future, None, "copy_future")
    inter_past = warp(site, past, to_past[cut], "inter_past")
    inter_future = warp(site, future, to_future[cut], "inter_future")
    # The average alone of the interpolated pair: its parts add nothing beside the accelerated ones.
    out = [
        *_pair(site, copy_past, copy_future, share, "copy_both")[::2],
        _pair(site, inter_past, inter_future, 0.5, "inter_both")[2],
    ]
    if light or not site.flow_trusted:
        return out
    prefill = cv2.addWeighted(
        motion.sample(past.gray, to_past, site.scale), 0.5,
        motion.sample(future.gray, to_future, site.scale), 0.5, 0.0,
    )  # fmt: skip
    _, acc_past = surroundings_flow(site, past, to_past, prefill)
    _, acc_future = surroundings_flow(site, future, to_future, prefill)
    past_acc = warp(site, past, acc_past[cut], "acc")
    future_acc = warp(site, future, acc_future[cut], "acc_future")
    return [*out, *_pair(site, past_acc, future_acc, 0.5, "acc_both")]


def _pair(
    site: Site, past: Candidate, future: Candidate, share: float, name: str
) -> tuple[Candidate, Candidate, Candidate]:
    """Both and their average, with the doubt that their difference casts on all three."""
    both = average(past, future, share, name)
    past.doubt = _disagreement(cv2.absdiff(past.luma, future.luma), site.step)
    future.doubt = both.doubt = past.doubt
    return past, future, both


def _ratio(part: int, whole: int) -> float:
    """Time ratio, kept within what motion can sensibly be stretched by."""
    return float(np.clip(part / whole, -4.0, 4.0)) if whole else 1.0
