"""Where in a slice damage begins, if nobody says: from where on the samples look decoded from wrong bytes.

Each block is judged by a small network (`train.locator`) on figures of its samples and of those around it; its answer
is how much likelier it looks wrong than right. Once a decoder lost its place it never finds back, so the scan falls
into two areas, and every place at which it may have happened gets a probability.
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

_Values = npt.NDArray[np.float32]
_Layer = tuple[_Values, _Values]
"""Weights and biases."""
_MOST = 6.0
"""Most that one block may say."""
_USUAL = 800
"""Blocks of a picture for which `Weighing.scale` is meant."""


@dataclass(frozen=True)
class Weighing:
    """How what the blocks say adds up, in natural logarithms."""

    scale: float
    power: float
    """What one block says counts `scale` times in a picture of 800 blocks, and by this power of their number less in a
    larger one: neighbours say the same, and many of them hardly more than few."""
    at_once: float
    """How much likelier it is that the decoder noticed at once than that it began one unit before."""
    at_end: float
    """How much likelier it is that nothing is wrong in a slice with bytes behind it than that only its last unit is."""
    fading: float
    """How much less likely it becomes with every block that the damage went unnoticed."""


@dataclass(frozen=True)
class _Network:
    """Each block's figures, brought to mean 0 and spread 1, through a layer of their own, then one that sees the eight
    blocks around it and the mean of the picture; rectified between."""

    mean: _Values
    spread: _Values
    own: _Layer
    around: _Layer
    """(outputs, inputs, 3, 3)."""
    whole: _Layer
    answer: _Layer
    weighing: Weighing

    def __call__(self, figures: _Values) -> _Values:
        """(figures, rows, cols) to (rows, cols)."""
        rows, cols = figures.shape[1:]
        values = (figures.reshape(len(figures), -1).T - self.mean) / self.spread
        hidden = np.maximum(values @ self.own[0].T + self.own[1], 0)
        mean = hidden.mean(axis=0) @ self.whole[0].T + self.whole[1]
        padded = np.pad(hidden.reshape(rows, cols, -1), ((1, 1), (1, 1), (0, 0)))
        seen = np.zeros((rows * cols, len(self.around[1])), np.float32)
        for down in range(3):
            for right in range(3):
                there = padded[down : down + rows, right : right + cols].reshape(rows * cols, -1)
                seen += there @ self.around[0][:, :, down, right].T
        hidden = np.maximum(seen + self.around[1] + mean, 0)
        said = hidden @ self.answer[0].T + self.answer[1]
        return np.clip(said[:, 0], -_MOST, _MOST).reshape(rows, cols)


class Signs:
    """What the blocks of one picture say."""

    def __init__(self, network: _Network, figures: _Values) -> None:
        self._network = network
        self._figures = figures
        self.weighing = network.weighing

    def __call__(self, noticed: bool) -> _Values:
        """(rows, cols) on the grid of 16x16 samples: how much likelier a block looks wrong than right.

        noticed: the decoder gave up in the slice that is looked at.
        """
        told = np.full((1, *self._figures.shape[1:]), float(noticed), np.float32)
        return self._network(np.concatenate([self._figures, told]))


class Locator:
    """For the pictures of one codec. About 20 ms a picture at 720p."""

    def __init__(self, codec: Codec) -> None:
        self._codec: Codec = codec

    def signs(self, picture: Picture, references: Sequence[Picture]) -> Signs:
        """references: pictures decoded before; those shown before `picture` are compared with it, if there are any."""
        past = [one for one in references if _alike(one, picture) and one.order < picture.order]
        kind = np.array([picture.kind == name for name in "PBI"], np.float32)
        figures = figures_with_past(picture, past) if past else own_figures(picture)
        kinds = np.broadcast_to(kind[:, None, None], (3, *figures.shape[1:]))
        network = _network(self._codec, "past" if past else "alone")
        return Signs(network, np.concatenate([figures, kinds]))


def begun_by(signs: _Values, blocks: _Values, picture: int, weighing: Weighing, *, noticed: bool) -> _Values:
    """Probability that the damage has begun at or before each unit of a scan.

    signs: (n,) sums over the blocks of each unit, `blocks` (n,) of them. picture: blocks of a whole one. noticed: the
    decoder gave up after them; else a slice ends there that was decoded to another place than its data's end.
    """
    # Were unit c the first wrong one, all from c on would be wrong: (n + 1,), the last one if none of them is.
    likely = _from_each_on(signs) * weighing.scale * (picture / _USUAL) ** -weighing.power
    if noticed:
        likely -= _from_each_on(blocks) * weighing.fading
    likely[-1] += weighing.at_once if noticed else weighing.at_end
    chance = np.exp(likely - likely.max())
    return np.asarray(np.cumsum(chance / chance.sum())[: len(signs)], np.float32)


def _from_each_on(values: _Values) -> npt.NDArray[np.float64]:
    return np.append(np.cumsum(values[::-1], dtype=np.float64)[::-1], 0.0)


def _alike(one: Picture, other: Picture) -> bool:
    return one.bit_depth == other.bit_depth and [p.shape for p in one.planes] == [p.shape for p in other.planes]


def read_network(path: Path, which: str) -> _Network:
    """The network `which` ("past": beside pictures shown before, "alone") of a file that `train.locator` wrote."""
    stored = json.loads(path.read_text())[which]
    weighing = Weighing(**stored.pop("weighing"))
    mean, spread = (np.array(stored.pop(name), np.float32) for name in ("mean", "spread"))
    layers = {name: (np.array(w, np.float32), np.array(b, np.float32)) for name, (w, b) in stored.items()}
    return _Network(mean, spread, **layers, weighing=weighing)


@functools.cache
def _network(codec: Codec, which: str) -> _Network:
    return read_network(Path(__file__).parent / f"{codec}.json", which)
