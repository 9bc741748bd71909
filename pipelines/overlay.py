"""Outlines of damage drawn into a picture, for people."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from concealer.damage import BLOCK, Damage, DamageMap
from concealer.picture import Plane

_LOST, _BROKEN, _TAINTED, _REPAIRED = (230, 30, 30), (255, 150, 0), (240, 230, 40), (40, 220, 60)
_TEXT, _SHADE = (255, 255, 255), (16, 16, 16)
_MARGIN = 8

Mask = npt.NDArray[np.uint8]


def draw_overlay(
    planes: Sequence[Plane],
    bit_depth: int,
    damage: DamageMap,
    repaired: bool,
    text: str,
    *,
    rgb: bool = False,
    scale: tuple[float, float] = (1.0, 1.0),
) -> None:
    """Draw into `planes` (Y, Cb, Cr, or Y alone; G, B, R if `rgb`), in place. scale: samples of the picture to one of
    the planes, across and down.

    Red inside the rim of lost blocks, orange of broken, yellow of tainted ones; green around what was `repaired`;
    `text` at the top left. An intact map draws nothing.
    """
    if not damage.any_damage:
        return
    height, width = planes[0].shape
    line = max(2, round(height / 360))
    for state, colour in ((Damage.TAINTED, _TAINTED), (Damage.BROKEN, _BROKEN), (Damage.LOST, _LOST)):
        blocks = damage.state == state
        if blocks.any():
            mask = _pixels(blocks, width, height, scale)
            rim = np.asarray(cv2.subtract(mask, cv2.erode(mask, _square(line))), np.uint8)
            _paint(planes, bit_depth, rim, colour, rgb)
    if repaired and damage.any_hole:
        hole = _pixels(damage.hole, width, height, scale)
        rim = np.asarray(cv2.subtract(cv2.dilate(hole, _square(line)), hole), np.uint8)
        _paint(planes, bit_depth, rim, _REPAIRED, rgb)
    write_text(planes, bit_depth, text, rgb)


def _pixels(blocks: npt.NDArray[np.bool_], width: int, height: int, scale: tuple[float, float]) -> Mask:
    cols = (np.arange(width) * scale[0]).astype(np.intp) // BLOCK
    rows = (np.arange(height) * scale[1]).astype(np.intp) // BLOCK
    inside = (rows[:, None] < blocks.shape[0]) & (cols < blocks.shape[1])
    found = blocks[np.minimum(rows, blocks.shape[0] - 1)[:, None], np.minimum(cols, blocks.shape[1] - 1)]
    return np.asarray((found & inside) * np.uint8(255), np.uint8)


def _square(radius: int) -> Mask:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def write_text(planes: Sequence[Plane], bit_depth: int, text: str, rgb: bool = False) -> None:
    """At the top left, in place."""
    height, width = planes[0].shape
    size = max(height / 900, 0.4)
    (text_width, text_height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    canvas = np.zeros((height, width), np.uint8)
    right, bottom = _MARGIN * 2 + text_width, _MARGIN * 2 + text_height + base
    canvas[: min(bottom, height), : min(right, width)] = 255
    _paint(planes, bit_depth, canvas, _SHADE, rgb)
    canvas[:] = 0
    place = (_MARGIN, _MARGIN + text_height)
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 1, cv2.LINE_8)
    _paint(planes, bit_depth, canvas, _TEXT, rgb)


def _paint(planes: Sequence[Plane], bit_depth: int, mask: Mask, colour: tuple[int, int, int], rgb: bool) -> None:
    red, green, blue = colour
    if rgb:
        values: Sequence[float] = (green, blue, red)
    else:  # BT.709, limited range
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        values = (
            16 + luma * 219 / 255,
            128 + (blue - luma) / 1.8556 * 224 / 255,
            128 + (red - luma) / 1.5748 * 224 / 255,
        )
    for plane, value in zip(planes, values, strict=False):
        rows, cols = plane.shape
        step_y, step_x = mask.shape[0] // rows or 1, mask.shape[1] // cols or 1
        part = mask[::step_y, ::step_x][:rows, :cols] > 0
        plane[: part.shape[0], : part.shape[1]][part] = round(value) << (bit_depth - 8)
