"""Choosing between the candidates of a hole by a network that remembers: the grouped prior for natural video.

The network is handed over, as that of `generative` is. It corrects what the received rim and the references let expect
of each candidate, on a grid of cells; where it corrects nothing, the mix is what it is without it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair.blend import SHARPNESS
from concealer.repair.cells import cell_size
from concealer.repair.figures import (
    AROUND,
    FIGURES,
    FRESHNESS,
    MOST,
    ChoiceInputs,
    Question,
    choice_inputs,
    freshness,
)
from concealer.repair.generative import Network
from concealer.repair.own import total_log_weight
from concealer.repair.site import Site
from concealer.repair.tiles import Tile, tiles

log = logging.getLogger(__name__)

REACH = 3
"""Cells around a cell on which the network's answer hangs: tiles overlap by as much on each side."""
CAUTION = np.float32(0.5)
"""Part of the network's corrections that is taken where the place of the damage is a guess, or nothing of the picture
was received. There 97 damaged streams of held-out clips gain no more with all of them (0.11 dB of hole PSNR; 0.12 with
seven tenths, 0.07 with a third), but eight lose more than 0.3 dB with all, four with seven tenths, one with a third.
Elsewhere all are taken: 0.31 dB instead of 0.26 with seven tenths over 81 streams, none of which loses 0.3."""
_MOST_STEPS = 8
"""Steps of order that memory is carried along the motion at once."""


@dataclass(frozen=True)
class Chosen:
    """What candidates are held to err by."""

    errors: Array
    """(n, h, w) float32 on the error grid, logarithms."""
    own_odds: Array | None = None
    """(h, w): what is added to the logarithm of the odds of the decoder's own concealment; see `join_own`."""


class Choice(Protocol):
    """Corrects what candidates are expected to err by."""

    @property
    def works(self) -> bool:
        """Whether it is worth asking."""

    def corrected(self, asked: Question) -> Chosen:
        """In place of `asked.expected.errors`."""

    def forget(self) -> None:
        """Another scene begins."""


