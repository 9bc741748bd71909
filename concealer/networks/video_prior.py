"""Grouped prior for natural video: a convolutional LSTM on the blocks of a picture that tells candidates apart.

Where Lahiri et al. (2020, section 4.3) predict the noise vector that a generator decodes, this one predicts what the
decoding of natural video hangs on: how far each candidate is to be trusted, block by block. Candidates are a set: each
goes through the same layers, sees the others through their mean and their maximum, and may stand in any place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_CORRECTION = 3.0
"""Greatest correction of an expected error, in natural logarithms."""
RADIUS = 3
"""Cells around a cell on which its results hang within one picture."""


class VideoPrior(nn.Module):
    """Corrects the logarithm of the error expected of each candidate; fresh weights correct nothing.

    Causal: one picture after the other with `step`, the state handed on in decoding order. figures, around: numbers
    per candidate and cell, and per cell. most: candidates at most.
    """

    def __init__(
        self,
        figures: int = 29,
        around: int = 16,
        most: int = 9,
        width: int = 24,
        hidden: int = 24,
        tile: tuple[int, int] = (16, 48),
    ) -> None:
        """tile: rows and columns of cells that it is exported for."""
        super().__init__()
        self.figures, self.around, self.most, self.hidden = figures, around, most, hidden
        self.tile = tile[0], tile[1]
        self.own = nn.Conv2d(figures + around, width, 1)
        self.near = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.own_again = nn.Conv2d(width, width, 1)
        self.join = nn.Conv2d(2 * width + around, width, 3, padding=1)
        self.gates = nn.Conv2d(width + hidden, 4 * hidden, 3, padding=1)
        self.read = nn.Conv2d(width + hidden, width, 1)
        self.judge = nn.Conv2d(2 * width, width, 1)
        self.last = nn.Conv2d(width, 1, 1)
        with torch.no_grad():
            self.last.weight.zero_()
            self.last.bias.zero_()  # type: ignore[union-attr]
            self.gates.bias[hidden : 2 * hidden] = 1.0  # type: ignore[index]

    def initial_state(self, count: int, rows: int, cols: int) -> tuple[Tensor, Tensor]:
        """Hidden and cell state before the first picture, (count, hidden, rows, cols) each."""
        zeros = self.last.weight.new_zeros(count, self.hidden, rows, cols)
        return zeros, zeros.clone()

    def step(
        self, figures: Tensor, around: Tensor, present: Tensor, inside: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One picture of N.

        figures: (N, most, figures, rows, cols); around: (N, around, rows, cols); present: (N, most), 1 where there is
        a candidate; inside: (N, 1, rows, cols), 1 within the window. Returns corrections (N, most, rows, cols) and the
        new hidden and cell state.
        """
        count, most = figures.shape[:2]
        there = present.view(count, most, 1, 1, 1)
        mask = inside.unsqueeze(1).expand(-1, most, -1, -1, -1).flatten(0, 1)
        shared = around.unsqueeze(1).expand(-1, most, -1, -1, -1)
        each = functional.relu(self.own(torch.cat([figures, shared], 2).flatten(0, 1))) * mask
        each = each + functional.relu(self.own_again(functional.relu(self.near(each)))) * mask
        # Rectified and never negative, so candidates that are missing change neither sum nor maximum.
        apart = each.unflatten(0, (count, most)) * there
        pooled = [apart.sum(1) / there.sum(1).clamp(min=1.0), apart.amax(1)]
        joint = functional.relu(self.join(torch.cat([*pooled, around], 1))) * inside
        hidden, cell = self._recur(joint, hidden, cell)
        hidden, cell = hidden * inside, cell * inside
        context = functional.relu(self.read(torch.cat([joint, hidden], 1)))
        spread = context.unsqueeze(1).expand(-1, most, -1, -1, -1).flatten(0, 1)
        judged = functional.relu(self.judge(torch.cat([apart.flatten(0, 1), spread], 1)))
        correction = self.last(judged).unflatten(0, (count, most)).squeeze(2)
        correction = MOST_CORRECTION * torch.tanh(correction / MOST_CORRECTION)
        return correction * present.view(count, most, 1, 1) * inside, hidden, cell

    def _recur(self, joint: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        taken, kept, shown, new = self.gates(torch.cat([joint, hidden], 1)).chunk(4, 1)
        cell = torch.sigmoid(kept) * cell + torch.sigmoid(taken) * torch.tanh(new)
        return torch.sigmoid(shown) * torch.tanh(cell), cell
