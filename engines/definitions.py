"""Inputs and outputs of the networks in `concealer.networks`, by name. Needs torch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from concealer.face_map import LANDMARKS
from concealer.networks.attribute_discriminator import AttributeDiscriminator
from concealer.networks.attribute_embedding import AttributeEmbedding
from concealer.networks.boosted import BoostedInpainter
from concealer.networks.boosted_generator import BoostedGenerator
from concealer.networks.dcgan import DcganDiscriminator
from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.landmark_refiner import LandmarkRefiner
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.occlusion_detector import OcclusionDetector
from concealer.networks.one_pass import OnePassInpainter, SequenceInpainter
from concealer.networks.region_predictor import RegionPredictor
from concealer.networks.segmentation_embedding import SegmentationEmbedding
from concealer.networks.sgin import SginGenerator, SginInpainter
from concealer.networks.style_gan import StyleDiscriminator, StyleGenerator
from concealer.networks.video_prior import VideoPrior
from engines.tensors import NEXT, STATE, TensorSpec

_BOOSTED = (AttributeDiscriminator, AttributeEmbedding, BoostedGenerator, BoostedInpainter, SegmentationEmbedding)


@dataclass(frozen=True)
class Definition:
    """A module whose positional arguments and results have these names."""

    module: nn.Module
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class _PriorStep(nn.Module):
    """One picture of a grouped prior."""

    def __init__(self, prior: GroupedPrior) -> None:
        super().__init__()
        self.prior = prior

    def forward(
        self, damaged: Tensor, mask: Tensor, hidden: Tensor, cell: Tensor, structure: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.prior.step(damaged, mask, structure, hidden, cell)


class _VideoStep(nn.Module):
    """One picture of a grouped prior for natural video."""

    def __init__(self, prior: VideoPrior) -> None:
        super().__init__()
        self.prior = prior

    def forward(
        self, figures: Tensor, around: Tensor, present: Tensor, inside: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.prior.step(figures, around, present, inside, hidden, cell)


class _Labelled(nn.Module):
    """A class-conditional generator; its label comes before the structure, which it may lack."""

    def __init__(self, generator: StyleGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, label: Tensor, structure: Tensor | None = None) -> Tensor:
        image: Tensor = self.generator(z, structure, label)
        return image


def define(network: nn.Module) -> Definition:
    """Names and shapes of any network of `concealer.networks`; recurrent ones as one step with explicit state.

    Raises ValueError for another network.
    """
    if isinstance(network, OnePassInpainter):
        prior = network.prior
        return Definition(network, _pictures(prior.resolution, prior.structure_channels), _image(prior.resolution))
    if isinstance(network, SequenceInpainter | GroupedPrior):
        recurrent = network.prior if isinstance(network, SequenceInpainter) else network
        side, hidden = recurrent.resolution, recurrent.hidden
        damaged, mask, *structure = _pictures(side, recurrent.structure_channels)
        states = _states(STATE, hidden)
        made = _image(side) if isinstance(network, SequenceInpainter) else (TensorSpec("z", (recurrent.z_size,)),)
        module = network if isinstance(network, SequenceInpainter) else _PriorStep(network)
        return Definition(module, (damaged, mask, *states, *structure), (*made, *_states(NEXT, hidden)))
    if isinstance(network, VideoPrior):
        return _video(network)
    if isinstance(network, SginInpainter | SginGenerator | RegionPredictor | OcclusionDetector):
        return _semantic(network)
    if isinstance(network, _BOOSTED):
        return _boosted(network)
    if isinstance(network, NoisePrior):
        inputs = _pictures(network.resolution, network.structure_channels)
        return Definition(network, inputs, (TensorSpec("z", (network.z_size,)),))
    if isinstance(network, Generator):
        side = network.resolution
        z, structure_input = TensorSpec("z", (network.z_size,)), _structure(side, network.structure_channels)
        if isinstance(network, StyleGenerator) and network.classes:
            label = TensorSpec("label", (network.classes,))
            return Definition(_Labelled(network), (z, label, *structure_input), _image(side))
        return Definition(network, (z, *structure_input), _image(side))
    if isinstance(network, LabelPredictor):
        return Definition(network, _pictures(network.resolution, 0), (TensorSpec("logits", (network.classes,)),))
    if isinstance(network, LandmarkDetector):
        return Definition(network, _pictures(network.resolution, 0), (TensorSpec("landmarks", (LANDMARKS, 2)),))
    if isinstance(network, LandmarkRefiner):
        points = network.points
        inputs = (TensorSpec("keypoints", (points, 2)), TensorSpec("switch", (points,)))
        return Definition(network, inputs, (TensorSpec("refined", (points, 2)),))
    if isinstance(network, DcganDiscriminator | StyleDiscriminator):
        side = network.resolution
        inputs = (TensorSpec("image", (3, side, side)), *_structure(side, network.structure_channels))
        return Definition(network, inputs, (TensorSpec("logit", (1,)),))
    raise ValueError(f"{type(network).__name__} is not a network that can be exported")


def _boosted(network: nn.Module) -> Definition:
    """The boosted GAN's networks; regions are probabilities, one channel a region."""
    if isinstance(network, AttributeDiscriminator):
        side = network.resolution
        inputs = (TensorSpec("image", (3, side, side)), TensorSpec("attributes", (network.attributes,)))
        return Definition(network, inputs, (TensorSpec("logit", (1,)),))
    if isinstance(network, AttributeEmbedding):
        made = TensorSpec("attribute_logits", (network.attributes,))
        return Definition(network, _pictures(network.resolution, 0), (made,))
    if isinstance(network, SegmentationEmbedding):
        side = network.resolution
        return Definition(network, _pictures(side, 0), (TensorSpec("region_logits", (network.regions, side, side)),))
    if isinstance(network, BoostedGenerator):
        side = network.resolution
        told = (TensorSpec("attributes", (network.attributes,)), TensorSpec("regions", (network.regions, side, side)))
        return Definition(network, (*_pictures(side, 0), *told), _image(side))
    assert isinstance(network, BoostedInpainter)
    return Definition(network, _pictures(network.resolution, 0), _image(network.resolution))


