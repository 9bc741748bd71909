"""Talking heads, a hole of its own in every picture."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from concealer import face_map
from train import measures
from train.data.batches import damage
from train.data.masks import random_rectangle
from train.evaluation.catalogue import KINDS_OF_HOLES
from train.evaluation.workbench import CLIP_PICTURES, Workbench
from train.iterative import overlay
from train.systems import System

_SEARCH_PICTURES, _SEARCH_CLIPS = 6, 4
"""Pictures and clips that systems that search take."""


def measure_video(bench: Workbench, searches: bool) -> None:
    for kind in KINDS_OF_HOLES:
        for key, system in bench.systems(searches):
            lengths = _lengths(bench, system)
            bench.measure(f"video-{key}-{kind}", key, sum(lengths), partial(_video, bench, system, kind, lengths))


def _lengths(bench: Workbench, system: System) -> list[int]:
    """Pictures of each clip."""
    lengths = [min(CLIP_PICTURES, len(clip)) for clip in bench.clips.clips]
    return [min(n, _SEARCH_PICTURES) for n in lengths[:_SEARCH_CLIPS]] if system.searches else lengths


def _video(bench: Workbench, system: System, kind: str, lengths: list[int]) -> dict[str, Any]:
    """Holes are rectangles of 0.35 to 0.5 of the side, or a codec's."""
    maker = bench.codec if kind == "codec" else random_rectangle
    squared, samples = 0.0, 0.0
    errors, flicker, alike = [], [], []
    for number, length in enumerate(lengths):
        batch = bench.clips.take(bench.clips.clips[number][:length])
        masks = bench.masks(maker, length, number)
        damaged = damage(batch.images, masks)
        maps = bench.structure.sequence_maps(damaged, masks)
        generated = system.generate_sequence(damaged, masks, maps)
        repaired = overlay(generated, damaged, masks).clamp(-1, 1)
        squared += float(((repaired - batch.images).square() * masks).sum())
        samples += float(masks.sum()) * 3
        planes = masks[:, 0].cpu().numpy() > 0.5
        flicker.append(measures.temporal_error(measures.to_bytes(repaired), measures.to_bytes(batch.images), planes))
        found = bench.structure.landmarks(repaired, masks * 0, refine=False)
        errors.append(face_map.relative_error(found.cpu().numpy(), batch.landmarks.numpy()).mean())
        alike.append(round(float(measures.ssim(repaired, batch.images, masks).mean()), 4))
    return {
        "hole PSNR": round(float(10 * np.log10(4 * samples / squared)), 3),
        "hole SSIM": round(float(np.mean(alike)), 4),
        "temporal error": round(float(np.mean(flicker)), 2),
        "landmark error": round(float(np.mean(errors)), 4),
        "per clip temporal error": [round(value, 2) for value in flicker],
    }
