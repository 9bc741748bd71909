"""What recipes and trainers both speak of: networks by name, and the settings of the plainest trainers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from concealer.networks.weights import build


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network to be built."""

    network: str
    """Its class, of `concealer.networks`."""
    arguments: Mapping[str, Any]

    def build(self) -> nn.Module:
        """With fresh weights. Raises ValueError for an unknown class or argument."""
        return build(self.network, self.arguments)


@dataclass(frozen=True, slots=True)
class GanSpecs:
    """The networks of a GAN."""

    generator: NetworkSpec
    judge: NetworkSpec
    encoder: NetworkSpec | None = None
    """A `NoisePrior` trained beside the GAN to invert it, for recipes that reconstruct."""

    def by_part(self) -> dict[str, NetworkSpec]:
        """Those there are, by the names their weights are kept under."""
        parts = {"generator": self.generator, "judge": self.judge, "encoder": self.encoder}
        return {name: spec for name, spec in parts.items() if spec is not None}


@dataclass(frozen=True, slots=True)
class FitSettings:
    """One network fitted to what is known of the pictures: landmarks, refined landmarks, classes."""

    network: NetworkSpec
    batch: int
    rate: float
