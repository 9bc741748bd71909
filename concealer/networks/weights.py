"""Weights as safetensors files that name the network they belong to: no code, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from concealer.networks.attribute_discriminator import AttributeDiscriminator
from concealer.networks.attribute_embedding import AttributeEmbedding
from concealer.networks.boosted_generator import BoostedGenerator
from concealer.networks.dcgan import DcganDiscriminator, DcganGenerator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.landmark_refiner import LandmarkRefiner
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.occlusion_detector import OcclusionDetector
from concealer.networks.region_predictor import RegionPredictor
from concealer.networks.segmentation_embedding import SegmentationEmbedding
from concealer.networks.semantic_gan import SemanticGenerator
from concealer.networks.sgin import SginGenerator
from concealer.networks.style_gan import StyleDiscriminator, StyleGenerator
from concealer.networks.video_prior import VideoPrior

NETWORKS: dict[str, type[nn.Module]] = {
    cls.__name__: cls
    for cls in (
        AttributeDiscriminator,
        AttributeEmbedding,
        BoostedGenerator,
        DcganDiscriminator,
        DcganGenerator,
        GroupedPrior,
        LabelPredictor,
        LandmarkDetector,
        LandmarkRefiner,
        NoisePrior,
        OcclusionDetector,
        RegionPredictor,
        SegmentationEmbedding,
        SemanticGenerator,
        SginGenerator,
        StyleDiscriminator,
        StyleGenerator,
        VideoPrior,
    )
}


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """A network by class name, with fresh weights. Raises ValueError for an unknown name or argument."""
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(sorted(NETWORKS))}")
    try:
        return NETWORKS[name](**arguments)
    except TypeError as error:
        raise ValueError(f"{name} cannot be built with {dict(arguments)}: {error}") from None


def save_weights(
    network: nn.Module, arguments: Mapping[str, Any], path: Path, *, half: bool = False, note: str = ""
) -> None:
    """Write the weights, and in the metadata the class, its `arguments` and `note` (recipe, step).

    `half`: floats as float16. Batch-norm statistics stay as they are: they may exceed its range.
    """
    tensors = {
        name: tensor.detach()
        .to("cpu", torch.float16 if half and _may_halve(name, tensor) else tensor.dtype)
        .contiguous()
        for name, tensor in network.state_dict().items()
    }
    metadata = {"network": type(network).__name__, "arguments": json.dumps(dict(arguments)), "note": note}
    partial = path.with_name(path.name + ".part")
    save_file(tensors, partial, metadata=metadata)
    partial.replace(path)


def load_weights(path: Path) -> nn.Module:
    """The network a file holds, in float32 and in evaluation mode. Raises ValueError if it is no such file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} holds no weights: {error}") from None
    if "network" not in metadata or "arguments" not in metadata:
        raise ValueError(f"{path} does not say which network it belongs to")
    network = build(metadata["network"], json.loads(metadata["arguments"]))
    state = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {metadata['network']}: {str(error).splitlines()[0]}") from None
    return network.eval()


def with_arguments(path: Path, out: Path, **arguments: Any) -> None:
    """Write the weights of `path` to `out` for a network built with these arguments besides: those that change no
    tensor. Raises ValueError if they do not fit, or if it is no such file."""
    load_weights(path)
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    metadata["arguments"] = json.dumps(json.loads(metadata["arguments"]) | arguments)
    save_file(tensors, out, metadata=metadata)
    load_weights(out)


def _may_halve(name: str, tensor: torch.Tensor) -> bool:
    return tensor.dtype == torch.float32 and "running_" not in name
