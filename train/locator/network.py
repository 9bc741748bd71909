"""The networks of the locator in training: what the blocks say is judged by the places it tells of, not one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from train.locator.examples import Example

HIDDEN = 16
_MOST, _USUAL = 6.0, 800
"""As in `concealer.decoder.locating.locator`."""
REPAIRED = 80.0
"""Mean squared error of a repaired block, where a picture does not tell (29 dB)."""
NOISE = 1.0
"""Mean squared error beside which less does not count."""
ROUNDS, BATCH, RATE, DECAY = 24, 8, 3e-3, 1e-2


class Network(torch.nn.Module):
    """As `concealer.decoder.locating` runs it."""

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, figures: int) -> None:
        super().__init__()
        self.own = torch.nn.Conv2d(figures, HIDDEN, 1)
        self.around = torch.nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1)
        self.whole = torch.nn.Linear(HIDDEN, HIDDEN)
        self.answer = torch.nn.Conv2d(HIDDEN, 1, 1)
        self.scale = torch.nn.Parameter(torch.tensor(-2.0))
        """Logarithm of `Weighing.scale`."""
        self.power = torch.nn.Parameter(torch.tensor(0.3))
        self.at_once = torch.nn.Parameter(torch.tensor(0.0))
        self.at_end = torch.nn.Parameter(torch.tensor(0.0))
        self.fading = torch.nn.Parameter(torch.tensor(-4.0))
        """Through a softplus: it can only become less likely."""
        self.register_buffer("mean", torch.zeros(figures))
        self.register_buffer("spread", torch.ones(figures))

    def forward(self, figures: torch.Tensor) -> torch.Tensor:
        """(figures, rows, cols) to what each block says, (rows, cols)."""
        values = (figures - self.mean[:, None, None]) / self.spread[:, None, None]
        hidden = functional.relu(self.own(values[None]))
        mean = self.whole(hidden.mean((2, 3)))[:, :, None, None]
        hidden = functional.relu(self.around(hidden) + mean)
        return self.answer(hidden)[0, 0].clamp(-_MOST, _MOST)

    def likely(self, seen: Seen) -> torch.Tensor:
        """How likely each unit before the end of `seen` is the first wrong one, in logarithms, and behind them that
        none is."""
        said = torch.zeros(seen.units).index_add(0, seen.unit_of.ravel(), self(seen.figures).ravel())[: seen.end]
        blocks = torch.bincount(seen.unit_of.ravel(), minlength=seen.units).float()[: seen.end]
        likely = _from_each_on(said) * self.scale.exp() * (seen.unit_of.numel() / _USUAL) ** -self.power
        if not seen.noticed:
            return torch.cat([likely[:-1], likely[-1:] + self.at_end])
        likely = likely - _from_each_on(blocks) * functional.softplus(self.fading)
        return torch.cat([likely[:-1], likely[-1:] + self.at_once])

    def belief(self, seen: Seen) -> torch.Tensor:
        """(rows, cols): how likely each block is wrong."""
        if not seen.end:
            return torch.ones(seen.unit_of.shape)
        begun = torch.softmax(self.likely(seen), 0).cumsum(0)[: seen.end]
        return torch.cat([begun, begun.new_ones(seen.units - seen.end)]).clamp(0, 1)[seen.unit_of]


@dataclass(frozen=True)
class Seen:
    """One damaged picture as a network sees it."""

    figures: torch.Tensor
    """(figures, rows, cols), what kind of picture it is among them."""
    unit_of: torch.Tensor
    """(rows, cols): the number of each block's unit in the scan."""
    units: int
    end: int
    """The unit at which the decoder gave up, or their number."""
    noticed: bool
    begin: int
    """The first visibly wrong one."""
    error: torch.Tensor
    known: torch.Tensor
    repaired: float


def seen_of(example: Example, which: str) -> Seen:
    """`example` by its figures "past" or "alone"."""
    figures, known = getattr(example, which), example.known
    told = [example.kind == name for name in "PBI"] + [bool(known.any())]
    shape = known.shape
    more = np.broadcast_to(np.array(told, np.float32)[:, None, None], (len(told), *shape))
    side = example.unit // 16
    cols = -(-shape[1] // side)
    unit_of = np.arange(shape[0])[:, None] // side * cols + np.arange(shape[1])[None] // side
    units = int(unit_of.max()) + 1
    end = int(unit_of[known].min()) if known.any() else units
    wrong = example.visible & (unit_of < end)
    return Seen(
        torch.tensor(np.concatenate([figures, more])),
        torch.tensor(unit_of),
        units,
        end,
        bool(known.any()),
        int(unit_of[wrong].min()) if wrong.any() else end,
        torch.tensor(example.error),
        torch.tensor(known),
        REPAIRED if np.isnan(example.repaired) else example.repaired,
    )


def fit(found: Sequence[Example], which: str, seed: int = 0, rounds: int = ROUNDS) -> Network:
    """A network that tells where damage begins, and errs where that costs little once repair is mixed in."""
    torch.manual_seed(seed)
    pictures = [seen_of(one, which) for one in found if getattr(one, which) is not None]
    pictures = [one for one in pictures if one.end]
    values = torch.cat([one.figures.flatten(1) for one in pictures], dim=1)
    network = Network(len(values))
    network.mean.copy_(values.mean(1))
    network.spread.copy_(values.std(1) + 1e-3)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    order = np.random.default_rng(seed)
    for round_ in range(rounds):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - round_ / rounds)
        for batch in _batches(order.permutation(len(pictures))):
            loss = torch.stack([_loss(network, pictures[number]) for number in batch]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network


def _batches(order: np.ndarray[Any, np.dtype[np.int64]]) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


def _loss(network: Network, seen: Seen) -> torch.Tensor:
    likely = network.likely(seen)
    missed = -functional.log_softmax(likely, 0)[seen.begin] / np.log(len(likely) + 1)
    return missed + left_in(seen, network.belief(seen)) / 10


def left_in(seen: Seen, belief: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the picture once repair is mixed in, in dB.

    As `concealer.repair.share_of_repair` mixes, what is held and what repair makes of it erring independently.
    """
    wrong = belief * (seen.error + seen.repaired + 1.0)
    share = wrong / (wrong + (1 - belief) * seen.repaired + 1e-6)
    mixed = (1 - share) ** 2 * seen.error + share**2 * seen.repaired
    error = torch.where(seen.known, torch.tensor(seen.repaired), mixed)
    return 10 * torch.log10(error.mean() + NOISE)


def _from_each_on(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values.flip(0).cumsum(0).flip(0), values.new_zeros(1)])


def stored(network: Network) -> dict[str, Any]:
    """As `concealer.decoder.locating` reads it."""
    layers = {
        "own": (network.own.weight[:, :, 0, 0], network.own.bias),
        "around": (network.around.weight, network.around.bias),
        "whole": (network.whole.weight, network.whole.bias),
        "answer": (network.answer.weight[:, :, 0, 0], network.answer.bias),
    }
    return {
        "mean": _rounded(network.mean),
        "spread": _rounded(network.spread),
        "weighing": {
            "scale": _rounded(network.scale.exp()),
            "power": _rounded(network.power),
            "at_once": _rounded(network.at_once),
            "at_end": _rounded(network.at_end),
            "fading": _rounded(functional.softplus(network.fading)),
        },
    } | {name: [_rounded(weights), _rounded(biases)] for name, (weights, biases) in layers.items()}


def _rounded(values: Any) -> Any:
    """Lists of numbers with five significant digits."""
    return json.loads(json.dumps(values.detach().tolist()), parse_float=lambda text: float(f"{float(text):.5g}"))
