"""Names, shapes and types of a network's inputs and outputs, and how a recurrent state is told from the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.errors import ModelError

Array = npt.NDArray[Any]
Batch = Mapping[str, Array]
"""Arrays by name; the first axis of each is the batch, of the same length in all."""

STATE, NEXT = "state_", "next_state_"
"""Input `state_x` of one step is output `next_state_x` of the step before; zeros before the first step."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a network."""

    name: str
    shape: tuple[int, ...]
    """Without the batch axis. float32 on the outside, whatever the network computes in."""

    def __post_init__(self) -> None:
        if any(side <= 0 for side in self.shape):
            raise ModelError(f"{self.name}: all axes but the first must be fixed, got {self.shape}")

    def empty(self, count: int) -> Array:
        """Zeros for a batch of `count`."""
        return np.zeros((count, *self.shape), np.float32)


def state_pairs(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> dict[str, str]:
    """Output name by state input name. Raises ModelError if a state has no successor of its shape."""
    shapes = {spec.name: spec.shape for spec in outputs}
    pairs = {}
    for spec in inputs:
        if spec.name.startswith(STATE):
            successor = NEXT + spec.name[len(STATE) :]
            if shapes.get(successor) != spec.shape:
                raise ModelError(f"state {spec.name} {spec.shape} has no output {successor} of its shape")
            pairs[spec.name] = successor
    return pairs


def batch_length(batch: Batch, inputs: Sequence[TensorSpec], states: Mapping[str, str]) -> int:
    """Length of a batch for these inputs; states may be left out (zeros).

    Raises ValueError for a missing or unknown name, a wrong shape, or an empty batch.
    """
    known = {spec.name: spec for spec in inputs}
    unknown = sorted(set(batch) - set(known))
    missing = [name for name in known if name not in batch and name not in states]
    if unknown or missing:
        raise ValueError(f"inputs are {', '.join(known)}; missing {missing or 'none'}, unknown {unknown or 'none'}")
    counts = {array.shape[0] if array.ndim else 0 for array in batch.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"all inputs need one batch length above zero, got {sorted(counts)}")
    count = int(counts.pop())
    for name, array in batch.items():
        if array.shape[1:] != known[name].shape:
            raise ValueError(f"{name} must be (n, {', '.join(map(str, known[name].shape))}), got {array.shape}")
    return count
