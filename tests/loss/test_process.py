from itertools import groupby

import numpy as np
import pytest

from concealer.loss import LossProcess


def _draws(rate: float, burst: float | None, count: int = 60_000) -> list[bool]:
    process = LossProcess(rate, burst, np.random.default_rng(5))
    return [process() for _ in range(count)]


@pytest.mark.parametrize("rate", [0.005, 0.03, 0.2])
@pytest.mark.parametrize("burst", [None, 1, 3, 8])
def test_share_of_losses_is_the_rate(rate: float, burst: float | None) -> None:
    # Losses come in about count * rate / burst clumps: five standard deviations of that.
    spread = 5 * rate * np.sqrt((burst or 1) * 2 / (60_000 * rate))
    assert abs(np.mean(_draws(rate, burst)) - rate) < spread


@pytest.mark.parametrize("burst", [1, 3, 8])
def test_mean_run_is_the_burst(burst: float) -> None:
    runs = [sum(1 for _ in run) for lost, run in groupby(_draws(0.1, burst)) if lost]
    assert np.mean(runs) == pytest.approx(burst, rel=0.1)
    if burst == 1:
        assert max(runs) == 1


def test_independent_losses_have_no_memory() -> None:
    draws = np.array(_draws(0.3, None))
    after_loss, after_none = draws[1:][draws[:-1]].mean(), draws[1:][~draws[:-1]].mean()
    assert after_loss == pytest.approx(0.3, abs=0.02)
    assert after_none == pytest.approx(0.3, abs=0.02)


def test_extremes() -> None:
    assert not any(_draws(0.0, None, 1000)) and not any(_draws(0.0, 4, 1000))
    assert all(_draws(1.0, None, 1000))


@pytest.mark.parametrize(("rate", "burst"), [(-0.1, None), (1.1, None), (float("nan"), None), (0.1, 0.5), (0.8, 3.0)])
def test_impossible_parameters_are_refused(rate: float, burst: float | None) -> None:
    with pytest.raises(ValueError):
        LossProcess(rate, burst, np.random.default_rng(0))
