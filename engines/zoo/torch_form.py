"""The zoo's networks in PyTorch. Needs torch and safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from concealer.networks.boosted import BoostedInpainter
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.one_pass import OnePassInpainter, SequenceInpainter
from concealer.networks.region_predictor import RegionPredictor
from concealer.networks.sgin import SginInpainter
from concealer.networks.weights import load_weights
from engines.errors import ModelError


def load(name: str, weights: Mapping[str, Path]) -> nn.Module:
    """The network with its weights, files by part, in float32 and evaluation mode. Raises ModelError, naming it."""
    try:
        return assemble({part: load_weights(path) for part, path in weights.items()})
    except ValueError as error:
        raise ModelError(f"{name}: {error}") from error


def assemble(parts: dict[str, nn.Module]) -> nn.Module:
    """One network of its parts: "network" alone; "prior" and "generator", where SGIN's map predictor stands for a
    prior; or "attributes", "segmentation" and "generator" of the boosted GAN. Raises ValueError."""
    if set(parts) == {"network"}:
        return parts["network"].eval()
    if set(parts) == {"prior", "generator"}:
        prior: Any = parts["prior"]
        generator: Any = parts["generator"]
        if isinstance(prior, RegionPredictor):
            return SginInpainter(prior, generator).eval()
        whole = SequenceInpainter if isinstance(prior, GroupedPrior) else OnePassInpainter
        return whole(prior, generator).eval()
    if set(parts) == {"attributes", "segmentation", "generator"}:
        told: dict[str, Any] = dict(parts)
        return BoostedInpainter(**told).eval()
    raise ValueError(
        "a network is one part, or prior and generator, or attributes, segmentation and generator; got "
        f"{', '.join(sorted(parts)) or 'none'}"
    )
