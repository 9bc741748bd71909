"""Measuring the systems cell by cell: a cell is one system under one mask, kept as JSON with its weights' hash."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from concealer import face_map
from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.noise_prior import NoisePrior
from train import measures
from train.data.batches import Batch, Faces, damage
from train.data.codec_masks import codec_mask, load_holes
from train.data.masks import MASKS, Maker, freehand, random_rectangle
from train.data.shards import read_shards
from train.inception import InceptionFeatures
from train.iterative import SG_GAN, STEPS, YEH, overlay, poisson_blend
from train.recipes import CODEC_MASKS
from train.sheet import write_sheet
from train.structure import Structure, load, load_structure, visible
from train.systems import Grouped, Iterative, OnePass, System

log = logging.getLogger("train.evaluate")

STILL_MASKS = (
    "central",
    "random block",
    "checkerboard",
    "left",
    "half",
    "freehand",
    "pattern",
    "random pixels",
    "10 %",
    "40 %",
) + ("codec",)
DETAILED = ("central", "40 %", "codec")
"""Masks after which repairs are measured with Poisson blending too."""
CONSISTENCY_MASKS = ("random central", "freehand", "left")
SHEETS = ("central", "freehand", "codec")
_REPAIRS = 4
"""Repairs per picture for consistency."""
_CLIP_PICTURES = 48
"""Pictures of every clip; systems that search take the first `_SEARCH_PICTURES`."""
_SEARCH_PICTURES = 6
_SEARCH_CLIPS = 4
_BATCH = 32
SYSTEMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "iterative": ("iterative inference", ("style-{}/generator", "style-{}/judge")),
    "sg-gan": ("SG-GAN", ("style-structure-{}/generator", "style-structure-{}/judge")),
    "z": ("M_z", ("prior-{}/prior", "style-{}/generator")),
    "z+s": ("M_z+S", ("prior-structure-{}/prior", "style-structure-{}/generator")),
    "z+l": ("M_z+L", ("grouped-{}/prior", "style-{}/generator")),
    "z+s+l": ("M_z+S+L", ("grouped-structure-{}/prior", "style-structure-{}/generator")),
    "z, class": ("M_z, predicted class", ("prior-labels-{}/prior", "style-labels-{}/generator", "labels-{}/predictor")),
    "iterative, dcgan": ("iterative inference, DCGAN", ("dcgan-{}/generator", "dcgan-{}/judge")),
    "sg-gan, conv-deconv": ("SG-GAN, its own generator", ("sg-gan-{}/generator", "sg-gan-{}/judge")),
}
"""Key: title and weights, under the folder of runs; `{}` is the resolution."""
ONE_PASS = {"iterative": "z", "sg-gan": "z+s"}
"""What does in one pass what a search does, with the same generator."""
SEARCHING = ("iterative", "sg-gan")
"""Keys of the systems that search start with one of these."""


class Bench:
    """All measurements at one resolution."""

    def __init__(
        self,
        shards: Path,
        runs: Path,
        results: Path,
        size: int,
        device: torch.device,
        search_count: int,
        search_steps: int = STEPS,
        minutes: float | None = None,
        inception: Path | None = None,
    ) -> None:
        """`search_count`: stills per mask for systems that search, 0 for all; `minutes`: measure nothing new after;
        `inception`: ONNX file to measure FID with, see `train.inception`.

        Raises ValueError if shards or the landmark networks are missing. Systems without weights are left out.
        """
        self.runs, self.size, self.device = runs, size, device
        self.search_count, self.search_steps = search_count, search_steps
        self._end = None if minutes is None else time.monotonic() + 60 * minutes
        self.left_out = 0
        """Cells that were not measured because time was up."""
        self.shards, self.folder = shards, results / str(size)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stills = Faces(read_shards(shards, "stills-eval", size), device)
        self.clips = Faces(read_shards(shards, "clips-eval", size), device)
        self.masked = read_shards(shards, "masked-eval", size)
        self.codec = codec_mask(load_holes(shards / CODEC_MASKS))
        self.structure: Structure = load_structure(
            runs / f"detector-{size}/detector.safetensors", runs / f"refiner-{size}/refiner.safetensors", device
        )
        self._inception_path = inception
        self._inception = None if inception is None else InceptionFeatures(inception)
        self._systems = {key: key for key in SYSTEMS if all(path.exists() for path in self._weights(key))}

    def describe(self, hardware: str) -> None:
        """Note what is measured with what."""
        about = {
            "hardware": hardware,
            "stills": len(self.stills),
            "clips": len(self.clips.clips),
            "search steps": self.search_steps,
            "training": {key: self._training(key) for key in self._systems},
        }
        self._write("about", about)

    def measure(self, group: str, searches: bool) -> None:
        """One group of measurements, of the systems that search or of those that do not."""
        getattr(self, f"_measure_{group}")(searches)

    def _weights(self, key: str) -> list[Path]:
        return [self.runs / f"{name.format(self.size)}.safetensors" for name in SYSTEMS[key][1]]

    def _training(self, key: str) -> list[str]:
        """Recipe and steps of every network of a system, from the weights' own notes."""
        from safetensors import safe_open

        notes = []
        for path in self._weights(key):
            with safe_open(path, framework="pt") as file:
                notes.append((file.metadata() or {}).get("note", ""))
        return notes

    def system(self, key: str) -> System:
        """A system with its weights."""
        networks = [load(path, self.device) for path in self._weights(key)]
        if key.startswith(SEARCHING):
            objective = YEH if key.startswith("iterative") else SG_GAN
            return Iterative(cast(Generator, networks[0]), networks[1], objective, self.search_steps)
        if key in ("z+l", "z+s+l"):
            return Grouped(cast(GroupedPrior, networks[0]), cast(Generator, networks[1]))
        labels = cast(LabelPredictor, networks[2]) if len(networks) > 2 else None
        return OnePass(cast(NoisePrior, networks[0]), cast(Generator, networks[1]), labels)

    def _loaded(self, searches: bool) -> list[tuple[str, System]]:
        """Systems that have weights and search, or do not."""
        loaded = [(key, self.system(key)) for key in self._systems]
        return [(key, system) for key, system in loaded if system.searches == searches]

    # Cells

    def _cell(self, name: str, key: str, count: int, make: Callable[[], dict[str, Any]]) -> None:
        """Measure a cell unless it was, with these weights and as many pictures."""
        stamp = self._stamp(key)
        path = self._path(name)
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))
            if known.get("weights") == stamp and known.get("pictures") == count:
                return
        if self._late():
            return
        started = time.perf_counter()
        values = make()
        log.info("%s: %s (%.0f s)", name, json.dumps(values)[:160], time.perf_counter() - started)
        self._write(name, {"weights": stamp, "pictures": count} | values)

    def _stamp(self, key: str) -> str:
        """Changes with the weights that a cell depends on and with the length of the search."""
        digest = hashlib.sha256(str(self.search_steps).encode())
        landmarks = [self.runs / f"{part}-{self.size}/{part}.safetensors" for part in ("detector", "refiner")]
        for path in (self._weights(key) if key in SYSTEMS else []) + landmarks:
            digest.update(path.read_bytes())
        if self._inception_path is not None:
            digest.update(self._inception_path.read_bytes())
        return digest.hexdigest()[:16]

    def _late(self) -> bool:
        """Whether time is up; counts what is left out for it."""
        late = self._end is not None and time.monotonic() > self._end
        self.left_out += late
        return late

    def _path(self, name: str) -> Path:
        return self.folder / f"{slug(name)}.json"

    def _write(self, name: str, values: dict[str, Any]) -> None:
        path = self._path(name)
        path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    def _count(self, system: System) -> int:
        """Stills to measure a system on."""
        return min(self.search_count or len(self.stills), len(self.stills)) if system.searches else len(self.stills)

    def _take(self, count: int) -> Batch:
        """The same `count` stills for every system, spread over the set."""
        return self.stills.take(np.linspace(0, len(self.stills) - 1, count).round().astype(int))

    def _masks(self, maker: Maker, count: int, seed: int = 0) -> Tensor:
        masks = np.stack([maker(self.size, np.random.default_rng((seed, n))) for n in range(count)])
        return torch.from_numpy(masks[:, None].astype(np.float32)).to(self.device)

    def _run(self, system: System, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        parts = zip(damaged.split(_BATCH), masks.split(_BATCH), maps.split(_BATCH), strict=True)
        return torch.cat([system.generate(*part) for part in parts])

    def _features(self, images: Tensor) -> np.ndarray:
        with torch.no_grad():
            features: Tensor = self.structure.detector.features(images, images[:, :1] * 0)
        return features.double().cpu().numpy()

    # Groups

    def _measure_stills(self, searches: bool) -> None:
        for name in STILL_MASKS:
            for key, system in self._loaded(searches):
                self._measure_still(key, system, name)
            if not searches:
                title, count = f"stills-navier-stokes-none-{name}", len(self.stills)
                self._cell(title, "navier-stokes", count, partial(self._still, None, name, count, "none"))

    def _measure_still(self, key: str, system: System, mask: str) -> None:
        """Systems that search are given the map of the clean picture alone, as SG-GAN assumes it."""
        for maps_from in (
            ("none",) if not system.structured else ("clean",) if system.searches else ("damaged", "clean")
        ):
            count = self._count(system)
            title = f"stills-{key}-{maps_from}-{mask}"
            self._cell(title, key, count, partial(self._still, system, mask, count, maps_from))
            pair = ONE_PASS.get(key)
            if pair in self._systems:
                title = f"paired-{key}-{mask}"
                self._cell(title, pair, count, partial(self._still, self.system(pair), mask, count, maps_from))

    def _still(self, system: System | None, mask: str, count: int, maps_from: str) -> dict[str, Any]:
        batch = self._take(count)
        masks = self._masks(self.codec if mask == "codec" else MASKS[mask], count)
        damaged = damage(batch.images, masks)
        maps = self.structure.maps(damaged, masks) if maps_from == "damaged" else batch.structure
        generated = self._run(system, damaged, masks, maps) if system else navier_stokes(damaged, masks)
        repaired = overlay(generated, damaged, masks).clamp(-1, 1)
        values = self._quality(repaired, batch, masks)
        if system is not None and mask in DETAILED:
            blended = poisson_blend(generated, damaged, masks).clamp(-1, 1)
            values |= {f"blended {name}": value for name, value in self._quality(blended, batch, masks).items()}
        return values

    def _quality(self, repaired: Tensor, batch: Batch, masks: Tensor) -> dict[str, float]:
        whole = masks.amax((1, 2, 3)) > 0
        found = self.structure.landmarks(repaired, masks * 0, refine=False)
        error = face_map.relative_error(found.cpu().numpy(), batch.landmarks.numpy())
        fid = {}
        if self._inception is not None:
            distance = measures.frechet_distance(self._inception(repaired), self._inception(batch.images))
            fid = {"FID": round(distance, 3)}
        return fid | {
            "hole PSNR": _mean(measures.psnr(repaired, batch.images, masks)[whole]),
            "PSNR": _mean(measures.psnr(repaired, batch.images)[whole]),
            "hole SSIM": _mean(measures.ssim(repaired, batch.images, masks)[whole]),
            "SSIM": _mean(measures.ssim(repaired, batch.images)[whole]),
            "Frechet": round(measures.frechet_distance(self._features(repaired), self._features(batch.images)), 4),
            "landmark error": round(float(error.mean()), 4),
        }

    def _measure_consistency(self, searches: bool) -> None:
        for name in CONSISTENCY_MASKS:
            for key, system in self._loaded(searches):
                count = max(2, self._count(system) // 2) if searches else len(self.stills)
                self._cell(f"consistency-{key}-{name}", key, count, partial(self._consistency, system, name, count))

    def _consistency(self, system: System, mask: str, count: int) -> dict[str, Any]:
        """Eq. 7 on whole generated pictures G(z), as printed, with the map of the clean picture."""
        batch = self._take(count)
        kinds = [self._masks(MASKS[mask], count, seed) for seed in range(_REPAIRS)]
        masks = torch.stack(kinds, 1).flatten(0, 1)  # (count * repairs, 1, S, S)
        images = batch.images.repeat_interleave(_REPAIRS, 0)
        maps = batch.structure.repeat_interleave(_REPAIRS, 0)
        generated = self._run(system, damage(images, masks), masks, maps).unflatten(0, (count, _REPAIRS))
        return {"consistency": round(float(np.mean([measures.consistency(each) for each in generated])), 3)}

    def _measure_video(self, searches: bool) -> None:
        for kind in ("moving", "codec"):
            for key, system in self._loaded(searches):
                lengths = self._lengths(system)
                self._cell(f"video-{key}-{kind}", key, sum(lengths), partial(self._video, system, kind, lengths))

    def _lengths(self, system: System) -> list[int]:
        lengths = [min(_CLIP_PICTURES, len(clip)) for clip in self.clips.clips]
        return [min(n, _SEARCH_PICTURES) for n in lengths[:_SEARCH_CLIPS]] if system.searches else lengths

    def _video(self, system: System, kind: str, lengths: list[int]) -> dict[str, Any]:
        """Talking heads; every picture has its own hole: a rectangle of 0.35 to 0.5 of the side, or a codec's."""
        maker = self.codec if kind == "codec" else random_rectangle
        values: dict[str, float] = {"squared error": 0.0, "samples": 0.0}
        errors, flicker, distances = [], [], []
        for number, length in enumerate(lengths):
            batch = self.clips.take(self.clips.clips[number][:length])
            masks = self._masks(maker, length, number)
            damaged = damage(batch.images, masks)
            maps = self.structure.sequence_maps(damaged, masks)
            generated = system.generate_sequence(damaged, masks, maps)
            repaired = overlay(generated, damaged, masks).clamp(-1, 1)
            values["squared error"] += float(((repaired - batch.images).square() * masks).sum())
            values["samples"] += float(masks.sum()) * 3
            planes = masks[:, 0].cpu().numpy() > 0.5
            flicker.append(
                measures.temporal_error(measures.to_bytes(repaired), measures.to_bytes(batch.images), planes)
            )
            found = self.structure.landmarks(repaired, masks * 0, refine=False)
            errors.append(face_map.relative_error(found.cpu().numpy(), batch.landmarks.numpy()).mean())
            distances.append(_mean(measures.ssim(repaired, batch.images, masks)))
        pooled = 10 * np.log10(4 * values["samples"] / values["squared error"])
        return {
            "hole PSNR": round(float(pooled), 3),
            "hole SSIM": round(float(np.mean(distances)), 4),
            "temporal error": round(float(np.mean(flicker)), 2),
            "landmark error": round(float(np.mean(errors)), 4),
            "per clip temporal error": [round(value, 2) for value in flicker],
        }

    def _measure_speed(self, searches: bool) -> None:
        for key, _ in self._loaded(searches):
            self._cell(f"speed-{key}", key, 1, partial(self._speed, key))

    def _speed(self, key: str) -> dict[str, Any]:
        """Milliseconds for one picture at a time: map from the damaged picture included where one is used."""
        system = self.system(key)
        batch = self._take(1)
        masks = self._masks(MASKS["central"], 1)
        damaged = damage(batch.images, masks)

        def once() -> float:
            self._wait()
            started = time.perf_counter()
            maps = self.structure.maps(damaged, masks) if system.structured else batch.structure
            system.generate(damaged, masks, maps)
            self._wait()
            return (time.perf_counter() - started) * 1000

        runs = 1 if system.searches else 50
        if not system.searches:
            for _ in range(5):
                once()
        return {"ms": round(float(np.median([once() for _ in range(runs)])), 3), "runs": runs}

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _measure_landmarks(self, searches: bool) -> None:
        if not searches:
            self._cell("landmarks", "landmarks", len(self.stills), self._landmarks)
            pictures = sum(min(_CLIP_PICTURES, len(clip)) for clip in self.clips.clips)
            self._cell("landmarks-video", "landmarks", pictures, self._landmarks_video)

    def _landmarks(self) -> dict[str, Any]:
        """Relative localization error with half of the picture missing, by what finds the landmarks."""
        true = torch.from_numpy(read_shards(self.shards, "stills-eval", self.size).landmarks)
        known = torch.isfinite(true).all((1, 2))
        holes = [freehand(self.size, np.random.default_rng(n), 0.5) for n in range(len(true))]
        masks = torch.from_numpy(np.stack(holes)[:, None].astype(np.float32)).to(self.device)[known.to(self.device)]
        true = true[known]
        images = self.stills.take(np.arange(len(self.stills))).images
        damaged = damage(images, masks)
        mesh = torch.from_numpy(self.masked.landmarks)[known]
        seen = torch.isfinite(mesh).all((1, 2))
        refiner = self.structure.refiner
        with torch.no_grad():
            exact = refiner(true.to(self.device), visible(true.to(self.device), masks)).cpu()
            start = mesh[seen].to(self.device)
            refined_mesh = refiner(start, visible(start, masks[seen.to(self.device)])).cpu()
        found = {
            "detector": self.structure.landmarks(damaged, masks, refine=False).cpu(),
            "detector and refiner": self.structure.landmarks(damaged, masks).cpu(),
            "visible true points and refiner": exact,
            "detector, nothing missing": self.structure.landmarks(images, masks * 0, refine=False).cpu(),
        }
        values: dict[str, Any] = {name: _errors(points, true) for name, points in found.items()}
        share = {"found": round(float(seen.float().mean()), 3)}
        values["Face Mesh"] = _errors(mesh[seen], true[seen]) | share
        values["Face Mesh and refiner"] = _errors(refined_mesh, true[seen]) | share
        values["detector and refiner, where Face Mesh found a face"] = _errors(
            found["detector and refiner"][seen], true[seen]
        )
        return values

    def _landmarks_video(self) -> dict[str, Any]:
        """Talking heads with a rectangle missing in every picture: each picture alone, and with the one before."""
        found: dict[str, list[tuple[float, float, float]]] = {}
        for number, places in enumerate(self.clips.clips):
            batch = self.clips.take(places[:_CLIP_PICTURES])
            masks = self._masks(random_rectangle, len(batch.images), number)
            damaged = damage(batch.images, masks)
            true = batch.landmarks.numpy()
            hidden = visible(batch.landmarks, masks.cpu()).numpy() < 0.5
            alone = self.structure.landmarks(damaged, masks)
            settled = self.structure.sequence_landmarks(damaged, masks)
            for name, points in (("each picture alone", alone), ("with the picture before", settled)):
                error = face_map.relative_error(points.cpu().numpy(), true)
                jitter = face_map.relative_error(np.diff(points.cpu().numpy(), axis=0) + true[:-1], true[1:])
                found.setdefault(name, []).append((error.mean(), error[hidden].mean(), jitter.mean()))
        names = ("RLE", "RLE hidden", "jitter")
        return {name: dict(zip(names, np.mean(rows, 0).round(4).tolist(), strict=True)) for name, rows in found.items()}

    def _measure_sheets(self, searches: bool) -> None:
        """Contact sheets: original, damaged, then a row for each system. Those that search have one of their own."""
        if searches and self._late():
            return
        systems = self._loaded(searches)
        batch = self._take(4 if searches else 8)
        for name in ("central",) if searches else SHEETS:
            masks = self._masks(self.codec if name == "codec" else MASKS[name], len(batch.images))
            damaged = damage(batch.images, masks)
            maps = self.structure.maps(damaged, masks)
            rows = [batch.images, damaged]
            for _, system in systems:
                rows.append(overlay(self._run(system, damaged, masks, maps), damaged, masks))
            path = self.folder / ("search.png" if searches else f"{name}.png")
            write_sheet(path, rows)
            log.info("%s: rows original, damaged, %s", path, ", ".join(key for key, _ in systems))


def slug(text: str) -> str:
    """A cell's name as a file name."""
    return text.replace(",", "").replace(" ", "_").replace("%", "percent")


def navier_stokes(damaged: Tensor, masks: Tensor) -> Tensor:
    """OpenCV's Navier-Stokes inpainting, the baseline that needs no training."""
    pictures = []
    for image, mask in zip(measures.to_bytes(damaged), masks[:, 0].cpu().numpy(), strict=True):
        filled = cv2.inpaint(image, (mask > 0.5).astype(np.uint8), 3, cv2.INPAINT_NS)
        pictures.append(torch.from_numpy(filled.transpose(2, 0, 1).copy()).float() / 127.5 - 1)
    return torch.stack(pictures).to(damaged.device)


def _errors(found: Tensor, true: Tensor) -> dict[str, float]:
    error = face_map.relative_error(found.numpy(), true.numpy())
    return {"RLE": round(float(error.mean()), 4), "within 5 %": round(float((error <= 0.05).mean()), 3)}


def _mean(values: Tensor) -> float:
    return round(float(values.mean()), 4)
