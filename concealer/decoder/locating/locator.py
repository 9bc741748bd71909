"""Where in a slice damage begins, if nobody says: from where on the samples look decoded from wrong bytes.

Each block is judged by a small network (`train.locator`) on figures of its samples; its answer is the logarithm of how
much likelier it looks wrong than right. Once a decoder lost its place it never finds back, so these add up along the
scan to a probability for every place at which it may have happened.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from concealer.bitstream import Codec
from concealer.decoder.locating.evidence import figures_with_past, own_figures
from concealer.picture import Picture

_Layer = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
_MOST = 4.0
"""Most that one block may say, in natural logarithms."""


@dataclass(frozen=True)
class _Network:
    """Layers of weights (outputs, inputs) and biases, rectified between; figures are brought to mean 0 and spread 1."""

    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    layers: tuple[_Layer, ...]

    def __call__(self, figures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(figures, rows, cols) to (rows, cols)."""
        values = (figures.reshape(len(figures), -1).T - self.mean) / self.spread
        for number, (weights, biases) in enumerate(self.layers):
            values = values @ weights.T + biases
            if number < len(self.layers) - 1:
                values = np.maximum(values, 0)
        return np.clip(values[:, 0], -_MOST, _MOST).reshape(figures.shape[1:])


@dataclass(frozen=True)
class Prior:
    """What is known of the place before the samples are looked at."""

    at_once: float
    """Logarithm of how much likelier it is that the decoder noticed at once than that it began one unit before."""
    reach: float
    """Blocks of 16x16 samples over which it becomes less likely by a factor of e that the damage went unnoticed."""
    weight: float
    """Part of what the blocks say that counts: neighbours say the same."""


class Locator:
    """For the pictures of one codec. About 15 ms a picture at 720p."""

    def __init__(self, codec: Codec) -> None:
        self._with_past = _network(codec, "past")
        self._alone = _network(codec, "alone")
        self.prior = _prior(codec)

    def signs(self, picture: Picture, references: Sequence[Picture]) -> npt.NDArray[np.float32]:
        """(rows, cols) on the grid of 16x16 samples: logarithm of how much likelier a block looks wrong than right.

        references: pictures decoded before; those shown before `picture` are compared with it, if there are any.
        """
        alike = [one for one in references if _alike(one, picture) and one.order < picture.order]
        kind = np.array([picture.kind == name for name in "PBI"], np.float32)
        figures = figures_with_past(picture, alike) if alike else own_figures(picture)
        kinds = np.broadcast_to(kind[:, None, None], (3, *figures.shape[1:]))
        network = self._with_past if alike else self._alone
        return network(np.concatenate([figures, kinds]))


def begun_by(
    signs: npt.NDArray[np.float32], blocks_each: int, prior: Prior, *, noticed: bool
) -> npt.NDArray[np.float32]:
    """Probability that the damage has begun at or before each unit of a scan.

    signs: (n,) sums over the blocks of each unit, of which it has `blocks_each`. It is sure that it has begun after n:
    noticed: the decoder gave up there; else a slice ends there that was decoded to another place.
    """
    count = len(signs)
    # Were unit c the first wrong one, all from c on would look wrong and all before right.
    left = np.concatenate([np.cumsum(signs[::-1])[::-1], [0.0]]) * prior.weight
    if noticed:
        left[:-1] -= np.arange(count, 0, -1) * (blocks_each / prior.reach)
        left[-1] += prior.at_once
    chance = np.exp(left - left.max())
    return np.asarray(np.cumsum(chance / chance.sum())[:-1], np.float32)


def _alike(one: Picture, other: Picture) -> bool:
    return one.bit_depth == other.bit_depth and [p.shape for p in one.planes] == [p.shape for p in other.planes]


@functools.cache
def _network(codec: Codec, which: str) -> _Network:
    stored = json.loads((Path(__file__).parent / f"{codec}.json").read_text())[which]
    layers = tuple((np.array(w, np.float32), np.array(b, np.float32)) for w, b in stored["layers"])
    return _Network(np.array(stored["mean"], np.float32), np.array(stored["spread"], np.float32), layers)


@functools.cache
def _prior(codec: Codec) -> Prior:
    return Prior(**json.loads((Path(__file__).parent / f"{codec}.json").read_text())["prior"])
