"""Rates that recordings have."""

from __future__ import annotations

from fractions import Fraction

PICTURES = tuple(
    Fraction(n, d)
    for n, d in (
        (30000, 1001), (25, 1), (30, 1), (24000, 1001), (24, 1), (60000, 1001), (60, 1), (50, 1), (15, 1), (12, 1),
        (10, 1), (20, 1), (48, 1), (120, 1), (120000, 1001), (240, 1), (100, 1), (200, 1), (5, 1), (8, 1),
    )
)  # fmt: skip
"""Pictures a second, the most frequent first."""
