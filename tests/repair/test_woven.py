"""Frames whose rows show two moments in turns, and single fields."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from concealer.damage import Damage, DamageMap
from concealer.picture import Picture
from concealer.repair import Repairer

WIDTH, HEIGHT = 128, 96
Samples = npt.NDArray[np.uint8]


def moment(place: float) -> Samples:
    """Smooth waves that run to the right by four samples a step."""
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    phase = (x - 4.0 * place) / 9.0
    return np.asarray(128 + 70 * np.sin(phase) + 25 * np.sin(y / 7.0 + phase / 2), np.uint8)


def frame(order: int) -> Picture:
    """Top field first; two moments."""
    luma = moment(2 * order)
    luma[1::2] = moment(2 * order + 1)[1::2]
    chroma = (np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8), np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8))
    return Picture((luma, *chroma), order=order, kind="P", field_orders=(2 * order, 2 * order + 1))


def damaged(order: int, rows: slice, cols: slice) -> tuple[Picture, DamageMap, Samples]:
    picture = frame(order)
    truth = picture.planes[0].copy()
    damage = DamageMap(WIDTH, HEIGHT)
    blocks = np.zeros(damage.state.shape, bool)
    blocks[rows, cols] = True
    damage.mark(blocks, Damage.LOST)
    picture.planes[0][damage.hole_pixels()] = 0
    return picture, damage, truth


@pytest.mark.parametrize("deadline", [None, 1000.0])
@pytest.mark.parametrize("rows", [slice(2, 4), slice(3, 4), slice(2, 3)])
def test_rows_outside_the_hole_stay(rows: slice, deadline: float | None) -> None:
    picture, damage, truth = damaged(4, rows, slice(2, 6))
    outcome = Repairer(deadline_ms=deadline)(picture, damage, [frame(2), frame(3)])
    outside = ~damage.hole_pixels()
    np.testing.assert_array_equal(picture.planes[0][outside], truth[outside])
    assert outcome.blocks == damage.hole.sum() and outcome.method == "motion"


def test_two_moments_are_repaired_better_than_as_one() -> None:
    errors = []
    for known in (True, False):
        picture, damage, truth = damaged(4, slice(2, 4), slice(2, 6))
        references = [frame(2), frame(3)]
        for one in () if known else (picture, *references):
            one.field_orders = None
        Repairer()(picture, damage, references)
        errors.append(np.abs(picture.planes[0].astype(float) - truth)[damage.hole_pixels()].mean())
    assert errors[0] < errors[1]


def test_field_is_filled_from_its_sister_where_things_move() -> None:
    """What moved on is seen in the other field alone: at a cut of scene."""
    picture, _, truth = damaged(4, slice(0, 0), slice(0, 0))
    bottom = picture.field(1)
    damage = DamageMap(WIDTH, HEIGHT // 2)
    blocks = np.zeros(damage.state.shape, bool)
    blocks[1, 2:6] = True
    damage.mark(blocks, Damage.LOST)
    bottom.planes[0][damage.hole_pixels()] = 0
    before = [frame(-70), frame(-71)]
    seen = [one.field(parity) for one in before for parity in range(2)]
    Repairer()(bottom, damage, [picture.field(0), *seen])
    with_sister = np.abs(picture.planes[0][1::2].astype(float) - truth[1::2])[damage.hole_pixels()].mean()
    bottom.planes[0][damage.hole_pixels()] = 0
    Repairer()(bottom, damage, seen)
    without = np.abs(picture.planes[0][1::2].astype(float) - truth[1::2])[damage.hole_pixels()].mean()
    assert with_sister < without


def test_map_of_a_frame_in_two_fields() -> None:
    top, bottom = DamageMap(32, 32), DamageMap(32, 32)
    blocks = np.array([[True, False], [False, False]])
    bottom.mark(blocks, Damage.LOST, "slice lost")
    damage = DamageMap.of_fields(top, bottom)
    assert (damage.width, damage.height) == (32, 64)
    assert damage.hole.tolist() == [[True, False], [True, False], [False, False], [False, False]]
    pixels = damage.hole_pixels()
    assert not pixels[0::2].any() and pixels[1:32:2, :16].all() and not pixels[33::2].any() and not pixels[:, 16:].any()
    assert damage.hole_pixels(1, 1)[1:16:2, :8].all() and not damage.hole_pixels(1, 1)[0::2].any()
    assert damage.causes == ("slice lost",)
