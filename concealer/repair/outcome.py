"""What one repair did."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class RepairOutcome:
    """Report of one repaired picture."""

    method: str
    """"motion", "generative", "spatial", "copy", "decoder" (its own concealment kept) or "none" (no hole); the one
    that painted most pixels if regions of the picture differ."""
    milliseconds: float
    """Wall time of the whole repair."""
    blocks: int
    """Number of 16x16 blocks in the hole."""
    detail: dict[str, float] = field(default_factory=dict)
    """Shares of the hole per method ("share_motion" ...), mean weight per candidate ("weight_acc" ...),
    rim misfit ("rim_error", mean absolute luma difference on an 8-bit scale) and, where it was looked at,
    "misfit" (that of motion in units of a spatial fill's). Of a network: "fit_network" (its error on samples it was
    not shown, in units of its competitor's) and "share_of_network" (its mean weight in the hole)."""
