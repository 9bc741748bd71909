"""The network of a file's repair is opened beside the reading, waited for, and done without where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from concealer.repair import LearntChoice, Repairer
from engines.zoo import open_zoo
from pipelines.generative import AwaitedChoice
from tests.repair.test_repairer import blocks, damaged, picture


def _repaired(repair: Repairer) -> np.ndarray:
    clean = picture(3, (9.0, 0.0))
    fixed, damage = damaged(clean, blocks(clean, slice(3, 6)))
    repair(fixed, damage, [picture(t, (3.0 * t, 0.0)) for t in (0, 1, 2)])
    repair(fixed, damage, [])  # another scene begins: the choice is told to forget
    return fixed.planes[0]


def test_it_is_waited_for() -> None:
    choice = AwaitedChoice("auto")
    assert choice.works and isinstance(choice._choice, LearntChoice)
    assert np.array_equal(_repaired(Repairer(choice=choice)), _repaired(Repairer(choice=AwaitedChoice("auto"))))


def test_a_zoo_without_it_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = json.loads((open_zoo().folder / "zoo.json").read_text()) | {"networks": []}
    (tmp_path / "zoo.json").write_text(json.dumps(table))
    monkeypatch.setenv("CONCEALER_ZOO", str(tmp_path))
    choice = AwaitedChoice("auto")
    assert not choice.works
    assert np.array_equal(_repaired(Repairer(choice=choice)), _repaired(Repairer()))
