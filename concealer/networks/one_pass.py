"""Whole inpainters as they are exported: prior and generator in one pass (Lahiri et al. 2020, eq. 8)."""

from __future__ import annotations

from torch import Tensor, nn

from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.noise_prior import NoisePrior


class OnePassInpainter(nn.Module):
    """I_d + M * G(P(I_d)) for single pictures."""

    def __init__(self, prior: NoisePrior, generator: Generator) -> None:
        """Raises ValueError if the two do not fit each other."""
        super().__init__()
        check_fit(prior, generator)
        self.prior = prior
        self.generator = generator

    def forward(self, damaged: Tensor, mask: Tensor, structure: Tensor | None = None) -> Tensor:
        """Repaired pictures (N, 3, R, R); where mask is 0 they are `damaged`."""
        generated = self.generator(self.prior(damaged, mask, structure), structure)
        return damaged * (1 - mask) + mask * generated


class SequenceInpainter(nn.Module):
    """The same for streams, one picture at a time, with the state handed on in stream order."""

    def __init__(self, prior: GroupedPrior, generator: Generator) -> None:
        """Raises ValueError if the two do not fit each other."""
        super().__init__()
        check_fit(prior, generator)
        self.prior = prior
        self.generator = generator

    def forward(
        self, damaged: Tensor, mask: Tensor, hidden: Tensor, cell: Tensor, structure: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Repaired pictures (N, 3, R, R) and the new hidden and cell state (N, hidden)."""
        z, hidden, cell = self.prior.step(damaged, mask, structure, hidden, cell)
        return damaged * (1 - mask) + mask * self.generator(z, structure), hidden, cell


def check_fit(prior: NoisePrior | GroupedPrior, generator: Generator) -> None:
    """Raises ValueError unless both have the same resolution and z, and agree on structure."""
    for name in ("resolution", "z_size", "structure_channels"):
        ours, theirs = getattr(prior, name), getattr(generator, name)
        if ours != theirs:
            raise ValueError(f"prior and generator differ in {name}: {ours} and {theirs}")
