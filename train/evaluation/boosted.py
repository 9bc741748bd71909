"""The boosted GAN: its ablation and lambdas, retrieval with every system's repairs, how well W_a and W_s see."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train import measures
from train.boosted.embeddings import balanced_accuracy
from train.boosted.plan import rectangle
from train.data.attributes import ATTRIBUTES, attributes_of_faces
from train.data.batches import Batch, damage
from train.data.masks import Maker, central
from train.data.regions import label_maps
from train.evaluation.catalogue import BOOSTED, BOOSTED_MASKS, LAMBDAS
from train.evaluation.stills import navier_stokes
from train.evaluation.workbench import Workbench
from train.iterative import overlay
from train.retrieval import RETURNED, retrieval_precision
from train.sgin.regions import mean_iou
from train.sheet import write_sheet
from train.systems import BoostedGan, System

_MAKERS: dict[str, Maker] = dict(zip(BOOSTED_MASKS, (central, rectangle), strict=True))
_CLIP_STEP = 8
"""Of the talking heads one picture in so many is measured."""
_SHOWN = 10


def measure_boosted(bench: Workbench, searches: bool) -> None:
    """Table I and what of table II has lambdas of 0.1 or 0, on stills and on talking heads; table III on stills."""
    if searches:
        return
    systems = {key: system for key in BOOSTED if (system := bench.variant(key)) is not None}
    stills = bench.take(len(bench.stills))
    heads = bench.clips.take(np.concatenate([clip[::_CLIP_STEP] for clip in bench.clips.clips]))
    for mask in BOOSTED_MASKS:
        for key, system in systems.items():
            for name, batch in (("stills", stills), ("heads", heads)):
                count = len(batch.images)
                bench.measure(f"boosted-{name}-{key}-{mask}", key, count, partial(_repairs, bench, system, batch, mask))
    if len(stills.images) > RETURNED + 1:
        _measure_retrieval(bench, systems, stills)
    whole = systems.get("boosted")
    if isinstance(whole, BoostedGan):
        make = partial(_embeddings, bench, whole, stills)
        bench.measure("boosted-embeddings", "boosted", len(stills.images), make)
    if systems and not bench.cells.late():
        _write_sheet(bench, systems, stills)


def measure_lambdas(bench: Workbench, searches: bool) -> None:
    """Table II on stills, where every row of it has weights: all are to come from one start."""
    if searches:
        return
    systems = {key: system for key in LAMBDAS if (system := bench.variant(key)) is not None}
    if len(systems) < len(LAMBDAS):
        return
    stills = bench.take(len(bench.stills))
    for key, system in systems.items():
        make = partial(_repairs, bench, system, stills, "rectangle")
        bench.measure(f"lambdas-{key}", key, len(stills.images), make)


def _repairs(bench: Workbench, system: System, batch: Batch, mask: str) -> dict[str, Any]:
    """The paper's four measures over the picture, received pixels laid over it; and those of the hole."""
    masks = bench.masks(_MAKERS[mask], len(batch.images))
    repaired = _repaired(bench, system, batch, masks)
    error = (repaired - batch.images) / 2
    each = {
        "l1": error.abs().mean((1, 2, 3)),
        "l2": error.square().mean((1, 2, 3)),
        "PSNR": measures.psnr(repaired, batch.images),
        "SSIM": measures.ssim(repaired, batch.images),
        "hole PSNR": measures.psnr(repaired, batch.images, masks),
        "hole SSIM": measures.ssim(repaired, batch.images, masks),
        "first guess": measures.psnr(_first_guess(system, batch, masks), batch.images, masks),
    }
    values: dict[str, Any] = {name: round(float(value.mean()), 5) for name, value in each.items()}
    for name, places in (("hole PSNR", 3), ("hole SSIM", 4)):
        values[f"per picture {name}"] = [round(float(value), places) for value in each[name]]
    return values


