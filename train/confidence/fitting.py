"""Least squares for the PSNR-Y expected, a logistic regression for whether the promise is kept."""

from __future__ import annotations

import numpy as np

from concealer.decoder.promising import Model, Values
from concealer.outcome import PROMISED, SLACK

_RIDGE = 1e-3
"""Of figures brought to the same spread, in units of the number of pictures."""
_ROUNDS = 30


def fit(figures: Values, psnr: Values) -> Model:
    """The model of (n, figures), the first of which is 1, and (n,) dB."""
    mean, spread = figures.mean(0), figures.std(0) + 1e-6
    mean[0], spread[0] = 0.0, 1.0
    even = (figures - mean) / spread
    ridge = _RIDGE * len(psnr) * np.eye(len(spread))
    ridge[0, 0] = 0.0
    linear = np.linalg.solve(even.T @ even + ridge, even.T @ psnr)
    odds = _logistic(even, (psnr >= PROMISED - SLACK).astype(np.float64), ridge)
    return Model(*(_plain(weights, mean, spread) for weights in (linear, odds)))


def _logistic(figures: Values, kept: Values, ridge: Values) -> Values:
    """By Newton's method."""
    weights = np.zeros(figures.shape[1])
    for _ in range(_ROUNDS):
        said = 1.0 / (1.0 + np.exp(-np.clip(figures @ weights, -30.0, 30.0)))
        slope = figures.T @ (said - kept) + ridge @ weights
        weights = weights - np.linalg.solve((figures * (said * (1.0 - said))[:, None]).T @ figures + ridge, slope)
    return weights


def _plain(weights: Values, mean: Values, spread: Values) -> Values:
    """Weights of the figures as they are."""
    own = weights / spread
    own[0] -= float((own * mean).sum())
    return own
