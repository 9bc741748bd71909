"""Which repair is tried, which is kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

from concealer.damage import DamageMap
from concealer.picture import Picture
from concealer.repair import candidates as temporal
from concealer.repair.blend import expected_errors, mix, soft_weights
from concealer.repair.crop import regions
from concealer.repair.outcome import RepairOutcome
from concealer.repair.site import Site
from concealer.repair.spread import spread

log = logging.getLogger(__name__)

Method = Literal["auto", "motion", "spatial", "copy"]


class Repairer:
    """Paints the lost and broken blocks of one picture after the other, in place.

    method: "auto" decides by measured fit; the others force one way where it is possible (without a usable
    reference every method falls back to "spatial"). deadline_ms: time one picture may take; the richest way
    expected to fit is taken. None: always the richest, and results do not depend on the machine's speed.

    Raises ValueError for an unknown method or a deadline that is not positive.
    """

    def __init__(self, method: Method = "auto", deadline_ms: float | None = None) -> None:
        if method not in ("auto", "motion", "spatial", "copy"):
            raise ValueError(f"method must be auto, motion, spatial or copy, got {method!r}")
        if deadline_ms is not None and not deadline_ms > 0:
            raise ValueError(f"deadline must be positive, got {deadline_ms} ms")
        self.method = method
        self.deadline_ms = deadline_ms

    def __call__(self, picture: Picture, damage: DamageMap, references: Sequence[Picture]) -> RepairOutcome:
        """Paint the hole of `picture` in place; every sample outside `damage.hole_pixels` stays as it is.

        references: already decoded and repaired pictures in any order, past and future told apart by `order`;
        those of another size or format are ignored.

        Raises ValueError if the damage map is not of the picture's size.
        """
        started = time.perf_counter()
        if (damage.width, damage.height) != (picture.width, picture.height):
            raise ValueError(
                f"damage map is {damage.width}x{damage.height}, picture {picture.width}x{picture.height}"
            )
        blocks = int(np.count_nonzero(damage.hole))
        if not blocks:
            return RepairOutcome("none", (time.perf_counter() - started) * 1e3, 0)
        if cv2.getNumThreads() != 2:
            cv2.setNumThreads(2)
        usable = [r for r in references if _same_format(r, picture) and r.order != picture.order]
        past = sorted((r for r in usable if r.order < picture.order), key=lambda r: -r.order)
        future = sorted((r for r in usable if r.order > picture.order), key=lambda r: r.order)
        method = "motion" if usable else "spatial"
        for region in regions(damage.hole, picture.width, picture.height):
            site = Site(picture, damage, region, coarse=False)
            if past and future:
                proposals = temporal.from_both(site, site.layer(past[0]), site.layer(future[0]), False)
            elif usable:
                near = past or future
                older = site.layer(near[1]) if len(near) > 1 else None
                proposals = temporal.from_past(site, site.layer(near[0]), older, False)
            else:
                luma = spread(site.window_luma, site.window_trust)
                chroma = site.now.chroma
                if chroma is not None:
                    part = chroma[site.chroma_window]
                    trust = cv2.resize(site.window_trust, (part.shape[1], part.shape[0]))
                    chroma = spread(part, trust)
                site.write(luma, chroma)
                continue
            errors, _ = expected_errors(site, proposals)
            luma, chroma = mix(site, proposals, soft_weights(errors))
            site.write(luma, chroma)
        return RepairOutcome(method, (time.perf_counter() - started) * 1e3, blocks)


def _same_format(reference: Picture, picture: Picture) -> bool:
    return reference.bit_depth == picture.bit_depth and [p.shape for p in reference.planes] == [
        p.shape for p in picture.planes
    ]
