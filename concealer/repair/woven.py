"""Interlaced pictures: fields as pictures of half the height, and what a field's sister shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from concealer.damage import DamageMap
from concealer.flow import Array
from concealer.outcome import Blocks, Repair, RepairOutcome, of_both_fields
from concealer.picture import Picture, Plane
from concealer.repair.candidates import Candidate, disagreement, from_past
from concealer.repair.site import Layer, Site

_COMBED = 0.9
"""Mean difference of neighbouring rows, in units of that of rows two apart, from which rows are of two moments."""


def is_combed(pictures: Sequence[Picture], damage: DamageMap) -> bool:
    """Whether the rows of these frames show two moments in turns, near the hole."""
    rows = np.flatnonzero(damage.hole.any(1))
    top, bottom = max(0, int(rows[0]) * 16 - 32), (int(rows[-1]) + 1) * 16 + 32
    for picture in pictures:
        luma = picture.planes[0][top:bottom].astype(np.float32)
        near, far = (float(cv2.absdiff(luma[step:], luma[:-step]).mean()) for step in (1, 2))
        if near > _COMBED * far > 0.0:
            return True
    return False


def _field_map(damage: DamageMap) -> DamageMap:
    """The map of either field of a frame that is damaged by pairs of macroblocks."""
    half = DamageMap(damage.width, damage.height // 2, confidence=damage.confidence, causes=damage.causes)
    half.state[:] = np.maximum(damage.state[::2], damage.state[1::2])
    if damage.belief is not None:
        half.belief = np.maximum(damage.belief[::2], damage.belief[1::2])
    return half


def by_parity(references: Sequence[Picture], picture: Picture) -> tuple[list[Picture], list[Picture]]:
    """(those of the same parity as `picture`, or frames like it; those of the other)."""
    same = [one for one in references if one.parity == picture.parity]
    return same, [one for one in references if one.parity != picture.parity]


def from_sister(site: Site, same: Sequence[Picture], others: Sequence[Picture]) -> list[Candidate]:
    """What the other field of the same frame lets expect of a field, its rows read half a row further.

    same, others: fields of the same and of the other parity. How far such a guess would have been off in the frame
    before is how much it is doubted. Moving it on from there as well gains nothing (0.02 dB) at twice the cost.
    """
    now = site.picture
    sister = next((one for one in others if one.field_orders == now.field_orders), None)
    if now.parity is None or not same or sister is None:
        return []
    last = min(same, key=lambda one: abs(one.order - now.order))
    before = next((one for one in others if one.field_orders == last.field_orders), sister)
    inside = site.window.slices()
    shown, guess = (_between_rows(site.layer(one), now.parity) for one in (sister, before))
    chroma = None if shown.chroma is None else shown.chroma[site.chroma_window]
    candidate = Candidate("sister", np.ascontiguousarray(shown.luma[inside]), chroma, source_order=sister.order)
    candidate.doubt = disagreement(cv2.absdiff(guess.luma[inside], site.layer(last).luma[inside]), site.step)
    return [candidate]


def from_as_far(site: Site, last: Layer, near: Sequence[Picture]) -> list[Candidate]:
    """Of a frame of an interlaced stream that comes before others it is shown behind: motion from as long before its
    last reference as it comes after that, which has not to be carried on for longer than it was seen.

    near: the references, the last one first. On single fields this loses 0.1 dB, on progressive streams it was not
    tried.
    """
    if site.picture.field_orders is None or site.picture.parity is not None or len(near) < 3:
        return []
    gap = abs(site.now.order - last.order)
    as_far = min(near[1:], key=lambda one: abs(abs(last.order - one.order) - gap))
    if as_far is near[1]:
        return []
    candidates = [one for one in from_past(site, last, site.layer(as_far), False) if one.name in ("extrap", "acc")]
    for one in candidates:
        one.name += "_as_far"
    return candidates


def _between_rows(layer: Layer, parity: int) -> Layer:
    """The layer of a field of the other parity at the rows of one of `parity`: mean of the rows above and below."""
    chroma = None if layer.chroma is None else _halfway(layer.chroma, parity)
    return Layer(_halfway(layer.luma, parity), chroma, layer.gray, layer.order)


def _halfway(plane: Array, parity: int) -> Array:
    moved = np.empty_like(plane)
    if parity:  # between this row of the top field and the next
        moved[:-1], moved[-1] = plane[1:], plane[-1]
    else:
        moved[1:], moved[0] = plane[:-1], plane[0]
    return cv2.addWeighted(plane, 0.5, moved, 0.5, 0.0)


def rim_error(site: Site, luma: Array) -> float:
    """Mean absolute luma difference (8-bit scale) of a window-sized prediction to the received samples of the rim."""
    wrong = known = 0.0
    for _, rows in site.rim_rows:
        trust = site.window_trust[rows]
        wrong += float(cv2.multiply(cv2.absdiff(luma[rows], site.window_luma[rows]), trust).sum())
        known += float(trust.sum())
    return wrong / max(known, 1e-3)


def repair_woven(
    repair: Repair, picture: Picture, damage: DamageMap, references: Sequence[Picture], quick: bool
) -> RepairOutcome:
    """Repair a frame of two moments by its fields and, unless that would take too long (`quick`), as a frame as well:
    the mean of both errs less than either, as they err in different ways. The better one fits the rim, the more of it.
    """
    holes = [damage.hole_pixels(*(picture.chroma_shift() if index else (0, 0))) for index in range(len(picture.planes))]
    planes = list(zip(picture.planes, holes, strict=True))
    if quick:
        return _fields_repaired(repair, picture, damage, references, planes)
    before = [plane[hole] for plane, hole in planes]
    frame = repair(replace(picture, field_orders=None), damage, [replace(one, field_orders=None) for one in references])
    by_frame = [plane[hole] for plane, hole in planes]
    for (plane, hole), samples in zip(planes, before, strict=True):
        plane[hole] = samples
    fields = _fields_repaired(repair, picture, damage, references, planes)
    if frame is None:
        return fields
    fits = [_fit(one) for one in (frame, fields)]
    share = fits[0] / sum(fits) if any(fits) else 0.0
    for (plane, hole), samples in zip(planes, by_frame, strict=True):
        plane[hole] = np.rint(share * samples + (1.0 - share) * plane[hole])
    return _together(frame, fields, share)


def _fit(outcome: RepairOutcome) -> float:
    """How well a repair fits the rim; 0 if it is only spread from there."""
    return 0.0 if outcome.method == "spatial" else 1.0 / (1.0 + outcome.detail.get("mix_error", 0.0))


def _fields_repaired(
    repair: Repair,
    picture: Picture,
    damage: DamageMap,
    references: Sequence[Picture],
    planes: Sequence[tuple[Plane, Blocks]],
) -> RepairOutcome:
    """planes: those of the picture, with their holes."""
    half = _field_map(damage)
    # A block of the field is one and the next below of the frame, which may not be damaged.
    more = not np.array_equal(damage.hole[::2], damage.hole[1::2])
    kept = [plane[~hole] for plane, hole in planes] if more else []
    seen = [one.field(parity) for one in references for parity in range(2)]
    first, second = (repair(picture.field(parity), half, seen) for parity in range(2))
    for (plane, hole), samples in zip(planes, kept, strict=False):
        plane[~hole] = samples
    both = of_both_fields((first, second)) or RepairOutcome("none", 0.0, 0)
    return replace(both, blocks=int(np.count_nonzero(damage.hole)))


def _together(first: RepairOutcome, second: RepairOutcome, share: float) -> RepairOutcome:
    """One report of two repairs of the same hole; `share`: weight of the first."""
    detail = {
        name: share * first.detail.get(name, 0.0) + (1.0 - share) * second.detail.get(name, 0.0)
        for name in (first.detail | second.detail)
    }
    more, spent = first if share >= 0.5 else second, first.milliseconds + second.milliseconds
    # The mean of both is held to err as the better one does, and errs less.
    return RepairOutcome(more.method, spent, first.blocks, detail, more.error, more.activity)
