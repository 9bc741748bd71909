"""The zoo's networks in PyTorch. Needs torch and safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.one_pass import OnePassInpainter, SequenceInpainter
from concealer.networks.weights import load_weights
from engines.errors import ModelError

if TYPE_CHECKING:
    from engines.zoo.table import Entry, Zoo


def load(zoo: Zoo, entry: Entry) -> nn.Module:
    """The network with its weights, in float32 and evaluation mode. Raises ModelError."""
    try:
        return assemble({part: load_weights(zoo.path(file)) for part, file in entry.weights.items()})
    except ValueError as error:
        raise ModelError(f"{entry.name}: {error}") from error


def assemble(parts: dict[str, nn.Module]) -> nn.Module:
    """One network of its parts: "network" alone, or "prior" and "generator". Raises ValueError."""
    if set(parts) == {"network"}:
        return parts["network"].eval()
    if set(parts) == {"prior", "generator"}:
        prior: Any = parts["prior"]
        generator: Any = parts["generator"]
        whole = SequenceInpainter if isinstance(prior, GroupedPrior) else OnePassInpainter
        return whole(prior, generator).eval()
    raise ValueError(f"a network is one part, or prior and generator; got {', '.join(sorted(parts)) or 'none'}")
