"""Where a recipe finds its pictures, its masks and the networks it starts from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from concealer.networks.weights import load_weights
from train.data.batches import Faces
from train.data.codec_masks import CODEC_MASKS, codec_mask, load_holes
from train.data.masks import MASKS, Maker
from train.data.shards import read_shards
from train.data.synthetic import synthetic_faces
from train.spec import NetworkSpec

_SMOKE = {"capacity": 512, "most": 16, "width": 4, "z_size": 16, "hidden": 16}
"""Sizes of networks in a smoke run, where a network has them."""


@dataclass(slots=True)
class Context:
    """The folders, the device and the seed of one call."""

    shards: Path
    runs: Path
    """Every recipe trains in a folder of its own name here."""
    device: torch.device
    seed: int = 0
    smoke: bool = False
    """Tiny networks, synthetic faces, few steps."""
    _faces: dict[tuple[str, int], Faces] = field(default_factory=dict)

    def faces(self, name: str, size: int) -> Faces:
        """A packed set, e.g. "stills-train", read once. Raises ValueError if it is not there."""
        if (name, size) not in self._faces:
            packed = synthetic_faces(12, size, clips=2) if self.smoke else read_shards(self.shards, name, size)
            self._faces[name, size] = Faces(packed, self.device)
        return self._faces[name, size]

    def stills(self, size: int) -> tuple[Faces, Faces]:
        """To train on, and of held-out identities."""
        return self.faces("stills-train", size), self.faces("stills-val", size)

    def makers(self) -> list[Maker]:
        """All masks of the papers, and holes as codecs make them as often as those together.

        Raises ValueError if the holes have not been packed.
        """
        papers = list(MASKS.values())
        path = self.shards / CODEC_MASKS
        if self.smoke and not path.exists():
            return papers
        return papers + len(papers) * [codec_mask(load_holes(path))]

    def spec(self, network: str, **arguments: Any) -> NetworkSpec:
        """A network by class name and arguments, made small in a smoke run."""
        if self.smoke:
            arguments |= {key: value for key, value in _SMOKE.items() if key in arguments}
        return NetworkSpec(network, arguments)

    def count(self, full: int, smoke: int) -> int:
        """Pictures of a batch or steps, of which a smoke run has few."""
        return smoke if self.smoke else full

    def trained(self, recipe: str, part: str, otherwise: NetworkSpec) -> nn.Module:
        """A network another recipe trained; in a smoke run without one, a fresh one.

        Raises ValueError if the recipe has not run.
        """
        path = self.runs / recipe / f"{part}.safetensors"
        if self.smoke and not path.exists():
            torch.manual_seed(self.seed)
            return otherwise.build().to(self.device)
        if not path.exists():
            raise ValueError(f"{path} is missing: train {recipe} first")
        return load_weights(path).to(self.device)
