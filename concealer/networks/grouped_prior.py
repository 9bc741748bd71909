"""Grouped noise prior over pictures of a sequence (Lahiri et al. 2020, section 4.3): M_z+L, M_z+S+L."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from concealer.networks.noise_prior import NoisePrior

_KEPT = 0.6
"""Share of its memory that the LSTM keeps from picture to picture at the start."""
_RECALLED = 0.5
"""Weight of the memory in z at the start; what the picture itself says has the rest."""
_GAIN = 0.5
"""What goes into the memory is scaled by this, where tanh is all but linear."""
_OPEN = 3.0

State = tuple[Tensor, Tensor]
"""Hidden and cell state of the LSTM, each (N, hidden)."""


class GroupedPrior(nn.Module):
    """A shared CNN (as `NoisePrior`), an LSTM over time, a feed-forward layer that gives z.

    Causal: the z of a picture depends on it and the pictures before it only, so that a stream runs picture by
    picture with `step`. Training starts from the image prior averaged over time: the LSTM begins as a leaky memory of
    what the CNN says, half of z is recalled from it, and the feed-forward layer corrects that, from zero.
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
        if hidden < z_size:
            raise ValueError(f"the LSTM must be able to hold z: hidden {hidden} is less than {z_size}")
        self.recall = nn.Linear(hidden, z_size, bias=False)
        last = nn.Linear(hidden, 2 * z_size)
        self.last = nn.Sequential(nn.Linear(hidden, hidden), nn.LeakyReLU(0.2), last)
        with torch.no_grad():
            _remember(self.lstm, z_size)
            self.recall.weight.zero_()[:, :z_size] = torch.eye(z_size) * _RECALLED / (_GAIN * _sigmoid(_OPEN))
            for parameter in last.parameters():
                parameter.zero_()
            last.bias[:z_size] = math.atanh(_RECALLED)

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
        hidden, cell = self.lstm(intermediate, (hidden, cell))
        gate, shift = self.last(hidden).chunk(2, 1)  # each (N, z_size)
        z = intermediate * (1 - torch.tanh(gate)) + self.recall(hidden) + shift
        return torch.tanh(z), hidden, cell

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


def _remember(lstm: nn.LSTMCell, size: int) -> None:
    """The first `size` units as leaky integrators of the inputs; rows of gates: input, forget, cell, output."""
    gates = {0: math.log(1 / _KEPT - 1), 1: -math.log(1 / _KEPT - 1), 2: 0.0, 3: _OPEN}
    for gate, bias in gates.items():
        rows = slice(gate * lstm.hidden_size, gate * lstm.hidden_size + size)
        for weight in (lstm.weight_ih, lstm.weight_hh, lstm.bias_ih, lstm.bias_hh):
            weight[rows] = 0
        lstm.bias_ih[rows] = bias
        if gate == 2:
            lstm.weight_ih[rows] = torch.eye(size) * _GAIN


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
