"""Filling a hole with what a generative network makes of its surroundings, where that fits better than the rest.

The network is handed over: anything with the attributes of `Network`, such as an `engines.Engine`. It is the one-pass
inpainter of Lahiri et al., Prior Guided GAN Based Semantic Inpainting, CVPR 2020, or anything of its form.

How well it fits is measured, not believed: besides the hole, the network is denied the received samples next to it,
and judged by its error there. What competes with it is judged on the same samples.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair.blend import SHARPNESS
from concealer.repair.crops import Square, cut, inside, paste, tile
from concealer.repair.regions import to_grid
from concealer.repair.seam import close_seam
from concealer.repair.site import Site
from concealer.repair.spatial import spatial_misfit, weighted_misfit
from concealer.repair.spread import Spreader
from concealer.repair.tracks import Tracks

log = logging.getLogger(__name__)


DENIED = 8
"""Luma samples around the hole that the network does not see: it is judged on them."""

OVER_MOTION, OVER_SPATIAL = 0.7, 0.85
"""Most error on the denied samples, in units of the competitor's, with which the network is used. Motion has seen
these samples, and being plausible next to a hole is easier than being right inside."""

BESIDE_SPATIAL, FULL_DEPTH = 0.4, 16.0
"""Weight that the network has beside a spatial fill that it does not replace, and how many luma samples inside the hole
it is reached. Next to received samples an interpolation cannot be beaten, farther in both are wrong, in different ways:
their mean errs less than either."""

MOST_BESIDE_SPATIAL, MOST_MISFIT = 2.5, 24.0
"""Error on the denied samples, in units of the spatial fill's and as mean absolute difference (8-bit scale), above
which the network shows something else and has no weight at all."""

ERROR_FLOOR = 1.0
"""Mean absolute difference (8-bit scale) below which errors are noise."""

MOST_ERROR = 255.0
"""Stands for the error of a spatial fill that has nothing to fill from."""

DEVIATIONS = 3.0
"""Mean deviations above the usual time of a call that are reckoned with."""

AROUND_MS = 5.0
"""Cutting, pasting, judging and mixing as expected before it was measured (a hole of 1280 x 80, two cores)."""

FIRST_MS = 20.0
"""Time there must be before the first call, of which nothing is known."""

SLACK = 0.8
"""Part of the time left that a proposal may be expected to take: the rest is for writing it, and for being wrong."""

DRIFT = 0.01
"""Part by which costs are forgotten at each occasion that there was no time for."""

LONGEST_REST = 32
"""Most occasions passed over after the network has failed to fit again and again."""


class Port(Protocol):
    """An input of a network."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


class Network(Protocol):
    """A compiled network. Inputs: "damaged" (3, R, R) RGB in [-1, 1] with 0 in the hole, "mask" (1, R, R) with 1 in the
    hole, "structure" (C, R, R) if it takes one, recurrent states. Output "image" (3, R, R), and the states that
    follow."""

    @property
    def inputs(self) -> Sequence[Port]: ...

    @property
    def states(self) -> Mapping[str, str]:
        """Name of the output that is the next state, by the name of the input."""

    def run(self, batch: Mapping[str, Array], /) -> Mapping[str, Array]:
        """Outputs (n, ...) of inputs (n, ...), by name."""


Locate = Callable[[Picture, Sequence[Picture]], Sequence[Square]]
"""Where the picture shows what the network was trained on (faces, in crops as in training), found in the damaged
picture or its references. None in place of it: wherever there is a hole."""


