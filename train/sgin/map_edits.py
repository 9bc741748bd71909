"""Changes to a label map: the ready-made ones of SGIN (2022), figure 7, and maps painted by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from concealer.face_map import PART_COLOURS, PARTS

Labels = npt.NDArray[np.uint8]
"""(S, S) index into `PARTS`."""
SKIN, UPPER, MOUTH, LOWER = (PARTS.index(name) for name in ("skin", "upper lip", "mouth", "lower lip"))
EYES = tuple(PARTS.index(f"{side} eye") for side in ("right", "left"))
BROWS = tuple(PARTS.index(f"{side} brow") for side in ("right", "left"))
_LIFT, _GAPE = 0.04, 0.06
"""How far eyes are lifted and the lower lip drops, shares of the side."""
_FAR = 48
"""A painted pixel whose colour is further than this from that of every region, by channel, belongs to none."""


def larger_eyes(labels: Labels) -> Labels:
    """Both eyes wider by a third and taller by two thirds."""
    for eye in EYES:
        labels = _reshape(labels, (eye,), 1.35, 1.7)
    return labels


def lifted_eyes(labels: Labels) -> Labels:
    """Eyes and brows higher."""
    return _reshape(labels, (*BROWS, *EYES), 1.0, 1.0, -_LIFT * len(labels))


def short_brows(labels: Labels) -> Labels:
    """Both brows at six tenths of their length."""
    for brow in BROWS:
        labels = _reshape(labels, (brow,), 0.6, 1.0)
    return labels


def closed_lips(labels: Labels) -> Labels:
    """Nothing between the lips: its upper half becomes upper lip, the rest lower lip."""
    out = labels.copy()
    rows, _ = np.nonzero(labels == MOUTH)
    if len(rows):
        below = np.indices(labels.shape)[0] > rows.mean()
        out[(labels == MOUTH) & ~below] = UPPER
        out[(labels == MOUTH) & below] = LOWER
    return out


def open_mouth(labels: Labels) -> Labels:
    """The lower lip dropped, and the mouth open above it."""
    out, drop = labels.copy(), max(1, round(_GAPE * len(labels)))
    out[labels == LOWER] = SKIN
    inside = labels == MOUTH
    for down in range(drop + 1):
        out[np.roll((inside | (labels == LOWER)) if down < drop else inside, down, 0)] = MOUTH
    out[np.roll(labels == LOWER, drop, 0)] = LOWER
    out[labels == UPPER] = UPPER
    return out


EDITS: dict[str, Callable[[Labels], Labels]] = {
    "larger-eyes": larger_eyes,
    "lifted-eyes": lifted_eyes,
    "short-brows": short_brows,
    "closed-lips": closed_lips,
    "open-mouth": open_mouth,
}
"""By the names the command takes. Glasses, which the paper adds too, are none of the regions here."""


def touched(before: Labels, after: Labels) -> npt.NDArray[np.bool_]:
    """The pixels that an edit reaches: whatever changes, with all of the small regions that lose or gain there."""
    changed = before != after
    moved = set(np.unique(np.concatenate([before[changed], after[changed]]))) - set(range(SKIN + 1))
    whole = changed | np.isin(before, list(moved)) | np.isin(after, list(moved))
    return cv2.dilate(whole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def painted(labels: Labels) -> npt.NDArray[np.uint8]:
    """The map as a picture, (S, S, 3) RGB, in the colours of `PART_COLOURS`."""
    return np.array(PART_COLOURS, np.uint8)[labels]


def read_painted(picture: npt.NDArray[np.uint8], size: int) -> Labels:
    """The map of such a picture, of any side. Raises ValueError for colours that belong to no region."""
    scaled = cv2.resize(picture, (size, size), interpolation=cv2.INTER_NEAREST).astype(int)
    apart = np.abs(scaled[:, :, None] - np.array(PART_COLOURS)).max(3)  # (S, S, regions)
    unknown = int((apart.min(2) > _FAR).sum())
    if unknown:
        raise ValueError(f"{unknown} of {size * size} pixels of the map have the colour of no region")
    return apart.argmin(2).astype(np.uint8)


def _reshape(labels: Labels, parts: Sequence[int], wide: float, tall: float, down: float = 0.0) -> Labels:
    """Stretch regions about their common middle and move them; skin comes in where they were."""
    place = np.isin(labels, parts)
    if not place.any():
        return labels
    rows, columns = np.nonzero(place)
    y, x = rows.mean(), columns.mean()
    matrix = np.array([[wide, 0, x - wide * x], [0, tall, y - tall * y + down]])
    shown = np.where(place, labels, 0).astype(np.uint8)
    moved = cv2.warpAffine(shown, matrix, labels.shape[::-1], flags=cv2.INTER_NEAREST)
    out = np.where(place, SKIN, labels)
    return np.where(moved > 0, moved, out).astype(np.uint8)
