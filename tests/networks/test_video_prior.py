"""The grouped prior for natural video: candidates are a set, tiles change nothing, memory matters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from concealer.networks import video_prior
from concealer.networks.video_prior import VideoPrior
from concealer.repair import AROUND, FIGURES, MOST
from concealer.repair.choice import REACH
from concealer.repair.tiles import tiles
from engines.export import seeded

ROWS, COLS, COUNT = 21, 37, 5
Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def prior() -> VideoPrior:
    network = seeded(VideoPrior(tile=(12, 16)))
    assert isinstance(network, VideoPrior)
    return network.requires_grad_(False)


def drawn(prior: VideoPrior) -> Inputs:
    torch.manual_seed(0)
    figures = torch.rand(1, MOST, FIGURES, ROWS, COLS)
    figures[:, COUNT:] = 0
    present = torch.zeros(1, MOST)
    present[:, :COUNT] = 1
    state = (torch.rand(1, prior.hidden, ROWS, COLS) - 0.5 for _ in range(2))
    return figures, torch.rand(1, AROUND, ROWS, COLS), present, torch.ones(1, 1, ROWS, COLS), *state  # type: ignore[return-value]


def test_it_is_made_for_what_the_repair_tells() -> None:
    prior = VideoPrior()
    assert (prior.most, prior.figures, prior.around) == (MOST, FIGURES, AROUND)
    assert video_prior.RADIUS == REACH


def test_fresh_weights_correct_nothing() -> None:
    prior = VideoPrior()
    correction, hidden, _ = prior.step(*drawn(prior))
    assert not correction.any() and hidden.any()


def test_candidates_may_stand_in_any_place_and_missing_ones_do_not_count(prior: VideoPrior) -> None:
    figures, around, present, *rest = drawn(prior)
    whole, hidden, _ = prior.step(figures, around, present, *rest)
    assert whole[:, :COUNT].any() and not whole[:, COUNT:].any()
    order = torch.randperm(MOST)
    moved, again, _ = prior.step(figures[:, order], around, present[:, order], *rest)
    assert torch.allclose(whole[:, order], moved, atol=1e-5) and torch.allclose(hidden, again, atol=1e-5)
    alone, again, _ = prior.step(figures[:, :COUNT], around, present[:, :COUNT], *rest)
    assert torch.allclose(whole[:, :COUNT], alone, atol=1e-5) and torch.allclose(hidden, again, atol=1e-5)


def test_tiles_give_what_the_whole_gives(prior: VideoPrior) -> None:
    given = drawn(prior)
    made = prior.step(*given)
    for tile in tiles(ROWS, COLS, *prior.tile, REACH):

        def cut(values: Tensor, tile=tile) -> Tensor:  # type: ignore[no-untyped-def]
            if values.ndim < 4:
                return values
            out = values.new_zeros(*values.shape[:-2], *prior.tile)
            out[..., *tile.filled] = values[..., *tile.taken]
            return out

        parts = prior.step(*(cut(one) for one in given))  # type: ignore[arg-type]
        for whole, part in zip(made, parts, strict=True):
            assert torch.allclose(whole[..., *tile.kept], part[..., *tile.kept_inside], atol=1e-5)


def test_memory_changes_the_answer(prior: VideoPrior) -> None:
    figures, around, present, inside, hidden, cell = drawn(prior)
    fresh, _, _ = prior.step(figures, around, present, inside, hidden * 0, cell * 0)
    kept, _, _ = prior.step(figures, around, present, inside, hidden, cell)
    assert (fresh - kept).abs().max() > 1e-3
