"""How well landmarks are found in damaged faces."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from concealer import face_map
from train.data.batches import damage
from train.data.masks import freehand, random_rectangle
from train.data.shards import read_shards
from train.evaluation.workbench import CLIP_PICTURES, Workbench
from train.structure import visible


def measure_landmarks(bench: Workbench, searches: bool) -> None:
    if not searches:
        bench.measure("landmarks", "landmarks", len(bench.stills), partial(_landmarks, bench))
        pictures = sum(min(CLIP_PICTURES, len(clip)) for clip in bench.clips.clips)
        bench.measure("landmarks-video", "landmarks", pictures, partial(_landmarks_video, bench))


def _landmarks(bench: Workbench) -> dict[str, Any]:
    """Relative localization error with half of the picture missing, by what finds the landmarks."""
    size, device = bench.settings.size, bench.settings.device
    true = torch.from_numpy(read_shards(bench.settings.shards, "stills-eval", size).landmarks)
    known = torch.isfinite(true).all((1, 2))
    holes = [freehand(size, np.random.default_rng(n), 0.5) for n in range(len(true))]
    masks = torch.from_numpy(np.stack(holes)[:, None].astype(np.float32)).to(device)[known.to(device)]
    true = true[known]
    images = bench.stills.take(np.arange(len(bench.stills))).images
    damaged = damage(images, masks)
    mesh = torch.from_numpy(bench.masked.landmarks)[known]
    seen = torch.isfinite(mesh).all((1, 2))
    refiner = bench.structure.refiner
    with torch.no_grad():
        exact = refiner(true.to(device), visible(true.to(device), masks)).cpu()
        start = mesh[seen].to(device)
        refined_mesh = refiner(start, visible(start, masks[seen.to(device)])).cpu()
    found = {
        "detector": bench.structure.landmarks(damaged, masks, refine=False).cpu(),
        "detector and refiner": bench.structure.landmarks(damaged, masks).cpu(),
        "visible true points and refiner": exact,
        "detector, nothing missing": bench.structure.landmarks(images, masks * 0, refine=False).cpu(),
    }
    values: dict[str, Any] = {name: _errors(points, true) for name, points in found.items()}
    share = {"found": round(float(seen.float().mean()), 3)}
    values["Face Mesh"] = _errors(mesh[seen], true[seen]) | share
    values["Face Mesh and refiner"] = _errors(refined_mesh, true[seen]) | share
    values["detector and refiner, where Face Mesh found a face"] = _errors(
        found["detector and refiner"][seen], true[seen]
    )
    return values


def _landmarks_video(bench: Workbench) -> dict[str, Any]:
    """Talking heads with a rectangle missing in every picture: each picture alone, and with the one before."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for number, places in enumerate(bench.clips.clips):
        batch = bench.clips.take(places[:CLIP_PICTURES])
        masks = bench.masks(random_rectangle, len(batch.images), number)
        damaged = damage(batch.images, masks)
        true = batch.landmarks.numpy()
        hidden = visible(batch.landmarks, masks.cpu()).numpy() < 0.5
        alone = bench.structure.landmarks(damaged, masks)
        settled = bench.structure.sequence_landmarks(damaged, masks)
        for name, points in (("each picture alone", alone), ("with the picture before", settled)):
            error = face_map.relative_error(points.cpu().numpy(), true)
            jitter = face_map.relative_error(np.diff(points.cpu().numpy(), axis=0) + true[:-1], true[1:])
            found.setdefault(name, []).append((error.mean(), error[hidden].mean(), jitter.mean()))
    names = ("RLE", "RLE hidden", "jitter")
    return {name: dict(zip(names, np.mean(rows, 0).round(4).tolist(), strict=True)) for name, rows in found.items()}


def _errors(found: Tensor, true: Tensor) -> dict[str, float]:
    error = face_map.relative_error(found.numpy(), true.numpy())
    return {"RLE": round(float(error.mean()), 4), "within 5 %": round(float((error <= 0.05).mean()), 3)}
