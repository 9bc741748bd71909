"""Single pictures: how close repairs are to the original under every mask, and to each other."""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from concealer import face_map
from train import measures
from train.data.batches import Batch, damage
from train.data.masks import MASKS
from train.evaluation.catalogue import CONSISTENCY_MASKS, DETAILED, ONE_PASS
from train.evaluation.workbench import Workbench
from train.iterative import overlay, poisson_blend
from train.systems import System

_REPAIRS = 4
"""Repairs per picture for consistency."""
_SEARCHED_REPAIRS = 2
"""Of systems that search: of one pair of repairs as much is expected as of all pairs of four."""


def measure_stills(bench: Workbench, searches: bool) -> None:
    """Every system under every mask, and the baseline."""
    for mask in bench.settings.still_masks:
        for key, system in bench.systems(searches):
            _measure_still(bench, key, system, mask)
        if not searches:
            title, count = f"stills-navier-stokes-none-{mask}", len(bench.stills)
            bench.measure(title, "navier-stokes", count, partial(_still, bench, None, mask, count, "none"))


def _measure_still(bench: Workbench, key: str, system: System, mask: str) -> None:
    """Systems that search are given the map of the clean picture alone, as SG-GAN assumes it."""
    kinds = ("none",) if not system.structured else ("clean",) if system.searches else ("damaged", "clean")
    for maps_from in kinds:
        count = bench.count(system)
        title = f"stills-{key}-{maps_from}-{mask}"
        bench.measure(title, key, count, partial(_still, bench, system, mask, count, maps_from))
        pair = ONE_PASS.get(key)
        if pair in bench.keys:
            title = f"paired-{key}-{mask}"
            bench.measure(title, pair, count, partial(_still, bench, bench.system(pair), mask, count, maps_from))


def _still(bench: Workbench, system: System | None, mask: str, count: int, maps_from: str) -> dict[str, Any]:
    batch = bench.take(count)
    masks = bench.masks(bench.maker(mask), count)
    damaged = damage(batch.images, masks)
    maps = bench.structure.maps(damaged, masks) if maps_from == "damaged" else batch.structure
    generated = bench.run(system, damaged, masks, maps) if system else navier_stokes(damaged, masks)
    values = _quality(bench, overlay(generated, damaged, masks).clamp(-1, 1), batch, masks)
    if system is not None and mask in DETAILED:
        blended = _quality(bench, poisson_blend(generated, damaged, masks).clamp(-1, 1), batch, masks)
        values |= {f"blended {name}": value for name, value in blended.items()}
    return values


def _quality(bench: Workbench, repaired: Tensor, batch: Batch, masks: Tensor) -> dict[str, float]:
    whole = masks.amax((1, 2, 3)) > 0
    found = bench.structure.landmarks(repaired, masks * 0, refine=False)
    error = face_map.relative_error(found.cpu().numpy(), batch.landmarks.numpy())
    fid = {}
    if bench.inception is not None:
        distance = measures.frechet_distance(bench.inception(repaired), bench.inception(batch.images))
        fid = {"FID": round(distance, 3)}
    features = (_features(bench, images) for images in (repaired, batch.images))
    return fid | {
        "hole PSNR": _mean(measures.psnr(repaired, batch.images, masks)[whole]),
        "PSNR": _mean(measures.psnr(repaired, batch.images)[whole]),
        "hole SSIM": _mean(measures.ssim(repaired, batch.images, masks)[whole]),
        "SSIM": _mean(measures.ssim(repaired, batch.images)[whole]),
        "Frechet": round(measures.frechet_distance(*features), 4),
        "landmark error": round(float(error.mean()), 4),
    }


def _features(bench: Workbench, images: Tensor) -> np.ndarray:
    with torch.no_grad():
        features: Tensor = bench.structure.detector.features(images, images[:, :1] * 0)
    return features.double().cpu().numpy()


def measure_ranking(bench: Workbench, searches: bool) -> None:
    """How systems of one pass do in a codec's holes of faces that are neither trained nor reported on: the best one
    proposes in the stream. Seams are closed, as there."""
    if searches:
        return
    for key, system in bench.systems(searches):
        count = len(bench.held_out)
        bench.measure(f"ranking-{key}", key, count, partial(_ranking, bench, system, count))


def _ranking(bench: Workbench, system: System, count: int) -> dict[str, Any]:
    batch = bench.held_out.take(np.arange(count))
    masks = bench.masks(bench.codec, count)
    damaged = damage(batch.images, masks)
    maps = bench.structure.maps(damaged, masks)
    blended = poisson_blend(bench.run(system, damaged, masks, maps), damaged, masks).clamp(-1, 1)
    return {"hole PSNR": _mean(measures.psnr(blended, batch.images, masks)[masks.amax((1, 2, 3)) > 0])}


def measure_consistency(bench: Workbench, searches: bool) -> None:
    """How alike several repairs of one picture are."""
    for mask in CONSISTENCY_MASKS:
        for key, system in bench.systems(searches):
            made = partial(_consistency, bench, system, mask, _SEARCHED_REPAIRS if searches else _REPAIRS)
            bench.measure(f"consistency-{key}-{mask}", key, bench.count(system), made)


def _consistency(bench: Workbench, system: System, mask: str, repairs: int) -> dict[str, Any]:
    """Eq. 7 on whole generated pictures G(z), as printed, with the map of the clean picture."""
    count = bench.count(system)
    batch = bench.take(count)
    kinds = [bench.masks(MASKS[mask], count, seed) for seed in range(repairs)]
    masks = torch.stack(kinds, 1).flatten(0, 1)  # (count * repairs, 1, S, S)
    images = batch.images.repeat_interleave(repairs, 0)
    maps = batch.structure.repeat_interleave(repairs, 0)
    generated = bench.run(system, damage(images, masks), masks, maps).unflatten(0, (count, repairs))
    return {"consistency": round(float(np.mean([measures.consistency(each) for each in generated])), 3)}


def navier_stokes(damaged: Tensor, masks: Tensor) -> Tensor:
    """OpenCV's Navier-Stokes inpainting, the baseline that needs no training."""
    pictures = []
    for image, mask in zip(measures.to_bytes(damaged), masks[:, 0].cpu().numpy(), strict=True):
        filled = cv2.inpaint(image, (mask > 0.5).astype(np.uint8), 3, cv2.INPAINT_NS)
        pictures.append(torch.from_numpy(filled.transpose(2, 0, 1).copy()).float() / 127.5 - 1)
    return torch.stack(pictures).to(damaged.device)


def _mean(values: Tensor) -> float:
    return round(float(values.mean()), 4)
