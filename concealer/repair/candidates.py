"""Temporal candidates for a hole: which reference, moved by which flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from concealer import flow as motion
from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair.parallel import both, each
from concealer.repair.regions import to_grid
from concealer.repair.site import Layer, Site


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
    reach: float = 1.0
    """Time that motion has to go on for, in units of the time it was seen over; at least 1."""
    doubt: Array | None = None
    """(h, w) float32 on the error grid of the window: how far two references disagree about this candidate, as
    mean absolute luma difference; known inside the hole too. None if there is only one reference."""
    source_order: int = 0
    """Order of the picture that `flow` leads to."""
    rehearsed: bool = False
    """`doubt` is of a picture that its motion was not found in."""


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
    return Candidate(name, luma, chroma, flow, source_order=source.order)


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


def surroundings_flow(site: Site, base: Layer) -> Array:
    """Flow of the region from the damaged picture to `base`. The hole is filled from `base` itself before, only so that
    the search sees no edge there: what it finds inside is not trusted."""
    gray = np.where(site.flow_hole, base.gray, site.now.gray)
    return motion.dense_flow(gray, base.gray, site.scale)


def fill_flow(site: Site, seen: Array, predicted: Array) -> tuple[Array, Array]:
    """`seen` (`surroundings_flow`) carried into the hole in two ways: (filled, acc).

    predicted: (h, w, 2) flow of the region to the same picture, known without the damaged one. filled spreads the
    surroundings' motion; acc spreads their deviation from `predicted`, the acceleration.
    """
    spread = site.spread_flow(np.concatenate([seen, cv2.subtract(seen, predicted)], axis=2))
    return np.ascontiguousarray(spread[..., :2]), cv2.add(predicted, np.ascontiguousarray(spread[..., 2:]))


def accelerated(site: Site, seen: Array, predicted: Array) -> Array:
    """The second of these alone."""
    return cv2.add(predicted, site.spread_flow(cv2.subtract(seen, predicted)))


def disagreement(difference: Array, step: int) -> Array:
    """Local mean of a (h, w) absolute difference; cells of `step` samples, 5 x 5 of them averaged."""
    return cv2.blur(to_grid(difference, step), (5, 5))


def _doubt_steady(site: Site, last: Layer, older: Layer, flow: Array | None) -> Array:
    """Disagreement of the last two pictures if `flow` (window, flow grid) had been so before, too."""
    elapsed = site.now.order - last.order
    further = time_ratio(site.now.order - older.order, elapsed)
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
    return disagreement(difference, site.step // site.scale)


def from_past(
    site: Site,
    last: Layer,
    older: Layer | None,
    light: bool,
    ahead: Sequence[tuple[str, Array]] = (),
    oldest: Picture | None = None,
) -> list[Candidate]:
    """Candidates from the last one or two pictures before the damaged one.

    ahead: names and flows to `last`, of the whole region, that later pictures suggest. oldest: the picture before
    `older`, to rehearse on where nothing was received."""
    # Nothing received to see motion on (whole picture lost), or no time to look.
    look = site.flow_trusted and not (light and older is not None)

    def look_around() -> tuple[Array | None, Array | None]:
        """Flow of the surroundings, doubt by a rehearsal: there is never a use for both."""
        if older is not None and oldest is not None and not site.flow_trusted:
            return None, _rehearsed(site, last, older, oldest)
        return surroundings_flow(site, last) if look else None, None

    predicted, (seen, rehearsed) = both(lambda: None if older is None else _carried_on(site, last, older), look_around)
    cut = site.flow_window
    wanted: list[tuple[str, Array | None]] = [("copy", None)]
    if predicted is not None:
        wanted.append(("extrap", predicted[cut]))
    if seen is not None and predicted is not None:
        filled, acc = fill_flow(site, seen, predicted)
        wanted += [("filled", filled[cut]), ("acc", acc[cut])]
    elif seen is not None:
        wanted.append(("filled", site.spread_flow(seen)[cut]))
    for name, flow in ahead:
        wanted.append((name, flow[cut]))
        if seen is not None:
            wanted.append((f"acc_{name}", accelerated(site, seen, flow)[cut]))

    def paint(named: tuple[str, Array | None]) -> Candidate:
        name, flow = named
        candidate = warp(site, last, flow, name)
        if older is not None:
            candidate.reach = max(1.0, abs(time_ratio(site.now.order - last.order, last.order - older.order)))
            candidate.doubt = _doubt_steady(site, last, older, flow)
        return candidate

    candidates = each(paint, wanted)
    if rehearsed is not None:
        carried = next(c for c in candidates if c.name == "extrap")
        carried.doubt, carried.rehearsed = rehearsed, True
    return candidates


def _rehearsed(site: Site, last: Layer, older: Layer, oldest: Picture) -> Array:
    """How far `last` is from what the two pictures before it, motion carried on, would have made of it."""
    back = motion.dense_flow(older.gray, site.gray(oldest), site.scale)
    flow = motion.extrapolate(back, time_ratio(last.order - older.order, older.order - oldest.order), site.scale)
    made = motion.sample(older.gray, flow, site.scale)
    difference = cv2.absdiff(made, last.gray)[site.flow_window]
    return disagreement(difference, site.step // site.scale)


def _carried_on(site: Site, last: Layer, older: Layer) -> Array:
    """Flow from the damaged picture to `last`, were the motion between the references to go on."""
    back = site.flow(last, older)
    return motion.extrapolate(back, time_ratio(site.now.order - last.order, last.order - older.order), site.scale)


def from_both(site: Site, past: Layer, future: Layer, light: bool) -> list[Candidate]:
    """Candidates between a picture before and one after the damaged one."""
    cut = site.flow_window
    share = time_ratio(site.now.order - past.order, future.order - past.order)
    look = site.flow_trusted and not light
    across, seen = both(
        lambda: site.flow(past, future),
        lambda: (surroundings_flow(site, past), surroundings_flow(site, future)) if look else None,
    )
    to_past, to_future = motion.interpolate(across, share, site.scale)
    wanted = [(past, to_past, "inter_past"), (future, to_future, "inter_future")]
    if seen is not None:
        wanted += [
            (past, accelerated(site, seen[0], to_past), "acc"),
            (future, accelerated(site, seen[1], to_future), "acc_future"),
        ]
    moved = each(lambda job: warp(site, job[0], job[1][cut], job[2]), wanted)
    copy_past, copy_future = warp(site, past, None, "copy"), warp(site, future, None, "copy_future")
    # The average alone of the interpolated pair: its parts add nothing beside the accelerated ones.
    out = [
        *_pair(site, copy_past, copy_future, share, "copy_both")[::2],
        _pair(site, moved[0], moved[1], 0.5, "inter_both")[2],
    ]
    return [*out, *_pair(site, moved[2], moved[3], 0.5, "acc_both")] if seen is not None else out


def _pair(
    site: Site, past: Candidate, future: Candidate, share: float, name: str
) -> tuple[Candidate, Candidate, Candidate]:
    """Both and their average, with the doubt that their difference casts on all three."""
    both = average(past, future, share, name)
    past.doubt = disagreement(cv2.absdiff(past.luma, future.luma), site.step)
    future.doubt = both.doubt = past.doubt
    return past, future, both


def time_ratio(part: int, whole: int) -> float:
    """Time ratio, kept within what motion can sensibly be stretched by."""
    return float(np.clip(part / whole, -4.0, 4.0)) if whole else 1.0
