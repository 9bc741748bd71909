"""From figures of a picture to how probable it is that it is worth what a repair promises: a logistic regression; what
it is worth on the mean, a linear one. `python -m train.confidence` fits both.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from concealer.outcome import Promise

Values = npt.NDArray[np.float64]

FIGURES = (
    "one",
    "error",
    "error squared",
    "change",
    "change squared",
    "error by change",
    "touched",
    "own",
    "age",
    "damages",
    "spatial",
    "copied",
    "rim",
    "hevc",
    "B",
    "hole",
    "doubt",
    "worst",
    "most change",
    "hevc error",
    "hevc change",
    "change now",
    "change so far",
    "texture",
)
"""What is looked at of a picture, in this order; see `Promises`."""
MOST = 0.999
"""Highest confidence of a picture that damage touched."""


@dataclass(frozen=True)
class Model:
    """Fitted figures."""

    psnr: Values
    """Weights of the figures in the PSNR-Y expected, dB."""
    odds: Values
    """Weights of the figures in the logarithm of the odds that the promise is kept."""

    def promise(self, figures: Values) -> Promise:
        """What is promised of a picture with these figures."""
        confidence = 1.0 / (1.0 + math.exp(-min(max(float(self.odds @ figures), -30.0), 30.0)))
        return Promise(min(confidence, MOST), float(self.psnr @ figures), tuple(map(float, figures)))


@cache
def shipped() -> Model:
    """The model that comes with the program."""
    stored = json.loads((Path(__file__).parent / "model.json").read_text())
    if tuple(stored["figures"]) != FIGURES:
        raise ValueError("model.json was fitted on other figures")
    return Model(*(np.array(stored[name], np.float64) for name in ("psnr", "odds")))
