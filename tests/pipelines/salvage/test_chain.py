"""Which units are taken of those that chance makes too."""

from __future__ import annotations

import pytest

from pipelines.salvage.chain import best_row
from pipelines.salvage.units import Unit


def picture(start: int, slices: int = 1, length: int = 1000) -> list[Unit]:
    """A delimiter and the slices behind it."""
    units = [Unit(start, start + 6, 9, 3)]
    for number in range(slices):
        units.append(Unit(units[-1].end, units[-1].end + length, 1, 1.5, first=number == 0))
    return units


def places(units: list[Unit]) -> list[int]:
    return [unit.start for unit in units]


@pytest.mark.parametrize("place", [3000, 8000, 40000], ids=["in front", "between", "behind"])
def test_a_slice_in_the_midst_of_sound_that_begins_no_picture_is_chance(place: int) -> None:
    real = [*picture(6000), *picture(20000), *picture(21006)]
    chance = Unit(place, place + 700, 1, 1.5, first=False)
    assert places(best_row(sorted([*real, chance], key=lambda unit: unit.start))) == places(real)


def test_the_rest_of_a_picture_behind_a_hole_is_kept() -> None:
    rest = picture(6000, slices=4)[2:]
    later = picture(rest[-1].end, slices=4)
    assert places(best_row([*rest, *later])) == places([*rest, *later])
    assert places(best_row([*picture(0, slices=4), *rest, *later])) == places([*picture(0, slices=4), *rest, *later])
