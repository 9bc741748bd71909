"""Which repair is tried, which is kept."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

import cv2
import numpy as np

from concealer.damage import BLOCK, DamageMap
from concealer.flow import Array
from concealer.outcome import Blocks, RepairOutcome, Vectors
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair.activity import activity
from concealer.repair.blend import expected_errors, expected_square, mix, soft_weights
from concealer.repair.candidates import Candidate, from_both, from_past, warp
from concealer.repair.choice import Choice, Chosen
from concealer.repair.deadline import Budget, CostModel, Level, SideCost
from concealer.repair.figures import Question
from concealer.repair.future import doubt_what_next_refutes, flows_ahead
from concealer.repair.generative import GenerativeRepair
from concealer.repair.measured_motion import measured_motion
from concealer.repair.memory import keep_freed_memory
from concealer.repair.motion_field import COARSE_WIDTH
from concealer.repair.own import join_own
from concealer.repair.parallel import both
from concealer.repair.regions import regions
from concealer.repair.scene import OTHER_SCENE, unexplained
from concealer.repair.seam import close_seam
from concealer.repair.site import UNMEASURED_ERROR, Layer, Site
from concealer.repair.spatial import fill_spatially, spatial_misfit, weighted_misfit
from concealer.repair.woven import by_parity, from_as_far, from_sister, is_combed, repair_woven, rim_error

log = logging.getLogger(__name__)

Method = Literal["auto", "motion", "generative", "spatial", "copy"]
METHODS: tuple[Method, ...] = get_args(Method)
MOTION_METHODS: tuple[Method, ...] = ("auto", "motion", "generative")
"""Those that move what they take from other pictures."""

THREADS = 1
"""OpenCV threads. Its own threading gains nothing on images this small, and dense inverse search cuts its work by the
number of threads, so results would change with it."""

_REPEATS = 0.3
"""From which odds on a lost picture is taken for a repetition. Where it is one, anything else spoils it and all that is
predicted from it; where it is none, the picture before is what decoders show anyway, and motion gains little."""
GOOD_FIT = 4.0
"""Mean absolute luma difference on the rim (8-bit scale) up to which motion is kept without a second look."""

SAME_SCENE_MISFIT, OTHER_SCENE_MISFIT = 0.75, 0.6
"""Rim error of motion, in units of a spatial fill's, from which the references are held to show another scene.
Within a scene it was at most 0.44 over 270 damaged pictures, at 22 scene cuts at least 0.99 (median 2.2)."""


class Repairer:
    """Paints the lost and broken blocks of one picture after the other, in place.

    method: "auto" decides by measured fit; "motion" never judges references unfit, "copy" takes the nearest
    reference as it is, "spatial" uses none, "generative" takes what the network makes wherever it can. Without any
    reference all others fill spatially. deadline_ms: time one picture may take, or one access unit where `begin` tells
    of its arrival; the richest way expected to fit is taken. None: always the richest, and results do not depend on
    the machine's speed. generative: the network that "auto" uses where it fits better, within the time that is left;
    None: none. choice: corrects what the candidates of "auto" are expected to err by, within the time that is left.

    Sets OpenCV's thread count to `THREADS` for the process, and has it keep freed memory. Raises ValueError for an
    unknown method or a deadline that is not positive.
    """

    def __init__(
        self,
        method: Method = "auto",
        deadline_ms: float | None = None,
        generative: GenerativeRepair | None = None,
        choice: Choice | None = None,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if method == "generative" and generative is None:
            raise ValueError("method generative needs a network")
        if deadline_ms is not None and not deadline_ms > 0:
            raise ValueError(f"deadline must be positive, got {deadline_ms} ms")
        self.method: Method = method
        """May be set between two pictures; "generative" is "auto" as long as there is no network."""
        self._budget = Budget(deadline_ms)
        self._costs = CostModel()
        self.generative = generative
        """May be given later, between two pictures."""
        self.choice = choice
        """May be given later, between two pictures."""
        self._choosing = SideCost()
        self._aside_ms = 0.0
        """Time that networks took in this picture: they have cost models of their own."""
        keep_freed_memory()

    def begin(self, deadline_ms: float | None) -> None:
        """An access unit arrives; decoding it and all repairs it brings are to take `deadline_ms`; None: any time."""
        self._budget.begin(deadline_ms)

    def beside(self) -> Repairer:
        """A repairer for a second decoder of the same stream: alike, but without the network, which remembers."""
        return Repairer("auto" if self.method == "generative" else self.method, self._budget.deadline_ms)

    def measure(
        self, picture: Picture, hole: Blocks, reference: Picture, received: Vectors, known: Blocks
    ) -> Vectors | None:
        """Motion of the blocks just repaired (`measured_motion`); None for a method that does not move anything, and
        where it would take too much of the time of the access unit that waits for it, the next one."""
        if self.method not in MOTION_METHODS:
            return None
        samples = int(np.count_nonzero(hole)) * BLOCK * BLOCK
        if not self._budget.allows_measuring(samples):
            return None
        began = time.perf_counter()
        vectors = measured_motion(picture, hole, reference, received, known)
        self._budget.measured(samples, (time.perf_counter() - began) * 1e3)
        return vectors

    def measure_coarsely(
        self, picture: Picture, hole: Blocks, reference: Picture, received: Vectors, known: Blocks
    ) -> Vectors | None:
        """As `measure`, of large pictures at half the resolution: for a scout, whose pictures nobody sees."""
        if self.method not in MOTION_METHODS:
            return None
        if picture.width <= COARSE_WIDTH:
            return self.measure(picture, hole, reference, received, known)
        if not self._budget.allows_measuring(int(np.count_nonzero(hole)) * BLOCK * BLOCK // 4):
            return None
        return measured_motion(picture, hole, reference, received, known, coarse=True)

    def measure_anyway(
        self, picture: Picture, hole: Blocks, reference: Picture, received: Vectors, known: Blocks
    ) -> Vectors | None:
        """As `measure`, coarsely where it would take too much time: for slices that need motion to be written with."""
        if self.method not in MOTION_METHODS:
            return None
        samples = int(np.count_nonzero(hole)) * BLOCK * BLOCK
        coarse = not self._budget.allows_measuring(samples)
        began = time.perf_counter()
        vectors = measured_motion(picture, hole, reference, received, known, coarse)
        if not coarse:
            self._budget.measured(samples, (time.perf_counter() - began) * 1e3)
        return vectors

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None
    ) -> RepairOutcome:
        """Paint the hole of `picture` in place; every sample outside `damage.hole_pixels` stays as it is.

        references: already decoded and repaired pictures in any order, past and future told apart by `order`;
        those of another size or format are ignored. outlook: what follows, where it was looked at.

        Raises ValueError if the damage map or the chroma planes are not of the picture's size.
        """
        started = time.perf_counter()
        _check(picture, damage)
        if damage.any_hole and self._is_woven(picture, damage, references):
            alike = [r for r in references if _same_format(r, picture)]
            return repair_woven(self, picture, damage, alike, quick=self._budget.left() is not None)
        blocks = int(np.count_nonzero(damage.hole))
        if not blocks:
            return RepairOutcome("none", (time.perf_counter() - started) * 1e3, 0)
        if cv2.getNumThreads() != THREADS:
            cv2.setNumThreads(THREADS)
        samples = int(np.count_nonzero(damage.hole_pixels()))
        usable = [r for r in references if r.order != picture.order and _same_format(r, picture)]
        usable, others = by_parity(usable, picture)
        places = regions(damage.hole, picture.width, picture.height)
        areas = [region.area for region in places]
        two_sided = len({r.order > picture.order for r in usable}) == 2
        left = self._budget.left()
        level = self._costs.choose(areas, two_sided, left)
        painted: Counter[str] = Counter()
        detail: Counter[str] = Counter()
        self._aside_ms = 0.0
        ends = None if left is None else started + left / 1e3
        error = np.zeros(damage.state.shape, np.float32)
        for index, region in enumerate(places):
            site = Site(picture, damage, region, coarse=level == "light")
            share = float(np.count_nonzero(site.window_hole)) / samples
            later = self._costs.expected(level, areas[index + 1 :], two_sided) / 1e3
            until = None if ends is None else ends - later
            method, notes = self._paint(site, usable, level, until, outlook, others)
            np.maximum(error[site.rows, site.cols], site.error, out=error[site.rows, site.cols])
            painted[method] += share  # type: ignore[assignment]
            for name, value in notes.items():
                detail[name] += value * share  # type: ignore[assignment]
        spent = (time.perf_counter() - started) * 1e3
        self._costs.learn(level, areas, two_sided, spent - self._aside_ms)
        notes = {f"share_{name}": float(share) for name, share in painted.items()} | dict(detail)
        best = max(painted, key=lambda name: painted[name])
        log.debug("repaired %d blocks by %s (%s) in %.1f ms", blocks, best, level, spent)
        return RepairOutcome(best, spent, blocks, notes, error, activity(picture, damage.hole, usable))

    @staticmethod
    def _is_woven(picture: Picture, damage: DamageMap, references: Sequence[Picture]) -> bool:
        """Whether the rows of a frame are likely to show two moments in turns."""
        if picture.field_orders is None or picture.parity is not None or picture.height % (2 * BLOCK):
            return False
        return is_combed([one for one in references if _same_format(one, picture)][-2:], damage)

    @property
    def _method(self) -> Method:
        return "auto" if self.method == "generative" and self.generative is None else self.method

    def _paint(
        self,
        site: Site,
        references: list[Picture],
        level: Level,
        until: float | None,
        outlook: Outlook | None,
        others: Sequence[Picture] = (),
    ) -> tuple[str, dict[str, float]]:
        """Repair one region; returns the method that was kept and its figures. until: clock time the network has.
        others: fields of the other parity."""
        if not references and site.picture.concealed and self._method != "spatial" and site.picture.kind in ("P", "B"):
            # The decoder predicted this picture from references that were not handed to us.
            return "decoder", {}
        if not references or self._method == "spatial":
            return self._paint_without_motion(site, references, until, {})
        nearest = min(references, key=lambda r: (abs(r.order - site.now.order), r.order))
        repeats = site.picture.repeats >= _REPEATS and nearest.order < site.picture.order
        if self._method == "copy" or level == "copy" or (repeats and self._method == "auto"):
            plain = warp(site, site.layer(nearest), None, "copy")
            site.write(plain.luma, plain.chroma, UNMEASURED_ERROR)  # nothing tells how it errs
            return "copy", {}
        # A hole of 1280 x 80 costs about 20 ms on two cores: 6 flow, 5 warps, 4 expected errors, 2 each the site, the
        # mix, the seam and the decoder's own. With references on both sides half as much again.
        asks = level == "full" and self._has_time_to_choose(site, until)
        proposals = self.propose(site, references, light=level == "light", outlook=outlook)
        proposals += from_sister(site, references, others)
        expected = expected_errors(site, proposals)
        own = self._own(site, outlook)
        chosen = Chosen(expected.errors)
        if asks:
            chosen = self._chosen(Question(site, proposals, expected, references, own, ahead=outlook is not None))
        weights = soft_weights(chosen.errors)
        luma, chroma = mix(site, proposals, weights)
        notes = {f"weight_{c.name}": float(w.mean()) for c, w in zip(proposals, weights, strict=True)}
        notes["rim_error"] = float(expected.seen.min())
        if self._method in ("auto", "generative") and self._misfits(site, luma, references, notes):
            return self._paint_without_motion(site, references, until, notes)
        notes["mix_error"] = rim_error(site, luma)
        close_seam(site, luma)
        if own is not None:
            luma, chroma = join_own(site, luma, chroma, own, chosen.own_odds)
        method = "motion"
        if self._method == "generative" or notes["rim_error"] > GOOD_FIT:
            luma, chroma, method = self._generate(site, luma, chroma, references, until, notes, method)
        site.write(luma, chroma, expected_square(expected.errors, weights))
        return method, notes

    def _has_time_to_choose(self, site: Site, until: float | None) -> bool:
        """Whether there is a network that chooses between candidates, and the time to ask it."""
        if self._method != "auto" or self.choice is None or not self.choice.works or site.picture.parity is not None:
            return False
        area = site.region.area
        ahead = self._costs.expected("full", [area], False)
        return until is None or self._choosing.fits(area, (until - time.perf_counter()) * 1e3 - ahead)

    def _chosen(self, asked: Question) -> Chosen:
        """What the network holds of the candidates; its time counts apart."""
        assert self.choice is not None
        began = time.perf_counter()
        chosen = self.choice.corrected(asked)
        spent = (time.perf_counter() - began) * 1e3
        self._choosing.learn(asked.site.region.area, spent)
        self._aside_ms += spent
        return chosen

    def _own(self, site: Site, outlook: Outlook | None) -> Layer | None:
        """The decoder's own concealment of the hole, where there is any that helps."""
        if self._method != "auto":
            return None
        if site.picture.concealed:
            return site.now
        if outlook is not None and not outlook.inherited and site.picture.kind in "PB":
            return site.layer(outlook.now)
        return None

    def propose(
        self, site: Site, references: list[Picture], *, light: bool, outlook: Outlook | None = None
    ) -> list[Candidate]:
        """Temporal candidates for one region; a place to look at them or to add others."""
        return propose(site, references, light=light, outlook=outlook)

    def _paint_without_motion(
        self, site: Site, references: list[Picture], until: float | None, notes: dict[str, float]
    ) -> tuple[str, dict[str, float]]:
        """Repair one region from its own picture, where no reference shows its scene."""
        if self.generative is not None:
            self.generative.forget()
        if self.choice is not None:
            self.choice.forget()
        luma, chroma = fill_spatially(site)
        luma, chroma, method = self._generate(site, luma, chroma, references, until, notes, "spatial")
        site.write(luma, chroma)
        return method, notes

    def _generate(
        self,
        site: Site,
        luma: Array,
        chroma: Array | None,
        references: list[Picture],
        until: float | None,
        notes: dict[str, float],
        method: str,
    ) -> tuple[Array, Array | None, str]:
        """Take in the network's proposal beside that of `method`; the method that painted most of the hole."""
        if self.generative is None or self._method not in ("auto", "generative") or site.picture.parity is not None:
            return luma, chroma, method
        began = time.perf_counter()
        allowed = None if until is None else (until - began) * 1e3
        forced = self._method == "generative"
        made = self.generative.propose(site, luma, chroma, references, allowed, beside=None if forced else method)
        self._aside_ms += (time.perf_counter() - began) * 1e3
        notes.update(made.notes)
        share = made.notes.get("share_of_network", 0.0)
        return made.luma, made.chroma, "generative" if share > 0.5 else method

    def _misfits(self, site: Site, luma: Array, references: list[Picture], notes: dict[str, float]) -> bool:
        """Whether the references show another scene than the received surroundings."""
        if notes["rim_error"] <= GOOD_FIT:
            return False
        spatial, weight = spatial_misfit(site)
        motion = weighted_misfit(luma, site, weight)
        notes["misfit"] = motion / max(spatial, 1.0)
        known = any(r.scene == site.picture.scene for r in references)
        if notes["misfit"] <= (SAME_SCENE_MISFIT if known else OTHER_SCENE_MISFIT):
            return False
        # The rim is narrow and may be wrong itself, and a large hole loses much by a spatial fill of the same scene.
        notes["unexplained"] = min(unexplained(site, site.layer(one)) for one in nearest(site, references))
        return notes["unexplained"] > OTHER_SCENE


