"""Temporal candidates for a hole: which reference, moved by which flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from concealer.repair import flow as motion
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


def warp(site: Site, source: Layer, flow: Array | None, name: str) -> Candidate:
    """Paint the window from `source`, moved by `flow` ((h, w, 2), the window on the flow grid; None: zero)."""
    window = site.window
    if flow is None:
        chroma = None if source.chroma is None else source.chroma[site.chroma_window]
        return Candidate(name, source.luma[window.slices()], chroma, None)
    luma = _warp_plane(source.luma, flow, site, (0, 0), cv2.INTER_CUBIC)
    chroma = None
    if source.chroma is not None:
        chroma = _warp_plane(source.chroma, flow, site, site.shift, cv2.INTER_LINEAR)
    return Candidate(name, luma, chroma, flow)


def _warp_plane(plane: Array, flow: Array, site: Site, shift: tuple[int, int], method: int) -> Array:
    rows, cols = site.window.slices(*shift)
    height, width = rows.stop - rows.start, cols.stop - cols.start
    scale_y, scale_x = site.scale / (1 << shift[1]), site.scale / (1 << shift[0])
    places = flow
    if scale_y != 1 or scale_x != 1:
        size = (round(flow.shape[1] * scale_x), round(flow.shape[0] * scale_y))
        places = cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR)
    places = places[:height, :width]
    if shift != (0, 0):
        places = places * np.float32([1.0 / (1 << shift[0]), 1.0 / (1 << shift[1])])
    places = places + motion.grid(*plane.shape[:2])[rows, cols]
    return cv2.remap(plane, places, None, method, borderMode=cv2.BORDER_REPLICATE)


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
    seen = motion.dense_flow(gray, base.gray, site.scale, fine=False)
    both = np.concatenate([seen, seen - predicted], axis=2)
    both = motion.fill(both, site.flow_trust)
    return np.ascontiguousarray(both[..., :2]), predicted + both[..., 2:]


def from_past(site: Site, last: Layer, older: Layer | None, light: bool) -> list[Candidate]:
    """Candidates from the last one or two pictures before the damaged one."""
    cut = site.flow_window
    out = [warp(site, last, None, "copy")]
    if older is not None:
        back = motion.dense_flow(last.gray, older.gray, site.scale, fine=False)
        ratio = _ratio(site.now.order - last.order, last.order - older.order)
        predicted = motion.extrapolate(back, ratio, site.scale)
        out.append(warp(site, last, predicted[cut], "extrap"))
    else:
        back = predicted = np.zeros((*last.gray.shape, 2), np.float32)
    prefill = motion.sample(last.gray, predicted, site.scale)
    filled, acc = surroundings_flow(site, last, predicted, prefill)
    out.append(warp(site, last, filled[cut], "filled"))
    if older is not None:
        out.append(warp(site, last, acc[cut], "acc"))
        if not light:
            # Constant velocity beyond the last picture: its own flow, read where the content was.
            further = acc + motion.sample(back, acc, site.scale)
            out.append(warp(site, older, further[cut], "older"))
    return out


def from_both(site: Site, past: Layer, future: Layer, light: bool) -> list[Candidate]:
    """Candidates between a picture before and one after the damaged one."""
    cut = site.flow_window
    share = _ratio(site.now.order - past.order, future.order - past.order)
    across = motion.dense_flow(past.gray, future.gray, site.scale, fine=False)
    to_past, to_future = motion.interpolate(across, share, site.scale)
    copy_past, copy_future = warp(site, past, None, "copy"), warp(site, future, None, "copy_future")
    inter_past = warp(site, past, to_past[cut], "inter_past")
    inter_future = warp(site, future, to_future[cut], "inter_future")
    out = [
        copy_past,
        average(copy_past, copy_future, share, "copy_both"),
        inter_past,
        inter_future,
        average(inter_past, inter_future, 0.5, "inter_both"),
    ]
    if light:
        return out
    prefill = cv2.addWeighted(
        motion.sample(past.gray, to_past, site.scale), 0.5,
        motion.sample(future.gray, to_future, site.scale), 0.5, 0.0,
    )  # fmt: skip
    _, acc_past = surroundings_flow(site, past, to_past, prefill)
    _, acc_future = surroundings_flow(site, future, to_future, prefill)
    past_acc = warp(site, past, acc_past[cut], "acc")
    future_acc = warp(site, future, acc_future[cut], "acc_future")
    return [*out, past_acc, future_acc, average(past_acc, future_acc, 0.5, "acc_both")]


def _ratio(part: int, whole: int) -> float:
    """Time ratio, kept within what motion can sensibly be stretched by."""
    return float(np.clip(part / whole, -4.0, 4.0)) if whole else 1.0