def _semantic(network: SginInpainter | SginGenerator | RegionPredictor | OcclusionDetector) -> Definition:
    """SGIN's networks; the label map is one binary channel a region."""
    side = network.resolution
    if isinstance(network, OcclusionDetector):
        return Definition(network, (TensorSpec("image", (3, side, side)),), (TensorSpec("occlusion", (1, side, side)),))
    if isinstance(network, RegionPredictor):
        return Definition(network, _pictures(side, 0), (TensorSpec("region_logits", (network.classes, side, side)),))
    if isinstance(network, SginGenerator):
        inputs = (*_pictures(side, 0), TensorSpec("regions", (network.classes, side, side)))
        return Definition(network, inputs, _image(side))
    return Definition(network, _pictures(side, 0), _image(side))


def _video(network: VideoPrior) -> Definition:
    tile = network.tile
    states = [(f"{{}}{name}", (network.hidden, *tile)) for name in ("hidden", "cell")]
    inputs = (
        TensorSpec("figures", (network.most, network.figures, *tile)),
        TensorSpec("around", (network.around, *tile)),
        TensorSpec("present", (network.most,)),
        TensorSpec("inside", (1, *tile)),
        *(TensorSpec(name.format(STATE), shape) for name, shape in states),
    )
    outputs = (
        TensorSpec("correction", (network.most, *tile)),
        *(TensorSpec(name.format(NEXT), shape) for name, shape in states),
    )
    return Definition(_VideoStep(network), inputs, outputs)


def task_of(definition: Definition) -> str:
    """What a network is good for in the stream: "inpaint", "landmarks", "occlusion", "choose" or "other"."""
    inputs = {spec.name for spec in definition.inputs}
    if definition.outputs[0].name == "correction":
        return "choose"
    if definition.outputs[0].name == "occlusion":
        return "occlusion"
    if not {"damaged", "mask"} <= inputs:
        return "other"
    if "regions" in inputs:
        return "other"
    made = definition.outputs[0].name
    return {"image": "inpaint", "landmarks": "landmarks"}.get(made, "other")


def _structure(side: int, channels: int) -> tuple[TensorSpec, ...]:
    return (TensorSpec("structure", (channels, side, side)),) if channels else ()


def _pictures(side: int, structure_channels: int) -> tuple[TensorSpec, ...]:
    return (
        TensorSpec("damaged", (3, side, side)),
        TensorSpec("mask", (1, side, side)),
        *_structure(side, structure_channels),
    )


def _image(side: int) -> tuple[TensorSpec, ...]:
    return (TensorSpec("image", (3, side, side)),)


def _states(prefix: str, hidden: int) -> tuple[TensorSpec, ...]:
    return TensorSpec(f"{prefix}hidden", (hidden,)), TensorSpec(f"{prefix}cell", (hidden,))
