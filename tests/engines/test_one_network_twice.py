"""What chooses between candidates ships once for tall and once for low holes: both must be the same network."""

from __future__ import annotations

import numpy as np
import pytest

from concealer.repair import AROUND, FIGURES, MOST
from engines import Options, open_engine
from engines.zoo import open_zoo

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("rows", [1, 5, 8])
def test_both_sizes_of_tile_answer_alike(rows: int) -> None:
    zoo = open_zoo()
    entries = [one for one in zoo.entries.values() if one.task == "choose"]
    assert len(entries) == 2
    made = []
    figures, around = RNG.standard_normal((MOST, FIGURES, rows, 40)), RNG.standard_normal((AROUND, rows, 40))
    for entry in entries:
        with open_engine(zoo.model(entry.name), options=Options(buckets=(1,), threads=1, precision="fp32")) as engine:
            batch = {spec.name: spec.empty(1) for spec in engine.inputs}
            batch["figures"][0, :, :, :rows, :40] = figures
            batch["around"][0, :, :rows, :40] = around
            batch["inside"][0, :, :rows, :40] = 1.0
            batch["present"][0, :5] = 1.0
            made.append(engine.run(batch)["correction"][0, :5, :rows, :40])
    np.testing.assert_allclose(made[0], made[1], atol=1e-4)
    assert np.abs(made[0]).max() > 0.01