class LearntChoice:
    """Runs one network over the holes of a stream's pictures, in decode order. Of its own for each stream.

    networks: the same one for tiles of several sizes; that is taken which has least to do. Inputs "figures" (9, 29, R,
    C), "around" (16, R, C), "present" (9,), "inside" (1, R, C), states "hidden" and "cell" (H, R, C); output
    "correction" (9, R, C). Raises ValueError for others.
    """

    def __init__(self, *networks: Network) -> None:
        if not networks:
            raise ValueError("choosing needs a network")
        self._networks = {_tile(network): network for network in networks}
        hidden = {port.shape[0] for network in networks for port in network.inputs if port.name == "state_hidden"}
        if len(hidden) > 1:
            raise ValueError(f"networks of one state are needed, theirs have {hidden}")
        self._memory = _Memory(hidden.pop())
        self._failed = False

    @property
    def works(self) -> bool:
        """False once the network has failed."""
        return not self._failed

    def forget(self) -> None:
        """Another scene begins: nothing that was seen before helps any more."""
        self._memory.forget()

    def corrected(self, asked: Question) -> Chosen:
        """As `Choice.corrected`. A network that fails is not asked again."""
        site, expected = asked.site, asked.expected
        if len(asked.candidates) < 2 or _blind(site, asked.references, asked.ahead):
            return Chosen(expected.errors)
        told = choice_inputs(asked)
        try:
            correction = self._run(site, told)
        except Exception as error:  # backends raise whatever they like, and the stream must go on
            log.warning("choosing goes on without its network: %s", error)
            self._failed = True
            return Chosen(expected.errors)
        rows, cols = expected.errors.shape[1:]
        cell = cell_size(site.picture)
        size = correction.shape[2] * cell // site.step, correction.shape[1] * cell // site.step
        way = cv2.INTER_AREA if site.step > cell else cv2.INTER_LINEAR
        part = np.float32(1.0) if site.belief is None and site.rim_rows else CAUTION
        spread = part * np.stack([cv2.resize(one, size, interpolation=way)[:rows, :cols] for one in correction])
        errors = expected.errors.copy()
        moving = spread if asked.own is None else spread[:-1]
        errors[: len(moving)] += moving
        if asked.own is None:
            return Chosen(errors)
        # Its weight is one among those of the others, which have changed too.
        gone = total_log_weight(expected.errors) - total_log_weight(errors)
        return Chosen(errors, gone - np.float32(SHARPNESS) * spread[-1])

    def _run(self, site: Site, told: ChoiceInputs) -> Array:
        """(n, rows, cols) corrections; the memory goes on."""
        count, _, rows, cols = told.figures.shape
        cell = cell_size(site.picture)
        place = (site.region.top + site.window.top) // cell, (site.region.left + site.window.left) // cell
        size = -(-site.picture.height // cell), -(-site.picture.width // cell)
        order = site.now.order
        state, fresh = self._memory.at(place, told.motion, order, size)
        told.around[FRESHNESS] = fresh
        cuts = {size: tiles(rows, cols, *size, REACH) for size in self._networks}
        tile, cut = min(cuts.items(), key=lambda one: one[0][0] * one[0][1] * len(one[1]))
        made = self._networks[tile].run(_batch(told, state, cut, tile))
        correction = np.empty((count, rows, cols), np.float32)
        for index, part in enumerate(cut):
            correction[:, *part.kept] = made["correction"][index, :count, *part.kept_inside]
            for which, name in enumerate(("next_state_hidden", "next_state_cell")):
                state[which][:, *part.kept] = made[name][index, :, *part.kept_inside]
        if not np.isfinite(correction).all():
            raise ValueError("its corrections are not finite")
        self._memory.put(place, state, order)
        return correction


def _blind(site: Site, references: Sequence[Picture], ahead: bool) -> bool:
    """Whether nothing was received of the picture, nor of what comes after it. What the network holds of candidates
    there does harm in the closed loop: 0.06 dB of hole PSNR in H.264, 0.01 in HEVC, 0.44 on the worst of ten held-out
    clips. Between pictures on both sides it gains 0.41 and 0.03 dB."""
    one_sided = len({reference.order > site.now.order for reference in references}) < 2
    return not site.rim_rows and one_sided and not ahead


def _tile(network: Network) -> tuple[int, int]:
    """Rows and columns of its tiles."""
    ports = {port.name: tuple(port.shape) for port in network.inputs}
    tile = ports.get("inside", (1, 0, 0))[1:]
    hidden = ports.get("state_hidden", (0,))[0]
    wanted = {
        "figures": (MOST, FIGURES, *tile),
        "around": (AROUND, *tile),
        "present": (MOST,),
        "inside": (1, *tile),
        "state_hidden": (hidden, *tile),
        "state_cell": (hidden, *tile),
    }
    if ports != wanted or min(tile) <= 2 * REACH:
        raise ValueError(f"a network that chooses between candidates needs {wanted}; its inputs are {ports}")
    return int(tile[0]), int(tile[1])


def _batch(told: ChoiceInputs, state: Array, cut: Sequence[Tile], tile: tuple[int, int]) -> Mapping[str, Array]:
    count, (height, width) = len(told.figures), tile
    hidden = state.shape[1]
    batch = {
        "figures": np.zeros((len(cut), MOST, FIGURES, height, width), np.float32),
        "around": np.zeros((len(cut), AROUND, height, width), np.float32),
        "present": np.zeros((len(cut), MOST), np.float32),
        "inside": np.zeros((len(cut), 1, height, width), np.float32),
        "state_hidden": np.zeros((len(cut), hidden, height, width), np.float32),
        "state_cell": np.zeros((len(cut), hidden, height, width), np.float32),
    }
    batch["present"][:, :count] = 1.0
    for index, one in enumerate(cut):
        batch["figures"][index, :count, :, *one.filled] = told.figures[:, :, *one.taken]
        batch["around"][index, :, *one.filled] = told.around[:, *one.taken]
        batch["inside"][index, :, *one.filled] = 1.0
        batch["state_hidden"][index, :, *one.filled] = state[0][:, *one.taken]
        batch["state_cell"][index, :, *one.filled] = state[1][:, *one.taken]
    return batch


class _Memory:
    """The network's state on the grid of the whole picture."""

    def __init__(self, hidden: int) -> None:
        self._hidden = hidden
        self._parts = [(first, min(first + 4, 2 * hidden)) for first in range(0, 2 * hidden, 4)]
        self._state: list[Array] | None = None
        """(rows, cols, up to 4) each, 2 * hidden in all: OpenCV reads up to four channels at once."""
        self._seen: Array | None = None
        """(rows, cols) float32: order at which a cell was last told of, NaN for never."""
        self._order = 0

    def forget(self) -> None:
        self._state = self._seen = None

    def at(self, place: tuple[int, int], motion: Array, order: int, size: tuple[int, int]) -> tuple[Array, Array]:
        """(2, hidden, rows, cols) of the window at `place`, carried along the motion, and how fresh it is."""
        top, left = place
        rows, cols = motion.shape[1:]
        if self._state is None or self._seen is None or self._seen.shape != size:
            self._state = [np.zeros((*size, last - first), np.float32) for first, last in self._parts]
            self._seen = np.full(size, np.nan, np.float32)
            self._order = order
        steps = np.float32(np.clip(order - self._order, -_MOST_STEPS, _MOST_STEPS))
        xs = np.arange(left, left + cols, dtype=np.float32) + motion[0] * steps
        ys = np.arange(top, top + rows, dtype=np.float32)[:, None] + motion[1] * steps
        read = [
            cv2.remap(part, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0.0, 0.0, 0.0, 0.0))
            for part in self._state
        ]
        state = cv2.merge(read).reshape(rows, cols, 2 * self._hidden)
        parts = np.ascontiguousarray(state.transpose(2, 0, 1)).reshape(2, self._hidden, rows, cols)
        return parts, freshness(order, self._seen[top : top + rows, left : left + cols])

    def put(self, place: tuple[int, int], state: Array, order: int) -> None:
        """Take in the new state of the window at `place`."""
        assert self._state is not None and self._seen is not None
        top, left = place
        rows, cols = state.shape[2:]
        window = slice(top, top + rows), slice(left, left + cols)
        new = state.reshape(-1, rows, cols).transpose(1, 2, 0)
        for part, (first, last) in zip(self._state, self._parts, strict=True):
            part[window] = new[..., first:last]
        self._seen[window] = order
        self._order = order
