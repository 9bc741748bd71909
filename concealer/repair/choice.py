"""Choosing between the candidates of a hole by a network that remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair.blend import Expected
from concealer.repair.candidates import Candidate
from concealer.repair.site import Layer, Site


class Choice(Protocol):
    """Corrects what candidates are expected to err by."""

    def corrected(
        self,
        site: Site,
        candidates: list[Candidate],
        expected: Expected,
        references: Sequence[Picture],
        own: Layer | None,
        ahead: bool,
    ) -> Array:
        """(n, h, w) float32 in place of `expected.errors`."""

    def forget(self) -> None:
        """Another scene begins."""
