"""Pictures as small files, and outlines of damage as paths to lay over them."""

from __future__ import annotations

from dataclasses import dataclass

import av
import cv2
import numpy as np
import numpy.typing as npt

from concealer.damage import BLOCK, Damage, DamageMap

_WIDTH, _HEIGHT = 480, 400
"""Most samples of a thumbnail."""
_MOST_BYTES = 20 << 10
_QUALITIES = (82, 70, 58, 45, 30, 15)
_MOST_PATH = 4 << 10
"""Characters of one outline. These limits keep a page of twenty pairs below 2 MB."""

Blocks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outline:
    """A path in SVG's language, in units of blocks."""

    state: str
    """"lost", "broken" or "tainted"."""
    path: str


def thumbnail(frame: av.VideoFrame, aspect: float) -> bytes:
    """A JPEG of at most 20 KB. aspect: shown width by height."""
    width, height = _WIDTH, max(round(_WIDTH / aspect), 1)
    if height > _HEIGHT:
        width, height = max(round(_HEIGHT * aspect), 1), _HEIGHT
    # The encoder wants BGR; area interpolation leaves no stairs.
    bgr = frame.reformat(width, height, "bgr24", interpolation="AREA").to_ndarray()
    for quality in _QUALITIES:
        coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(coded) <= _MOST_BYTES:
            break
    return coded


def difference(one: av.VideoFrame, other: av.VideoFrame) -> float:
    """Mean squared difference of luma (8-bit scale), roughly: on every fourth sample of every fourth row.

    Infinite where the two are not of one format and size.
    """
    if (one.format.name, one.width, one.height) != (other.format.name, other.width, other.height):
        return float("inf")
    first, second = _luma(one), _luma(other)
    scale = 1 << (one.format.components[0].bits - 8)
    return float(np.mean(np.square((first - second) / scale)))


def _luma(frame: av.VideoFrame) -> npt.NDArray[np.float32]:
    plane, kind = frame.planes[0], np.uint8 if frame.format.components[0].bits == 8 else np.uint16
    rows = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
    return np.asarray(rows[::4, : frame.width : 4], np.float32)


def outlines(damage: DamageMap) -> list[Outline]:
    """Of lost, broken and tainted blocks; where there are too many, neighbours are drawn together."""
    found = []
    for state in (Damage.TAINTED, Damage.BROKEN, Damage.LOST):
        blocks = damage.state == state
        if blocks.any():
            found.append(Outline(state.name.lower(), _path(blocks)))
    return found


def _path(blocks: Blocks) -> str:
    step = 1
    while True:
        path = _edges(blocks, step)
        if len(path) <= _MOST_PATH:
            return path
        blocks, step = _halved(blocks), 2 * step


def _halved(blocks: Blocks) -> Blocks:
    rows, cols = blocks.shape
    even = np.pad(blocks, ((0, rows % 2), (0, cols % 2)))
    return np.asarray(even.reshape(-(-rows // 2), 2, -(-cols // 2), 2).any(axis=(1, 3)))


def _edges(blocks: Blocks, step: int) -> str:
    """Lines between what is in and what is out, each as long as it goes."""
    padded = np.pad(blocks, 1)
    across = padded[1:, 1:-1] != padded[:-1, 1:-1]
    down = padded[1:-1, 1:] != padded[1:-1, :-1]
    lines = [f"M{a * step} {y * step}h{(b - a) * step}" for y, a, b in _runs(across)]
    lines += [f"M{x * step} {a * step}v{(b - a) * step}" for x, a, b in _runs(down.T)]
    return "".join(lines)


def _runs(edges: Blocks) -> list[tuple[int, int, int]]:
    """(row, first column, column behind the last) of each run."""
    ends = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(ends == 1)
    _, stops = np.nonzero(ends == -1)
    return list(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True))


def in_blocks(frame: av.VideoFrame) -> tuple[float, float]:
    """Width and height of a picture in blocks, the unit of outlines."""
    return frame.width / BLOCK, frame.height / BLOCK
