"""Tables and targets of networks."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.engine_tables import engine_tables
from benchmarks.targets import verdicts


def network(backend: str, best: float, median: float, **more: Any) -> dict[str, Any]:
    row = {"measure": "network", "network": "style-128", "weights": "trained", "backend": backend, "mode": ""}
    row |= {"precision": "fp32", "bucket": 1, "best_ms": best, "p50_ms": median, "p95_ms": 9.0, "p99_ms": 9.5}
    return row | {"difference": 2e-6, "deadline_ms": None} | more


def stream(p99: float, out: int) -> dict[str, Any]:
    row = {"measure": "stream", "clip": "cups", "width": 1280, "height": 720, "rate": 0.03, "method": "auto"}
    row |= {"deadline_ms": 33.0, "backend": "openvino fp32", "used": {"motion": 3}, "repairs": 3, "hole_psnr": 30.0}
    return row | {"repair_p99_ms": p99, "pictures_in": 60, "pictures_out": out}


def test_tables_hold_every_row() -> None:
    text = "\n".join(engine_tables([network("torch", 8.0, 9.0, mode="eager"), stream(20.0, 60)]))
    assert "torch eager" in text and "2.0e-06" in text
    assert "deadline 33 ms" in text and "60 / 60" in text and "motion 3" in text


@pytest.mark.parametrize(
    ("ours", "theirs", "met"),
    [((2.0, 2.5), (5.0, 6.0), True), ((3.0, 2.0), (5.0, 6.0), False), ((2.0, 4.0), (5.0, 6.0), False)],
)
def test_speed_is_judged_by_best_calls_and_medians(
    ours: tuple[float, float], theirs: tuple[float, float], met: bool
) -> None:
    rows = [network("torch", *theirs, mode="eager"), network("openvino", *ours)]
    assert [v.met for v in verdicts({"engines": rows}) if "as fast as" in v.target] == [met]


@pytest.mark.parametrize(("p99", "out", "met"), [(20.0, 60, True), (40.0, 60, False), (20.0, 59, False)])
def test_deadline_is_judged_by_time_and_pictures(p99: float, out: int, met: bool) -> None:
    assert [v.met for v in verdicts({"engines": [stream(p99, out)]})] == [met]


def test_differences_are_judged_by_precision() -> None:
    rows = [network("openvino", 1, 1, difference=5e-3), network("torch", 1, 1, difference=5e-3, precision="fp16")]
    assert [v.met for v in verdicts({"engines": rows}) if "PyTorch fp32" in v.target] == [False, True]
