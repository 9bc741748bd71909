"""Which blocks of one picture are damaged, why, and how sure we are."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

BLOCK = 16
"""Side of one map cell in luma samples: the H.264 macroblock, and a divisor of every HEVC CTB."""
RATHER_WRONG = 0.5
"""Belief from which a block tells nothing about its surroundings, and is not told of as it was decoded."""


class Damage(IntEnum):
    """State of one block; a greater value overrides a smaller one."""

    INTACT = 0
    TAINTED = 1
    """Decoded without error, but predicted from damaged samples."""
    BROKEN = 2
    """Arrived corrupt: decoded from wrong bytes, or given up by the decoder."""
    LOST = 3
    """Never arrived."""


_BROKEN = int(Damage.BROKEN)
"""Asked for of every picture, where a member of an enumeration takes longer than the rest."""


class DamageMap:
    """Damage of one picture on a grid of `BLOCK` x `BLOCK` luma samples. Of an undamaged one the grid is not even made
    before somebody asks for it."""

    __slots__ = (
        "_state", "belief", "causes", "confidence", "fields", "height", "held_error", "places", "width",
    )  # fmt: skip

    def __init__(
        self,
        width: int,
        height: int,
        state: npt.NDArray[np.uint8] | None = None,
        confidence: float = 1.0,
        causes: tuple[str, ...] = (),
    ) -> None:
        if width <= 0 or height <= 0:
            raise ValueError(f"picture size must be positive, got {width}x{height}")
        self.width = width
        """Coded luma width in samples (before cropping)."""
        self.height = height
        """Coded luma height in samples (before cropping)."""
        if state is not None and (state.shape != self.shape or state.dtype != np.uint8):
            raise ValueError(f"state must be uint8 {self.shape}, got {state.dtype} {state.shape}")
        if not 0.0 <= confidence <= 1.0:
            raise ValueError(f"confidence must be within 0..1, got {confidence}")
        self._state = state
        self.confidence = confidence
        """0..1: 1.0 where the extent is known exactly (sentinel, slice layout), less where it is guessed."""
        self.belief: npt.NDArray[np.float32] | None = None
        """(rows, cols), 0..1: how sure it is that a block of the hole is wrong; None: sure everywhere. What a block of
        doubtful damage holds may be right, and is part of its repair by that much."""
        self.held_error: npt.NDArray[np.float32] | None = None
        """(rows, cols): mean squared error (8-bit scale) expected of what a block of the hole holds, infinite where
        nothing is known of it; None: nowhere. What errs less than repair is part of it by as much."""
        self.places: npt.NDArray[np.intp] | None = None
        """(rows, cols): place in coding order of the macroblock or CTB that holds a block; None: not needed."""
        self.fields: tuple[DamageMap, DamageMap] | None = None
        """The maps of the top and of the bottom field, of a frame coded in two fields: `state` is the worse of both,
        and a row is a hole where it is one in its own field. None: the blocks are those of the frame."""
        self.causes = causes
        """Short reasons in the order found, e.g. "slice lost", "picture lost", "bytes lost", "decode error"."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols) of the grid."""
        return -(-self.height // BLOCK), -(-self.width // BLOCK)

    @property
    def blocks(self) -> int:
        """Number of blocks of the picture."""
        return -(-self.height // BLOCK) * -(-self.width // BLOCK)

    @property
    def state(self) -> npt.NDArray[np.uint8]:
        """(rows, cols) values of `Damage`; rows = ceil(height / 16), cols = ceil(width / 16). To be written to."""
        if self._state is None:
            self._state = np.zeros(self.shape, np.uint8)
        return self._state

    @classmethod
    def of_fields(cls, top: DamageMap, bottom: DamageMap) -> DamageMap:
        """The map of a frame whose two fields (of the same size) have maps of their own."""
        damage = cls(top.width, 2 * top.height, confidence=min(top.confidence, bottom.confidence))
        damage.state[:] = np.maximum(top.state, bottom.state).repeat(2, axis=0)[: damage.state.shape[0]]
        damage.fields = (top, bottom)
        damage.causes = tuple(dict.fromkeys((*top.causes, *bottom.causes)))
        return damage

    def doubt(self, blocks: npt.NDArray[np.bool_], belief: npt.NDArray[np.float32]) -> None:
        """Set how sure it is that `blocks` are wrong ((rows, cols) both)."""
        if self.belief is None:
            self.belief = np.ones(self.state.shape, np.float32)
        np.copyto(self.belief, belief, where=blocks)

    def expect(self, blocks: npt.NDArray[np.bool_], error: npt.NDArray[np.float32]) -> None:
        """Set the mean squared error expected of what `blocks` hold ((rows, cols) both)."""
        if self.held_error is None:
            self.held_error = np.full(self.state.shape, np.inf, np.float32)
        np.copyto(self.held_error, error, where=blocks)

    def mark(self, blocks: npt.NDArray[np.bool_], damage: Damage, cause: str = "") -> None:
        """Raise `blocks` (bool, same grid) to at least `damage`; remember `cause` if any block was named."""
        if blocks.any():
            np.maximum(self.state, blocks.astype(np.uint8) * np.uint8(damage), out=self.state)
            if cause and cause not in self.causes:
                self.causes += (cause,)

    def forget(self, damage: Damage, cause: str) -> None:
        """Take back what was marked as `damage`, and `cause`."""
        self.state[self.state == damage] = Damage.INTACT
        self.causes = tuple(one for one in self.causes if one != cause)

    @property
    def hole(self) -> npt.NDArray[np.bool_]:
        """(rows, cols) bool: the lost and broken blocks, the ones that repair paints."""
        return self.state >= Damage.BROKEN

    @property
    def rather_wrong(self) -> npt.NDArray[np.bool_]:
        """(rows, cols) bool: blocks of the hole that are wrong rather than right, by all that is known of them."""
        wrong = self.hole
        if self.belief is not None:
            wrong &= self.belief >= RATHER_WRONG
        if self.held_error is not None:
            wrong &= self.held_error > 0
        return wrong

    @property
    def saved(self) -> int:
        """Number of blocks sent behind the first one of the hole that are no part of it: they arrived whole."""
        hole = self.hole
        if self.places is None or not hole.any():
            return 0
        return int(np.count_nonzero(~hole & (self.places > self.places[hole].min())))

    @property
    def any_hole(self) -> bool:
        return self._state is not None and bool(self._state.max() >= _BROKEN)

    @property
    def any_damage(self) -> bool:
        """Whether any block is not intact."""
        return self._state is not None and bool(self._state.any())

    def count(self, damage: Damage) -> int:
        """Number of blocks in exactly this state."""
        return int(np.count_nonzero(self.state == damage))

    def hole_pixels(self, shift_x: int = 0, shift_y: int = 0) -> npt.NDArray[np.bool_]:
        """Hole as a bool mask of one plane: (ceil(height >> shift_y), ceil(width >> shift_x))."""
        block_h, block_w = BLOCK >> shift_y, BLOCK >> shift_x
        rows, cols = -(-self.height >> shift_y), -(-self.width >> shift_x)
        if self.fields is not None:
            pixels = np.empty((rows, cols), np.bool_)
            for parity, one in enumerate(self.fields):
                target = pixels[parity::2]
                target[:] = one.hole_pixels(shift_x, shift_y)[: target.shape[0]]
            return pixels
        return self.hole.repeat(block_h, axis=0)[:rows].repeat(block_w, axis=1)[:, :cols]

    def __repr__(self) -> str:
        counts = ", ".join(f"{d.name.lower()}={self.count(d)}" for d in Damage if d and self.count(d))
        return f"DamageMap({self.width}x{self.height}, {counts or 'intact'}, causes={self.causes})"
