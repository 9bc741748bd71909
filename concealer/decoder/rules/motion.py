"""The motion that stand-in slices are written with."""

from __future__ import annotations

from collections.abc import Callable

from concealer.outcome import Vectors

FieldFn = Callable[[int, int, int], Vectors | None]
"""field(reference order, top, bottom): motion from the picture to that reference, (rows8, cols8, 2) int16 in quarter
luma samples, right at least in the luma rows [top, bottom); None if it is not known."""
