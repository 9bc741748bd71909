"""One decoded picture as writable views of the memory it lives in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[Any]
"""(rows, cols) uint8, or uint16 holding 9..16 significant bits."""


@dataclass
class Picture:
    """A picture in a decoder's memory. Writing to `planes` changes what later pictures are predicted from."""

    planes: tuple[Plane, ...]
    """Y, Cb, Cr (or Y alone): views of coded size, rows may be strided, columns are contiguous."""
    bit_depth: int = 8
    """Bits per sample; samples lie in 0 .. 2**bit_depth - 1."""
    order: int = 0
    """Position in output order, comparable across the whole stream (POC made continuous over IDRs)."""
    pts: int | None = None
    """Presentation time in the stream's time base, if it has one."""
    kind: str = "?"
    """"I", "P" or "B" by its received slices, "?" if none arrived."""
    scene: int = 0
    """Counts IRAP/IDR pictures seen so far; a reference of another scene number may show another scene."""
    concealed: bool = False
    """Its hole holds the decoder's own concealment (a repair candidate), not junk."""
    field_orders: tuple[int, int] | None = None
    """Of a frame of an interlaced stream, or one of its fields: positions of its top and of its bottom field in output
    order, in half steps of `order`, as its rows may show two moments in turns. None: one moment, `order`."""
    parity: int | None = None
    """Of a single field, whose `order` is in half steps: 0 top, 1 bottom; None: a frame."""

    repeats: float = 0.0
    """Of a picture of which nothing arrived: how likely it showed once more what the one before shows, 0..1."""

    def __post_init__(self) -> None:
        if len(self.planes) not in (1, 3):
            raise ValueError(f"a picture has 1 or 3 planes, got {len(self.planes)}")
        want = np.uint8 if self.bit_depth == 8 else np.uint16
        for plane in self.planes:
            if plane.ndim != 2 or plane.dtype != want:
                raise ValueError(
                    f"{self.bit_depth}-bit plane must be 2-D {want.__name__}, got {plane.dtype} {plane.shape}"
                )

    @property
    def width(self) -> int:
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        return int(self.planes[0].shape[0])

    def field(self, parity: int) -> Picture:
        """Its top (0) or bottom (1) field: every other row of the same memory."""
        orders = self.field_orders or (2 * self.order, 2 * self.order + 1)
        planes = tuple(plane[parity::2] for plane in self.planes)
        return replace(self, planes=planes, order=orders[parity], field_orders=orders, parity=parity)

    def chroma_shift(self) -> tuple[int, int]:
        """(shift_x, shift_y): log2 of horizontal and vertical chroma subsampling, (0, 0) if there is no chroma."""
        if len(self.planes) == 1:
            return 0, 0
        rows, cols = self.planes[1].shape
        return int(cols < self.width), int(rows < self.height)

    def __repr__(self) -> str:
        return (
            f"Picture({self.width}x{self.height}, {len(self.planes)} planes, {self.bit_depth} bit, "
            f"{self.kind}, order={self.order}, pts={self.pts})"
        )
