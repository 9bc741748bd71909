"""Initial states of HEVC CABAC contexts (9.3.2.2)."""

from __future__ import annotations

from collections.abc import Iterable

from concealer.standins.cabac import State, initial_state


def initial_states(values: Iterable[int], qp: int) -> list[State]:
    """States at the start of a slice of SliceQpY `qp` from the contexts' initValues."""
    return [initial_state((value >> 4) * 5 - 45, ((value & 15) << 3) - 16, qp) for value in values]