class Structure(Protocol):
    """What gives the structure of crops, picture after picture."""

    def __call__(
        self, pictures: Array, masks: Array, squares: Sequence[Square], order: int, /
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Structure maps (n, C, R, R) of damaged crops and their masks, and which of them are to be trusted (a face was
        found). squares: where the crops lie in the picture of this output order."""

    def forget(self) -> None:
        """Another scene begins."""


@dataclass
class Filled:
    """What the network proposes for a region's window."""

    luma: Array
    """(h, w) float32, 8-bit scale."""
    chroma: Array | None
    """(h', w', 2) float32."""
    cover: Array
    """(h, w) float32, 0 where the network was not run, 1 well inside the squares it was run on."""
    judged: Array
    """(h, w) float32: weight of the denied samples, received and covered."""


@dataclass
class Proposal:
    """A window of a region, as it is to be written."""

    luma: Array
    chroma: Array | None
    notes: dict[str, float]


class GenerativeRepair:
    """Runs one network over the holes of a stream's pictures, in decode order.

    Raises ValueError if the network's inputs are not those of `Network`, or if it needs a structure and none is given.
    """

    def __init__(self, network: Network, *, locate: Locate | None = None, structure: Structure | None = None) -> None:
        ports = {port.name: tuple(port.shape) for port in network.inputs}
        if ports.get("damaged", ())[:1] != (3,) or ports.get("mask", ())[:1] != (1,):
            raise ValueError(f"a network that repairs needs damaged (3, R, R) and mask (1, R, R); inputs are {ports}")
        if "structure" in ports and structure is None:
            raise ValueError("this network needs a structure of each crop, and nothing gives one")
        self.resolution = ports["damaged"][-1]
        self._network = network
        self._locate, self._structure = locate, structure
        self._wants_structure = "structure" in ports
        self._tracks = Tracks({name: ports[name] for name in network.states})
        self._costs = CallCosts()
        self._failed = False
        self._ran = 0
        """Crops of the proposal being made."""
        self._rests = {kind: Rest() for kind in ("motion", "spatial")}
        self._found: tuple[int, Sequence[Square]] | None = None
        """Squares of the picture of this output order: its regions share them."""

    def forget(self) -> None:
        """Another scene begins: nothing that was seen before helps any more."""
        self._tracks.forget()
        if self._structure is not None:
            self._structure.forget()

    def rehearse(self) -> None:
        """Find out what a crop costs, before the first picture that has a deadline. Raises what the network raises."""
        shapes = {port.name: (1, *port.shape) for port in self._network.inputs}
        for _ in range(3):
            began = time.perf_counter()
            self._network.run({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
            self._costs.learn(1, (time.perf_counter() - began) * 1e3 + AROUND_MS)

    def propose(
        self,
        site: Site,
        luma: Array,
        chroma: Array | None,
        references: Sequence[Picture],
        allowed_ms: float | None,
        beside: str | None,
    ) -> Proposal:
        """The window with the network's picture mixed into that of another method, where it fits better.

        luma (h, w), chroma (h', w', 2): the other method's window, 8-bit scale. beside: "motion" or "spatial", which it
        is; None: the network is taken wherever it runs. allowed_ms: time there is; None: any. What the network does not
        improve stays as it is, bit by bit. The report's figures: "fit_network", its error on the denied samples in
        units of the other's, and "share_of_network", its mean weight in the hole.
        """
        rest = None if beside is None else self._rests[beside]
        if rest is not None and rest.goes_on():
            return Proposal(luma, chroma, {})
        began = time.perf_counter()
        self._ran = 0
        proposal = self._propose(site, luma, chroma, references, allowed_ms, beside)
        if self._ran:
            self._costs.learn(self._ran, (time.perf_counter() - began) * 1e3)
            if rest is not None:
                rest.learn("share_of_network" in proposal.notes)
        return proposal

    def _propose(
        self,
        site: Site,
        luma: Array,
        chroma: Array | None,
        references: Sequence[Picture],
        allowed_ms: float | None,
        beside: str | None,
    ) -> Proposal:
        error = cv2.absdiff(luma, site.window_luma) if beside == "motion" else None
        filled = self._fill(site, references, allowed_ms, error)
        if filled is None:
            return Proposal(luma, chroma, {})
        share, notes = filled.cover, {}
        if beside is not None:
            ours = weighted_misfit(filled.luma, site, filled.judged)
            theirs = weighted_misfit(luma, site, filled.judged) if beside == "motion" else spatial_misfit(site)[0]
            notes["fit_network"] = (ours + ERROR_FLOOR) / (min(theirs, MOST_ERROR) + ERROR_FLOOR)
            if error is not None:
                if notes["fit_network"] > OVER_MOTION:
                    return Proposal(luma, chroma, notes)
                share = self._shares(site, filled, error)
            elif notes["fit_network"] > OVER_SPATIAL:
                if notes["fit_network"] > MOST_BESIDE_SPATIAL or ours > MOST_MISFIT:
                    return Proposal(luma, chroma, notes)
                share = cv2.multiply(filled.cover, _deep(site.window_hole))
        notes["share_of_network"] = float(share[site.window_hole].mean())
        return Proposal(*_mixed(site, luma, chroma, filled, share), notes)

    def _fill(
        self, site: Site, references: Sequence[Picture], allowed_ms: float | None, error: Array | None
    ) -> Filled | None:
        """Run the network on as many squares as there is time for, those with the most to gain first."""
        if self._failed or not self._costs.affordable(1, allowed_ms):
            return None
        judged = _denied(site)
        if not judged.any():
            return None  # nothing was received to see or to judge by
        worth = site.window_hole.astype(np.float32) if error is None else _expected(site, error, judged)
        try:
            squares = [s for s in self._squares(site, references) if (site.window_hole & inside(site, s)).any()]
            squares.sort(key=lambda square: -float(worth[inside(site, square)].sum()))
            squares = squares[: self._costs.affordable(len(squares), allowed_ms)]
            if not squares:
                return None
            pictures, kept = self._run(site, squares, site.window_hole | (judged > 0))
        except Exception as failure:  # whatever engines and locators raise: the stream goes on without them
            log.warning("the generative network failed and is not used any more: %s", failure)
            self._failed = True
            return None
        if not len(kept):
            return None
        luma, chroma, weight = paste(site, [squares[k] for k in kept], pictures[kept])
        cover = np.minimum(weight * np.float32(1.0 / DENIED), 1.0)
        judged = judged * (weight > 0)
        if not judged.any() or not np.isfinite(luma).all():
            return None
        return Filled(luma, chroma, cover, judged)

    def _squares(self, site: Site, references: Sequence[Picture]) -> list[Square]:
        if self._locate is None:
            return tile(site, self.resolution)
        if self._found is None or self._found[0] != site.now.order:
            self._found = site.now.order, self._locate(site.picture, references)
        return list(self._found[1])

    def _run(self, site: Site, squares: list[Square], missing: Array) -> tuple[Array, npt.NDArray[np.intp]]:
        """Pictures (n, 3, R, R) of the squares, and which of them are to be used."""
        damaged, masks = cut(site, squares, missing, self.resolution)
        batch = {"damaged": damaged, "mask": masks} | self._tracks.recall(squares, site.now.order)
        use = np.ones(len(squares), bool)
        if self._wants_structure:
            assert self._structure is not None
            batch["structure"], use = self._structure(damaged, masks, squares, site.now.order)
        self._ran = len(squares)
        made = self._network.run(batch)
        states = {name: made[after] for name, after in self._network.states.items()}
        if states:
            self._tracks.remember(squares, site.now.order, states)
        return np.asarray(made["image"], np.float32), np.flatnonzero(use)

    def _shares(self, site: Site, filled: Filled, error: Array) -> Array:
        """Weight of the network beside motion, (h, w): softmax of their errors on the denied samples, spread."""
        trust = to_grid(filled.judged, site.step)
        spreader = Spreader(trust)
        floor = np.float32(ERROR_FLOOR)
        logs = []
        for one in (cv2.absdiff(filled.luma, site.window_luma), error):
            seen = to_grid(cv2.multiply(one, filled.judged), site.step) / np.maximum(trust, 1e-3)
            logs.append(np.log(spreader.fill(seen) + floor))
        edge = logs[0] - logs[1] - np.float32(np.log(OVER_MOTION))
        share = 1.0 / (1.0 + np.exp(np.clip(edge * np.float32(SHARPNESS), -30, 30)))
        rows, cols = filled.luma.shape
        size = (share.shape[1] * site.step, share.shape[0] * site.step)
        plane = cv2.resize(share.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[:rows, :cols]
        return cv2.multiply(np.ascontiguousarray(plane), filled.cover)


class Rest:
    """Passes over a growing number of occasions while the network is found not to fit, none once it does."""

    def __init__(self) -> None:
        self._length = self._left = 0

    def goes_on(self) -> bool:
        """Whether this occasion is passed over."""
        self._left -= self._left > 0
        return self._left > 0

    def learn(self, fitted: bool) -> None:
        """Take in how the network did when it was tried."""
        self._length = 0 if fitted else min(LONGEST_REST, 2 * self._length + 1)
        self._left = self._length


class CallCosts:
    """What proposals have taken, from cutting to mixing, by number of crops."""

    def __init__(self) -> None:
        self._mean: dict[int, float] = {}
        self._spread: dict[int, float] = {}

    def affordable(self, wanted: int, allowed_ms: float | None) -> int:
        """How many of `wanted` crops can be expected to be done in time; one at most before anything was measured."""
        if allowed_ms is None:
            return wanted
        if not self._mean:
            return min(wanted, 1) if allowed_ms >= FIRST_MS else 0
        left = allowed_ms * SLACK
        fits = next((count for count in range(wanted, 0, -1) if self.expected(count) <= left), 0)
        if wanted and not fits:
            # One slow moment must not bar the network for good.
            for count in self._mean:
                self._mean[count] *= 1.0 - DRIFT
                self._spread[count] *= 1.0 - DRIFT
        return fits

    def expected(self, count: int) -> float:
        """Milliseconds that so many crops will hardly exceed."""
        if count in self._mean:
            return self._mean[count] + DEVIATIONS * self._spread[count]
        nearest = min(self._mean, key=lambda known: abs(known - count))
        one = self._mean[nearest] + DEVIATIONS * self._spread[nearest]
        # More crops cost their share more; fewer may cost as much, on a device that is not full.
        return one * max(1.0, count / nearest)

    def learn(self, count: int, milliseconds: float) -> None:
        """Take in one proposal."""
        if count not in self._mean:
            self._mean[count], self._spread[count] = milliseconds, 0.1 * milliseconds
            return
        off = milliseconds - self._mean[count]
        self._mean[count] += 0.2 * off
        self._spread[count] += 0.2 * (abs(off) - self._spread[count])


def _denied(site: Site) -> Array:
    """(h, w) trust of the received samples within `DENIED` of the hole, 0 elsewhere."""
    side = 2 * DENIED + 1
    grown = cv2.dilate(site.window_hole.view(np.uint8), np.ones((side, side), np.uint8))
    near: Array = cv2.copyTo(site.window_trust, grown)
    return near


def _deep(hole: npt.NDArray[np.bool_]) -> Array:
    """Weight of the network beside a spatial fill, (h, w): 0 at the hole's edge, `BESIDE_SPATIAL` inside."""
    depth = cv2.distanceTransform(hole.view(np.uint8), cv2.DIST_L2, 3)
    return np.minimum(depth * np.float32(1.0 / FULL_DEPTH), 1.0) * np.float32(BESIDE_SPATIAL)


def _expected(site: Site, error: Array, judged: Array) -> Array:
    """Error in the hole as the samples next to it let expect, 0 outside, (h, w)."""
    trust = to_grid(judged, site.step)
    seen = to_grid(cv2.multiply(error, judged), site.step) / np.maximum(trust, 1e-3)
    spread = Spreader(trust).fill(seen)
    rows, cols = error.shape
    size = (spread.shape[1] * site.step, spread.shape[0] * site.step)
    plane = cv2.resize(spread, size, interpolation=cv2.INTER_LINEAR)[:rows, :cols]
    return np.where(site.window_hole, plane, np.float32(0))


def _mixed(site: Site, luma: Array, chroma: Array | None, filled: Filled, share: Array) -> tuple[Array, Array | None]:
    """`share` of the network's window, seam closed first, the rest of the other one."""
    ours = filled.luma.copy()
    close_seam(site, ours)
    luma = luma + share * (ours - luma)
    if chroma is not None and filled.chroma is not None:
        small = cv2.resize(share, (chroma.shape[1], chroma.shape[0]), interpolation=cv2.INTER_AREA)
        chroma = chroma + small[..., None] * (filled.chroma - chroma)
    return luma, chroma