def nearest(site: Site, references: list[Picture]) -> list[Picture]:
    """The nearest reference on each side in time."""
    sides = ([r for r in references if (r.order < site.now.order) == past] for past in (True, False))
    return [min(side, key=lambda r: abs(r.order - site.now.order)) for side in sides if side]


def propose(site: Site, references: list[Picture], *, light: bool, outlook: Outlook | None = None) -> list[Candidate]:
    """Temporal candidates from the nearest references, on both sides in time if there are any."""
    past = sorted((r for r in references if r.order < site.now.order), key=lambda r: -r.order)
    future = sorted((r for r in references if r.order > site.now.order), key=lambda r: r.order)
    if past and future:
        return from_both(site, *both(lambda: site.layer(past[0]), lambda: site.layer(future[0])), light)
    near = past or future
    last, older = both(lambda: site.layer(near[0]), lambda: site.layer(near[1]) if len(near) > 1 else None)
    oldest = near[2] if len(near) > 2 and not site.flow_trusted and not light else None
    if outlook is None or light or future:
        further = [] if light or future else from_as_far(site, last, near)
        return from_past(site, last, older, light, oldest=oldest) + further
    candidates = from_past(site, last, older, light, flows_ahead(site, last, outlook), oldest)
    doubt_what_next_refutes(site, candidates)
    return candidates


def _check(picture: Picture, damage: DamageMap) -> None:
    if (damage.width, damage.height) != (picture.width, picture.height):
        raise ValueError(f"damage map is {damage.width}x{damage.height}, picture {picture.width}x{picture.height}")
    shift_x, shift_y = picture.chroma_shift()
    want = (-(-picture.height >> shift_y), -(-picture.width >> shift_x))
    if any(p.shape != want for p in picture.planes[1:]):
        raise ValueError(f"chroma planes should be {want}, got {[p.shape for p in picture.planes[1:]]}")


def _same_format(reference: Picture, picture: Picture) -> bool:
    return reference.bit_depth == picture.bit_depth and [p.shape for p in reference.planes] == [
        p.shape for p in picture.planes
    ]
