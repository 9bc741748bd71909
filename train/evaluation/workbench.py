"""What every measurement at one resolution works with: pictures, masks, structure, the systems, the cells."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.region_predictor import RegionPredictor
from concealer.networks.sgin import SginGenerator
from train.boosted.lambdas import LAMBDA, VARIANTS
from train.data.batches import Batch, Faces
from train.data.codec_masks import CODEC_MASKS, codec_mask, load_holes
from train.data.masks import MASKS, Maker
from train.data.shards import read_shards
from train.evaluation.catalogue import (
    BOOSTED,
    FINDERS,
    LAMBDAS,
    LANDMARK_WEIGHTS,
    SEARCHING,
    SEMANTICS,
    STILL_MASKS,
    SYSTEMS,
)
from train.evaluation.cells import Cells
from train.inception import InceptionFeatures
from train.iterative import SG_GAN, STEPS, YEH
from train.structure import Structure, load, load_structure
from train.systems import BoostedGan, Grouped, Iterative, OnePass, SemanticsGuided, System

CLIP_PICTURES = 48
"""Pictures of every clip."""
_BATCH = 32


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What is measured, with what, and where the results go."""

    shards: Path
    runs: Path
    results: Path
    size: int
    device: torch.device
    search_count: int
    """Stills per mask for systems that search, 0 for all."""
    search_steps: int = STEPS
    minutes: float | None = None
    """Nothing new is measured after; None: no limit."""
    inception: Path | None = None
    """ONNX file to measure FID with, see `train.inception`."""
    still_masks: tuple[str, ...] = STILL_MASKS


class Workbench:
    """Systems without weights are left out."""

    def __init__(self, settings: EvaluationSettings) -> None:
        """Raises ValueError if shards or the landmark networks are missing."""
        self.settings = settings
        size, shards, device = settings.size, settings.shards, settings.device
        self.cells = Cells(settings.results / str(size), settings.minutes)
        self.stills = Faces(read_shards(shards, "stills-eval", size), device)
        self.held_out = Faces(read_shards(shards, "stills-val", size), device)
        self.clips = Faces(read_shards(shards, "clips-eval", size), device)
        self.masked = read_shards(shards, "masked-eval", size)
        self.codec = codec_mask(load_holes(shards / CODEC_MASKS))
        detector, refiner = self._files(LANDMARK_WEIGHTS.values())
        self.structure: Structure = load_structure(detector, refiner, device)
        self.inception = None if settings.inception is None else InceptionFeatures(settings.inception)
        self.keys = [key for key in SYSTEMS if all(path.exists() for path in self._weights(key))]
        """The systems that have weights."""

    def describe(self, hardware: str) -> None:
        """Note what is measured with what."""
        about = {
            "hardware": hardware,
            "stills": len(self.stills),
            "clips": len(self.clips.clips),
            "search steps": self.settings.search_steps,
            "training": {key: self._training(key) for key in self.keys},
        }
        self.cells.write("about", about)

    def networks(self, key: str) -> list[Any]:
        """The networks of a system, a column of SGIN's ablation or a finder; none if weights are missing."""
        paths = self._weights(key)
        return [load(path, self.settings.device) for path in paths] if all(path.exists() for path in paths) else []

    def system(self, key: str) -> System:
        """A system with its weights."""
        networks = [load(path, self.settings.device) for path in self._weights(key)]
        if key == "boosted":
            return BoostedGan(*cast(Any, networks))
        if key == "sgin":
            return SemanticsGuided(cast(RegionPredictor, networks[0]), cast(SginGenerator, networks[1]))
        if key.startswith(SEARCHING):
            objective = YEH if key.startswith("iterative") else SG_GAN
            return Iterative(cast(Generator, networks[0]), networks[1], objective, self.settings.search_steps)
        if key in ("z+l", "z+s+l"):
            return Grouped(cast(GroupedPrior, networks[0]), cast(Generator, networks[1]))
        labels = cast(LabelPredictor, networks[2]) if len(networks) > 2 else None
        return OnePass(cast(NoisePrior, networks[0]), cast(Generator, networks[1]), labels)

    def variant(self, key: str) -> BoostedGan | None:
        """The boosted GAN, whole or told less; None if weights are missing."""
        networks = self.networks(key)
        if not networks:
            return None
        lambda_a, lambda_s = VARIANTS.get(key, (LAMBDA, LAMBDA))
        attributes, segmentation, generator = networks
        return BoostedGan(attributes, segmentation, generator, lambda_a > 0, lambda_s > 0)

    def systems(self, searches: bool) -> list[tuple[str, System]]:
        """Systems that have weights and search, or do not."""
        loaded = [(key, self.system(key)) for key in self.keys]
        return [(key, system) for key, system in loaded if system.searches == searches]

    def measure(self, name: str, keys: str | tuple[str, ...], count: int, make: Callable[[], dict[str, Any]]) -> None:
        """Measure a cell of a system, of several, or of a baseline, which has no weights, unless it was, on `count`
        pictures."""
        self.cells.measure(name, self._stamp(*([keys] if isinstance(keys, str) else keys)), count, make)

    def count(self, system: System) -> int:
        """Stills to measure a system on."""
        some = min(self.settings.search_count or len(self.stills), len(self.stills))
        return some if system.searches else len(self.stills)

    def take(self, count: int) -> Batch:
        """The same `count` stills for every system, spread over the set."""
        return self.stills.take(np.linspace(0, len(self.stills) - 1, count).round().astype(int))

    def maker(self, mask: str) -> Maker:
        """Of masks by name."""
        return self.codec if mask == "codec" else MASKS[mask]

    def masks(self, maker: Maker, count: int, seed: int = 0) -> Tensor:
        """(count, 1, S, S) float, the same for every system."""
        size, device = self.settings.size, self.settings.device
        masks = np.stack([maker(size, np.random.default_rng((seed, n))) for n in range(count)])
        return torch.from_numpy(masks[:, None].astype(np.float32)).to(device)

    def run(self, system: System, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        """What a system generates, in batches."""
        parts = zip(damaged.split(_BATCH), masks.split(_BATCH), maps.split(_BATCH), strict=True)
        return torch.cat([system.generate(*part) for part in parts])

    def _files(self, names: Iterable[str]) -> list[Path]:
        return [self.settings.runs / f"{name.format(self.settings.size)}.safetensors" for name in names]

    def _weights(self, key: str) -> list[Path]:
        for listed in (SYSTEMS, BOOSTED, LAMBDAS, SEMANTICS, FINDERS):
            if key in listed:
                return self._files(listed[key].weights)
        return []

    def _training(self, key: str) -> list[str]:
        """Recipe and steps of every network of a system, from the weights' own notes."""
        notes = []
        for path in self._weights(key):
            with safe_open(path, framework="pt") as file:
                notes.append((file.metadata() or {}).get("note", ""))
        return notes

    def _stamp(self, *keys: str) -> str:
        """Changes with the weights that a cell depends on and with the length of the search."""
        digest = hashlib.sha256(str(self.settings.search_steps).encode())
        weights = [path for key in keys for path in self._weights(key)]
        for path in weights + self._files(LANDMARK_WEIGHTS.values()):
            digest.update(path.read_bytes())
        if self.settings.inception is not None:
            digest.update(self.settings.inception.read_bytes())
        return digest.hexdigest()[:16]
