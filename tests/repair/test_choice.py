"""Choosing between candidates by a network: what it may change, what it remembers, and what happens without it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from concealer.damage import DamageMap
from concealer.outcome import RepairOutcome
from concealer.picture import Picture
from concealer.repair import AROUND, FIGURES, FRESHNESS, MOST, LearntChoice, Repairer
from concealer.repair.choice import REACH
from concealer.repair.deadline import SideCost
from concealer.repair.tiles import tiles
from tests.repair.test_repairer import FORMATS, assert_received_unchanged, blocks, damaged, hole_psnr, picture

Array = Any
HIDDEN = 3
ROWS = slice(3, 6)
LAST = slice(6, 9)
"""A hole at the border, which has one side only."""


@dataclass(frozen=True)
class Port:
    name: str
    shape: tuple[int, ...]


@dataclass
class Leaning:
    """Corrects by a number for each candidate, told by its place; counts its steps in its state."""

    leans: tuple[float, ...] = (0.0,) * MOST
    tile: tuple[int, int] = (12, 16)
    wait: float = 0.0
    fault: str = ""
    seen: list[dict[str, Array]] = field(default_factory=list)

    @property
    def inputs(self) -> list[Port]:
        return [
            Port("figures", (MOST, FIGURES, *self.tile)),
            Port("around", (AROUND, *self.tile)),
            Port("present", (MOST,)),
            Port("inside", (1, *self.tile)),
            Port("state_hidden", (HIDDEN, *self.tile)),
            Port("state_cell", (HIDDEN, *self.tile)),
        ]

    @property
    def states(self) -> Mapping[str, str]:
        return {"state_hidden": "next_state_hidden", "state_cell": "next_state_cell"}

    def run(self, batch: Mapping[str, Array], /) -> dict[str, Array]:
        self.seen.append(dict(batch))
        time.sleep(self.wait)
        if self.fault == "raises":
            raise RuntimeError("broken")
        leans = np.array(self.leans, np.float32)[None, :, None, None]
        correction = np.broadcast_to(leans, (len(batch["inside"]), MOST, *self.tile)) * batch["inside"]
        if self.fault == "not finite":
            correction = correction * np.nan
        return {
            "correction": correction,
            "next_state_hidden": batch["state_hidden"] + batch["inside"],
            "next_state_cell": batch["state_cell"],
        }


def repaired(
    repair: Repairer,
    shift: float = 3.0,
    orders: tuple[int, ...] = (0, 1, 2),
    now: int = 3,
    seed: int = 1,
    rows: slice = LAST,
) -> tuple[Picture, Picture, DamageMap, RepairOutcome]:
    clean = picture(now, (shift * now, 0.0), seed=seed)
    fixed, damage = damaged(clean, blocks(clean, rows))
    before = Picture(tuple(plane.copy() for plane in fixed.planes), order=now)
    references = [picture(order, (shift * order, 0.0), seed=seed) for order in orders]
    outcome = repair(fixed, damage, references)
    assert_received_unchanged(fixed, before, damage)
    return clean, fixed, damage, outcome


def same(one: Picture, other: Picture) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


def test_a_network_that_corrects_nothing_changes_nothing() -> None:
    network = Leaning()
    _, plain, _, _ = repaired(Repairer())
    _, fixed, _, outcome = repaired(Repairer(choice=LearntChoice(network)))
    assert network.seen and outcome.method == "motion"
    assert same(plain, fixed)


def test_it_can_choose_any_candidate() -> None:
    clean, plain, damage, _ = repaired(Repairer())
    worst = Leaning((-9.0,) + (0.0,) * (MOST - 1))
    _, still, _, outcome = repaired(Repairer(choice=LearntChoice(worst)))
    assert outcome.detail["weight_copy"] > 0.95
    assert hole_psnr(still, clean, damage) < hole_psnr(plain, clean, damage) - 3


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("own", [False, True])
def test_any_format_and_size(form: str, own: bool) -> None:
    options = FORMATS[form]
    clean = picture(3, (12.0, 6.0), **options)  # type: ignore[arg-type]
    references = [picture(t, (4.0 * t, 2.0 * t), **options) for t in (0, 1, 2)]  # type: ignore[arg-type]
    row = -(-clean.height // 16) // 2
    fixed, damage = damaged(clean, blocks(clean, slice(row, row + 1)))
    fixed.concealed = own
    network = Leaning()
    assert Repairer(choice=LearntChoice(network))(fixed, damage, references).method == "motion"
    assert_received_unchanged(fixed, clean, damage)
    for batch in network.seen:
        assert all(np.isfinite(values).all() for values in batch.values())
        assert batch["present"].sum(axis=1).max() >= (3 if own else 2)


def test_between_pictures_on_both_sides() -> None:
    clean = picture(2, (8.0, 4.0), kind="B")
    references = [picture(t, (4.0 * t, 2.0 * t)) for t in (0, 1, 4)]
    _, damage = damaged(clean, blocks(clean, ROWS))
    fixed, _ = damaged(clean, blocks(clean, ROWS))
    plain, _ = damaged(clean, blocks(clean, ROWS))
    network = Leaning()
    Repairer(choice=LearntChoice(network))(fixed, damage, references)
    Repairer()(plain, damage, references)
    assert network.seen and same(fixed, plain)


def test_the_decoders_own_concealment_can_be_chosen() -> None:
    clean = picture(3, (9.0, 0.0))
    references = [picture(t, (3.0 * t, 0.0)) for t in (0, 1, 2)]
    results = []
    for lean in (0.0, -9.0):
        fixed, damage = damaged(clean, blocks(clean, ROWS))
        held = fixed.planes[0].copy()
        fixed.concealed = True
        count = 5  # copy, extrap, filled, acc, own
        network = Leaning((0.0,) * (count - 1) + (lean,) + (0.0,) * (MOST - count))
        Repairer(choice=LearntChoice(network))(fixed, damage, references)
        assert network.seen[0]["present"][0].sum() == count
        results.append(np.abs(fixed.planes[0].astype(int) - held)[damage.hole_pixels()].mean())
    assert results[1] < 2.0 < results[0]


def test_corrections_are_halved_where_the_place_of_the_damage_is_not_told() -> None:
    clean = picture(3, (9.0, 0.0))
    references = [picture(t, (3.0 * t, 0.0)) for t in (0, 1, 2)]
    shares = {}
    for told, lean in ((True, -1.0), (False, -1.0), (True, -0.5)):
        fixed, damage = damaged(clean, blocks(clean, ROWS))
        if not told:
            damage.belief = np.ones(damage.state.shape, np.float32)
        network = Leaning((lean,) + (0.0,) * (MOST - 1))
        shares[told, lean] = Repairer(choice=LearntChoice(network))(fixed, damage, references).detail["weight_copy"]
    assert shares[False, -1.0] == pytest.approx(shares[True, -0.5], rel=1e-4)
    assert shares[False, -1.0] < shares[True, -1.0]


def test_it_is_not_asked_where_nothing_was_received_and_nothing_lies_behind() -> None:
    for orders, asked in (((0, 1, 2), False), ((1, 2, 4), True)):
        clean = picture(3, (9.0, 0.0), kind="B")
        fixed, damage = damaged(clean, blocks(clean, slice(0, 9)))
        network = Leaning()
        Repairer(choice=LearntChoice(network))(fixed, damage, [picture(t, (3.0 * t, 0.0)) for t in orders])
        assert bool(network.seen) is asked


def test_that_network_is_asked_whose_tiles_have_least_to_do() -> None:
    low, tall = Leaning(tile=(8, 16)), Leaning()
    _, both, _, _ = repaired(Repairer(choice=LearntChoice(tall, low)))
    assert low.seen and not tall.seen
    assert same(both, repaired(Repairer(choice=LearntChoice(Leaning())))[1])


def test_networks_of_one_state_are_needed() -> None:
    other = Leaning(tile=(8, 16))
    ports = [Port(p.name, (HIDDEN + 1, *p.shape[1:])) if "state" in p.name else p for p in other.inputs]
    with pytest.raises(ValueError, match="one state"):
        LearntChoice(Leaning(), SimpleNamespace(inputs=ports, states=other.states, run=other.run))
    with pytest.raises(ValueError, match="needs a network"):
        LearntChoice()


def test_only_auto_asks_it() -> None:
    network = Leaning((-9.0,) + (0.0,) * (MOST - 1))
    _, plain, _, _ = repaired(Repairer("motion"))
    _, fixed, _, _ = repaired(Repairer("motion", choice=LearntChoice(network)))
    assert not network.seen and same(plain, fixed)


def test_the_same_again_is_the_same() -> None:
    leans = tuple(np.random.default_rng(2).normal(size=MOST).tolist())
    first, second = (repaired(Repairer(choice=LearntChoice(Leaning(leans))))[1] for _ in range(2))
    assert same(first, second)


def test_memory_follows_the_pictures_and_ends_with_the_scene() -> None:
    network = Leaning()
    repair = Repairer(choice=LearntChoice(network))
    for now in (3, 4, 5):
        repaired(repair, shift=0.0, orders=(now - 3, now - 2, now - 1), now=now, seed=99)
    told = [batch["state_hidden"].max() for batch in network.seen]
    fresh = [batch["around"][:, FRESHNESS].max() for batch in network.seen]
    assert told == [0.0, 1.0, 2.0]
    assert fresh[0] == 0.0 and 0.5 < fresh[1] < 1.0
    clean = picture(6)
    fixed, damage = damaged(clean, blocks(clean, slice(4, 5)))
    assert repair(fixed, damage, [picture(order, seed=99) for order in (4, 5)]).method == "spatial"
    network.seen.clear()
    repaired(repair, shift=0.0, orders=(5, 6, 7), now=8)
    assert network.seen[0]["state_hidden"].max() == 0.0


def test_memory_ends_with_the_size() -> None:
    network = Leaning()
    repair = Repairer(choice=LearntChoice(network))
    repaired(repair)
    clean = picture(4, (12.0, 0.0), size=(96, 128))
    fixed, damage = damaged(clean, blocks(clean, slice(2, 4)))
    repair(fixed, damage, [picture(3, (9.0, 0.0), size=(96, 128)), picture(2, (6.0, 0.0), size=(96, 128))])
    assert network.seen[-1]["state_hidden"].max() == 0.0


@pytest.mark.parametrize("fault", ["raises", "not finite"])
def test_a_network_that_fails_is_not_asked_again(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    network = Leaning(fault=fault)
    repair = Repairer(choice=LearntChoice(network))
    _, plain, _, _ = repaired(Repairer())
    for _ in range(2):
        assert same(plain, repaired(repair)[1])
    assert len(network.seen) == 1
    assert caplog.text.count("choosing goes on without its network") == 1


def test_no_time_no_network() -> None:
    network = Leaning()
    repair = Repairer(deadline_ms=1.0, choice=LearntChoice(network))
    repaired(repair)
    assert not network.seen


def test_what_was_slow_gets_another_chance() -> None:
    cost = SideCost()
    assert cost.fits(10_000, 20.0)
    for _ in range(20):
        cost.learn(10_000, 500.0)
    assert not cost.fits(10_000, 20.0)
    assert any(cost.fits(10_000, 20.0) for _ in range(500))


def test_tiles_answer_for_every_cell_once_and_see_around_it() -> None:
    for rows, cols in ((1, 1), (5, 40), (12, 16), (13, 17), (45, 80), (90, 160)):
        count = np.zeros((rows, cols), int)
        for tile in tiles(rows, cols, 12, 16, REACH):
            count[tile.kept] += 1
            for axis, length in enumerate((rows, cols)):
                taken, kept, inside = tile.taken[axis], tile.kept[axis], tile.kept_inside[axis]
                assert taken.start == 0 or kept.start - taken.start >= REACH
                assert taken.stop == length or taken.stop - kept.stop >= REACH
                assert kept.start - taken.start == inside.start and kept.stop - taken.start == inside.stop
                assert tile.filled[axis].stop - tile.filled[axis].start == taken.stop - taken.start <= (12, 16)[axis]
        assert (count == 1).all()


def test_other_networks_are_named() -> None:
    with pytest.raises(ValueError, match="chooses between candidates"):
        LearntChoice(Leaning(tile=(2 * REACH, 16)))
