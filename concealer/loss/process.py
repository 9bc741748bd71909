"""When packets are lost: independent losses and the Gilbert-Elliott model."""

from __future__ import annotations

import numpy as np


class LossProcess:
    """A seeded sequence of decisions; each call says whether the next packet is lost.

    With `burst` None losses are independent. Otherwise they follow the Gilbert model (Gilbert 1960; the case
    of Elliott 1963 with no loss in the good state and certain loss in the bad): runs of losses have the mean
    length `burst`, and the long-run share of lost packets is `rate`.
    """

    def __init__(self, rate: float, burst: float | None, rng: np.random.Generator) -> None:
        """Raises ValueError unless 0 <= rate <= 1, burst >= 1, and rate <= burst / (burst + 1)."""
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"loss rate must be within 0..1, got {rate}")
        if burst is not None:
            if not burst >= 1.0:
                raise ValueError(f"mean burst length must be at least 1, got {burst}")
            if rate > burst / (burst + 1.0):
                raise ValueError(
                    f"bursts of mean length {burst:g} cannot make up a share of {rate:g}: "
                    f"at most {burst / (burst + 1.0):.3g}"
                )
        self._rng = rng
        self._to_good = 1.0 - rate if burst is None else 1.0 / burst
        self._to_bad = rate if burst is None else rate / ((1.0 - rate) * burst)
        self._bad = bool(rng.random() < rate)

    def __call__(self) -> bool:
        lost = self._bad
        draw = self._rng.random()
        self._bad = bool(draw >= self._to_good) if lost else bool(draw < self._to_bad)
        return lost
