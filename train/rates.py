"""Learning rates by the kind of layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

_LINEAR = ("coarse.", "direct.")
"""Layers between a picture of 32x32 and z, which start from the training set's principal components."""
_SLOW = 0.05
"""Adam moves every weight by about the rate, and the sum over some 4,000 of them drowns what the start knows."""


def parameter_groups(networks: Iterable[nn.Module], rate: float) -> list[dict[str, Any]]:
    """Groups for an optimiser: all at `rate`, but the large linear maps at a twentieth of it."""
    named = [(name, parameter) for network in networks for name, parameter in network.named_parameters()]
    slow = [parameter for name, parameter in named if any(part in name for part in _LINEAR)]
    known = {id(parameter) for parameter in slow}
    groups: list[dict[str, Any]] = [{"params": [p for _, p in named if id(p) not in known], "lr": rate}]
    return groups + ([{"params": slow, "lr": _SLOW * rate}] if slow else [])
