"""SGIN: its ablation by six measures, its maps, and its occlusion detector, alone and before all the rest."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.region_predictor import one_hot_map
from train import measures
from train.data.batches import damage
from train.data.composites import composites
from train.data.masks import Maker, half
from train.data.occluders import centre_70, hand_mask, object_mask
from train.data.regions import label_maps
from train.evaluation.catalogue import SEMANTIC_MASKS, SEMANTICS
from train.evaluation.workbench import Workbench
from train.iterative import overlay
from train.sgin.regions import coloured, mean_iou
from train.sheet import write_sheet

_MAKERS: dict[str, Maker] = dict(zip(SEMANTIC_MASKS, (object_mask, hand_mask, half, centre_70), strict=True))
_SHOWN = 4
"""Pictures of each mask on the sheet."""


def measure_semantics(bench: Workbench, searches: bool) -> None:
    """Whatever has weights; nothing here searches."""
    if searches:
        return
    count = len(bench.stills)
    for key in SEMANTICS:
        networks = bench.networks(key)
        for mask in SEMANTIC_MASKS if networks else ():
            make = partial(_repairs, bench, networks, mask, key == "true semantics")
            bench.measure(f"semantics-{key}-{mask}", key, count, make)
    regions = bench.networks("regions")
    if regions:
        bench.measure("semantics-maps", "regions", count, partial(_maps, bench, regions[0]))
    detector = bench.networks("occlusion")
    if detector:
        bench.measure("semantics-occlusion", "occlusion", count, partial(_occlusion, bench, detector[0]))
    if bench.networks("chain"):
        bench.measure("semantics-blind", "chain", count, partial(_blind, bench))
    if not bench.cells.late():
        _write_sheets(bench)


def quality(bench: Workbench, found: Tensor, true: Tensor) -> dict[str, float]:
    """The paper's six measures; LPIPS and FID on features of the landmark detector trained here."""
    detector = bench.structure.detector
    nothing = true[:, :1] * 0
    with torch.no_grad():
        vectors = [detector.features(images, nothing).double().cpu().numpy() for images in (found, true)]
        maps = [_feature_maps(detector, images) for images in (found, true)]
    values = {
        "PSNR": measures.psnr(found, true),
        "SSIM": measures.ssim(found, true),
        "MS-SSIM": measures.multi_scale_ssim(found, true),
        "RMSE": measures.rmse(found, true),
        "perceptual": measures.perceptual_distance(*maps),
    }
    means = {name: round(float(value.mean()), 4) for name, value in values.items()}
    return means | {"Frechet": round(measures.frechet_distance(vectors[0], vectors[1]), 4)}


def _feature_maps(detector: LandmarkDetector, images: Tensor) -> list[Tensor]:
    """What the detector's convolutions put out, after every activation."""
    x = detector.trunk.read(torch.cat([images, images[:, :1] * 0], 1))
    maps = []
    for layer in detector.trunk.layers:
        x = layer(x)
        if isinstance(layer, torch.nn.LeakyReLU):
            maps.append(x)
    return maps


def _repairs(bench: Workbench, networks: list[Any], mask: str, true_map: bool) -> dict[str, Any]:
    """Whole pictures as generated, and of the same the hole alone: both pictures black elsewhere, as the paper does."""
    batch = bench.take(len(bench.stills))
    masks = bench.masks(_MAKERS[mask], len(batch.images))
    damaged = damage(batch.images, masks)
    drawn = _draw(networks, damaged, masks, batch.landmarks if true_map else None)
    hole = [(images + 1) * masks - 1 for images in (drawn, batch.images)]
    return quality(bench, drawn, batch.images) | {
        f"hole {name}": value for name, value in quality(bench, *hole).items()
    }


@torch.no_grad()
def _draw(networks: list[Any], damaged: Tensor, masks: Tensor, landmarks: Tensor | None) -> Tensor:
    regions, generator = networks
    parts = []
    for start in range(0, len(damaged), 32):
        at = slice(start, start + 32)
        if landmarks is None:
            found = regions.regions(damaged[at], masks[at])
        else:
            found = one_hot_map(label_maps(landmarks[at], damaged.shape[-1]).to(damaged.device))
        parts.append(generator(damaged[at], masks[at], found))
    return torch.cat(parts)


