"""Grouped noise prior over pictures of a sequence (Lahiri et al. 2020, section 4.3): M_z+L, M_z+S+L."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .noise_prior import NoisePrior

State = tuple[Tensor, Tensor]
"""Hidden and cell state of the LSTM, each (N, hidden)."""


class GroupedPrior(nn.Module):
    """A shared CNN (as `NoisePrior`), an LSTM over time, a feed-forward layer that gives z.

    Causal: the z of a picture depends on it and the pictures before it only, so that a stream runs picture by
    picture with `step`. The feed-forward layer's output is added to what the CNN says and starts at zero: training
    starts from the image prior.
    """

    def __init__(
        self,
        resolution: int = 64,
        z_size: int = 128,
        structure_channels: int = 0,
        capacity: int = 1536,
        most: int = 160,
        hidden: int = 192,
    ) -> None:
        super().__init__()
        self.prior = NoisePrior(resolution, z_size, structure_channels, capacity, most)
        self.resolution = resolution
        self.z_size = z_size
        self.structure_channels = structure_channels
        self.hidden = hidden
        self.lstm = nn.LSTMCell(z_size, hidden)
        last = nn.Linear(hidden, 2 * z_size)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.last = nn.Sequential(nn.Linear(hidden, hidden), nn.LeakyReLU(0.2), last)

    def initial_state(self, count: int) -> State:
        """The state before the first picture of `count` sequences."""
        zeros = self.lstm.weight_hh.new_zeros(count, self.hidden)
        return zeros, zeros.clone()

    def step(
        self, damaged: Tensor, mask: Tensor, structure: Tensor | None, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One picture of N sequences. Returns z in [-1, 1] (N, z_size) and the new hidden and cell state."""
        return self._recur(self.prior.features(damaged, mask, structure), hidden, cell)

    def _recur(self, intermediate: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden, cell = self.lstm(torch.tanh(intermediate), (hidden, cell))
        gate, shift = self.last(hidden).chunk(2, 1)  # each (N, z_size)
        return torch.tanh(intermediate * (1 - torch.tanh(gate)) + shift), hidden, cell

    def forward(
        self, damaged: Tensor, mask: Tensor, structure: Tensor | None = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        """A group of W pictures. `damaged`: (N, W, 3, R, R), `mask`: (N, W, 1, R, R), `structure` likewise.

        Returns z (N, W, z_size) and the state after the last picture, to be given to the next group.
        """
        count, length = damaged.shape[:2]
        flat = None if structure is None else structure.flatten(0, 1)
        features = self.prior.features(damaged.flatten(0, 1), mask.flatten(0, 1), flat).unflatten(0, (count, length))
        hidden, cell = self.initial_state(count) if state is None else state
        latents = []
        for t in range(length):
            z, hidden, cell = self._recur(features[:, t], hidden, cell)
            latents.append(z)
        return torch.stack(latents, 1), (hidden, cell)