def _first_guess(system: System, batch: Batch, masks: Tensor) -> Tensor:
    """What the eigenfaces alone make of the picture."""
    assert isinstance(system, BoostedGan)
    with torch.no_grad():
        guess = system.generator.first(damage(batch.images, masks), masks)
    return torch.nn.functional.interpolate(guess, batch.images.shape[-1], mode="bilinear")


def _repaired(bench: Workbench, system: System, batch: Batch, masks: Tensor) -> Tensor:
    damaged = damage(batch.images, masks)
    maps = bench.structure.maps(damaged, masks) if system.structured else batch.structure
    return overlay(bench.run(system, damaged, masks, maps), damaged, masks).clamp(-1, 1)


def _measure_retrieval(bench: Workbench, systems: Mapping[str, System], stills: Batch) -> None:
    """Every evaluation face looks for others among them, by features of the landmark detector."""
    count = len(stills.images)
    masks = bench.masks(central, count)
    damaged = damage(stills.images, masks)
    plain = {"masked": lambda: damaged, "navier-stokes": lambda: navier_stokes(damaged, masks)}
    for key, make in plain.items():
        bench.measure(f"retrieval-{key}", key, count, lambda make=make: _retrieval(bench, stills, make()))  # type: ignore[misc]
    everything: dict[str, System] = {**dict(bench.systems(False)), **systems}
    for key, system in everything.items():
        make = partial(_repaired, bench, system, stills, masks)
        bench.measure(f"retrieval-{key}", key, count, lambda make=make: _retrieval(bench, stills, make()))  # type: ignore[misc]


def _retrieval(bench: Workbench, stills: Batch, repaired: Tensor) -> dict[str, Any]:
    with torch.no_grad():
        original, found = (
            torch.cat([bench.structure.detector.features(part, part[:, :1] * 0) for part in images.split(32)])
            for images in (stills.images, repaired)
        )
    precision = retrieval_precision(original, found, original, torch.arange(len(original), device=original.device))
    each = [round(float(value), 4) for value in precision]
    return {"mAP": round(float(precision.mean()), 4), "per picture": each}


@torch.no_grad()
def _embeddings(bench: Workbench, system: BoostedGan, stills: Batch) -> dict[str, Any]:
    """Balanced accuracy of every attribute, and overlap of the regions, by what is missing."""
    true, labels = attributes_of_faces(bench.stills), label_maps(stills.landmarks, bench.settings.size)
    values: dict[str, Any] = {"yes": [round(float(share), 3) for share in true.mean(0)]}
    values["names"] = [attribute.name for attribute in ATTRIBUTES]
    for name, maker in (("whole", None), *_MAKERS.items()):
        masks = stills.images[:, :1] * 0 if maker is None else bench.masks(maker, len(stills.images))
        damaged = damage(stills.images, masks)
        accuracy = balanced_accuracy(system.attributes(damaged, masks).cpu(), true)
        regions = system.segmentation(damaged, masks).argmax(1).cpu()
        drawn = label_maps(bench.structure.landmarks(damaged, masks), bench.settings.size)
        values[name] = {
            "accuracy": [round(float(value), 3) for value in accuracy],
            "mean accuracy": round(float(accuracy.mean()), 4),
            "mean IoU": round(mean_iou(regions, labels), 4),
            "mean IoU of drawn landmarks": round(mean_iou(drawn, labels), 4),
        }
    return values


def _write_sheet(bench: Workbench, systems: Mapping[str, System], stills: Batch) -> None:
    """Original, damaged, first guess, then every variant; half of the columns under each kind of mask."""
    half = _SHOWN // 2
    batch = bench.take(_SHOWN)
    masks = torch.cat([bench.masks(maker, half, seed=1) for maker in _MAKERS.values()])
    damaged = damage(batch.images, masks)
    first = overlay(_first_guess(next(iter(systems.values())), batch, masks), damaged, masks)
    repairs = [_repaired(bench, system, batch, masks) for system in systems.values()]
    write_sheet(bench.cells.folder / "boosted.png", [batch.images, damaged, first, *repairs])