@torch.no_grad()
def _maps(bench: Workbench, regions: Any) -> dict[str, Any]:
    """Mean overlap of the classes with what is drawn from the clean picture's landmarks, by what makes the map."""
    batch = bench.take(len(bench.stills))
    size = bench.settings.size
    true = label_maps(batch.landmarks, size)
    values: dict[str, Any] = {}
    for name, maker in {"nothing missing": None, **_MAKERS}.items():
        masks = batch.images[:, :1] * 0 if maker is None else bench.masks(maker, len(batch.images))
        damaged = damage(batch.images, masks)
        predicted = regions(damaged, masks).argmax(1).cpu()
        drawn = label_maps(bench.structure.landmarks(damaged, masks), size)
        values[name] = {
            "map predictor": round(mean_iou(predicted, true), 4),
            "landmark networks": round(mean_iou(drawn, true), 4),
        }
    return values


@torch.no_grad()
def _occlusion(bench: Workbench, detector: Any) -> dict[str, Any]:
    """Blindly, one kind of trouble at a time: overlap, share found, share of the rest that is named."""
    batch = bench.take(len(bench.stills))
    values: dict[str, Any] = {}
    for kind in ("object", "hand", "damage", "whole"):
        images, masks = composites(batch.images, [bench.codec], np.random.default_rng(0), (kind,))
        found = detector.mask(images)
        both = float((found * masks).sum())
        values[kind] = {
            "IoU": round(both / max(1.0, float(torch.maximum(found, masks).sum())), 4),
            "found": round(both / max(1.0, float(masks.sum())), 4),
            "false": round(float((found * (1 - masks)).sum() / (1 - masks).sum()), 4),
        }
    return values


@torch.no_grad()
def _blind(bench: Workbench) -> dict[str, Any]:
    """The whole chain on occluded pictures: mask found, map predicted, picture drawn; received pixels laid over it."""
    detector, *networks = bench.networks("chain")
    batch = bench.take(len(bench.stills))
    values: dict[str, Any] = {}
    for kind in ("object", "hand", "damage"):
        images, true = composites(batch.images, [bench.codec], np.random.default_rng(0), (kind,))
        rows = {"as it came": images}
        for name, masks in (("blind", detector.mask(images)), ("true mask", true)):
            damaged = damage(images, masks)
            drawn = _draw(networks, damaged, masks, None)
            rows[name] = overlay(drawn, damaged, masks)
        values[kind] = {
            name: round(float(measures.psnr(shown, batch.images, true)[true.amax((1, 2, 3)) > 0].mean()), 4)
            for name, shown in rows.items()
        }
    return values


def _write_sheets(bench: Workbench) -> None:
    """`semantics.png`: original, damaged, map, then every column of the ablation; `occlusion.png`: the whole chain."""
    columns = {key: networks for key in SEMANTICS if (networks := bench.networks(key))}
    batch = bench.take(_SHOWN * len(_MAKERS))
    images = batch.images
    if "full" in columns:
        drawn = [bench.masks(maker, _SHOWN, seed=1) for maker in _MAKERS.values()]
        masks = torch.cat(drawn)
        damaged = damage(images, masks)
        predicted = coloured(columns["full"][0](damaged, masks).argmax(1))
        rows = [images, damaged, predicted]
        for key, networks in columns.items():
            rows.append(_draw(networks, damaged, masks, batch.landmarks if key == "true semantics" else None))
        write_sheet(bench.cells.folder / "semantics.png", rows)
    detector = bench.networks("occlusion")
    if detector:
        shown, true = composites(images, [bench.codec], np.random.default_rng(1), ("damage", "hand", "object"))
        found = detector[0].mask(shown)
        rows = [shown, *(mask.expand(-1, 3, -1, -1) * 2 - 1 for mask in (true, found))]
        if "full" in columns:
            damaged = damage(shown, found)
            rows.append(overlay(_draw(columns["full"], damaged, found, None), damaged, found))
        write_sheet(bench.cells.folder / "occlusion.png", rows)
