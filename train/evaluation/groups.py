"""The groups of measurements, by the names that `python -m train.evaluate` takes."""

from __future__ import annotations

from collections.abc import Callable

from train.evaluation.boosted import measure_boosted, measure_lambdas
from train.evaluation.intervals import measure_intervals
from train.evaluation.landmarks import measure_landmarks
from train.evaluation.semantics import measure_semantics
from train.evaluation.sheets import write_sheets
from train.evaluation.speed import measure_speed
from train.evaluation.stills import measure_consistency, measure_ranking, measure_stills
from train.evaluation.video import measure_video
from train.evaluation.workbench import Workbench

_MEASURES: dict[str, Callable[[Workbench, bool], None]] = {
    "landmarks": measure_landmarks,
    "sheets": write_sheets,
    "stills": measure_stills,
    "video": measure_video,
    "speed": measure_speed,
    "consistency": measure_consistency,
    "ranking": measure_ranking,
    "intervals": measure_intervals,
    "semantics": measure_semantics,
    "boosted": measure_boosted,
    "lambdas": measure_lambdas,
}


def measure(bench: Workbench, group: str, searches: bool) -> None:
    """One group of measurements, of the systems that search or of those that do not."""
    _MEASURES[group](bench, searches)
