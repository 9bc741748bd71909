"""What a buffer tells of its picture's damage: flags and regions for programs, words and outlines for people."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from concealer.damage import BLOCK, Damage
from concealer.decoder import DecodedPicture
from concealer.picture import Plane
from pipelines.gst.bindings import Gst, GstVideo
from pipelines.gst.options import Options
from pipelines.overlay import draw_overlay
from pipelines.statistics import is_repaired, repair_of


def mark(buffer: Gst.Buffer, picture: DecodedPicture, options: Options) -> None:
    """Flag the buffer of a damaged picture and name its holes, as the options ask for."""
    any_hole, marked = picture.damage.any_hole, options.mark_corrupted
    stayed = picture.repeated or picture.lacks_references or (any_hole and not is_repaired(picture))
    if marked == "damaged" or (marked == "unrepaired" and stayed):
        buffer.set_flags(Gst.BufferFlags.CORRUPTED)
    if any_hole and options.regions and not picture.repeated:
        _add_regions(buffer, picture)


def draw(picture: DecodedPicture, planes: Sequence[Plane], bit_depth: int, rgb: bool) -> None:
    """Draw outlines and words into the planes of a damaged picture's buffer."""
    draw_overlay(planes, bit_depth, picture.damage, is_repaired(picture), _describe(picture), rgb=rgb)


def _describe(picture: DecodedPicture) -> str:
    damage, parts = picture.damage, []
    for name, state in (("lost", Damage.LOST), ("broken", Damage.BROKEN), ("tainted", Damage.TAINTED)):
        blocks = damage.count(state)
        if blocks:
            parts.append(f"{name} {blocks}")
    if picture.synthesised:
        parts.append("made up")
    outcome = repair_of(picture)
    if outcome is not None:
        parts.append(f"{outcome.method} {outcome.milliseconds:.0f} ms")
    return "  ".join(parts)


def _add_regions(buffer: Gst.Buffer, picture: DecodedPicture) -> None:
    name = "concealer/repaired" if is_repaired(picture) else "concealer/damaged"
    frame = picture.frame
    hole = picture.damage.hole.astype(np.uint8)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(hole, connectivity=4)
    for left, top, columns, rows, _ in boxes[1:count].tolist():
        x, y = left * BLOCK, top * BLOCK
        width, height = min(columns * BLOCK, frame.width - x), min(rows * BLOCK, frame.height - y)
        if width > 0 and height > 0:
            GstVideo.buffer_add_video_region_of_interest_meta(buffer, name, x, y, width, height)
