"""Where in a slice damage begins, if nobody says: from where on the samples look decoded from wrong bytes.

Each block is judged by a small network (`train.locator`) on figures of its samples; its answer is the logarithm of how
much likelier it looks wrong than right. Once a decoder lost its place it never finds back, so the scan falls into two
areas, and every place at which it may have happened gets a probability.
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
_MOST_ALIKE = 50
"""Most neighbouring blocks that say together as much as one, however large the picture."""
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
class Habits:
    """What the blocks of right and of wrong areas say on the mean, and what is known before they are looked at.

    Areas differ from picture to picture: however many blocks agree, they only tell that their area is unlike the other.
    """

    right: float
    right_spread: float
    wrong: float
    wrong_spread: float
    """Mean of an area's blocks, and its standard deviation from picture to picture."""
    variance: float
    """Of a block within its area."""
    alike: float
    """Share of a picture's blocks, neighbours, that say together as much as one alone."""
    at_once: float
    """Logarithm of how much likelier it is that the decoder noticed at once than that it began one unit before."""
    reach: float
    """Blocks over which it becomes less likely by a factor of e that the damage went unnoticed."""


class Locator:
    """For the pictures of one codec. About 15 ms a picture at 720p."""

    def __init__(self, codec: Codec) -> None:
        self._with_past = _network(codec, "past")
        self._alone = _network(codec, "alone")
        self.habits = _habits(codec)

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
    signs: npt.NDArray[np.float32], blocks_each: int, picture: int, habits: Habits, *, noticed: bool
) -> npt.NDArray[np.float32]:
    """Probability that the damage has begun at or before each unit of a scan.

    signs: (n,) means over the blocks of each unit, of which it has `blocks_each`. picture: units of a whole one.
    noticed: the decoder gave up after them; else a slice ends there that was decoded to another place. It is sure that
    the damage has begun by then.
    """
    count = len(signs)
    before = np.arange(count + 1)
    sums, squares = (np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)]) for values in (signs, signs**2))
    alike = min(max(habits.alike * picture, 1 / blocks_each), _MOST_ALIKE / blocks_each)
    # Were unit c the first wrong one, all from c on would be an area of wrong blocks and all before one of right ones.
    likely = _area(before, sums, squares, habits.right, habits.right_spread, habits.variance, alike)
    rest = (count - before, sums[-1] - sums, squares[-1] - squares)
    likely += _area(*rest, habits.wrong, habits.wrong_spread, habits.variance, alike)
    if noticed:
        likely -= (count - before) * (blocks_each / habits.reach)
        likely[-1] += habits.at_once
    chance = np.exp(likely - likely.max())
    return np.asarray(np.cumsum(chance / chance.sum())[:-1], np.float32)


def _area(
    count: npt.NDArray[np.intp],
    sums: npt.NDArray[np.float64],
    squares: npt.NDArray[np.float64],
    mean: float,
    spread: float,
    variance: float,
    alike: float,
) -> npt.NDArray[np.float64]:
    """Logarithm of how likely areas of `count` units are whose own mean deviates from `mean` by about `spread`."""
    alone = np.maximum(count / alike, 1e-6)
    own = sums / np.maximum(count, 1)
    scatter = np.maximum(squares - count * own**2, 0.0)
    of_mean = spread**2 + variance / alone
    within = -np.maximum(alone - 1, 0) / 2 * np.log(variance) - scatter / alike / (2 * variance)
    return np.where(count > 0, within - np.log(of_mean) / 2 - (own - mean) ** 2 / (2 * of_mean), 0.0)


def _alike(one: Picture, other: Picture) -> bool:
    return one.bit_depth == other.bit_depth and [p.shape for p in one.planes] == [p.shape for p in other.planes]


@functools.cache
def _network(codec: Codec, which: str) -> _Network:
    stored = json.loads((Path(__file__).parent / f"{codec}.json").read_text())[which]
    layers = tuple((np.array(w, np.float32), np.array(b, np.float32)) for w, b in stored["layers"])
    return _Network(np.array(stored["mean"], np.float32), np.array(stored["spread"], np.float32), layers)


@functools.cache
def _habits(codec: Codec) -> Habits:
    return Habits(**json.loads((Path(__file__).parent / f"{codec}.json").read_text())["habits"])
