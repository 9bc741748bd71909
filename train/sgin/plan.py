"""Recipes of SGIN: what each trains, and with what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from torch import nn

from concealer.networks.occlusion_detector import OcclusionDetector
from concealer.networks.region_predictor import RegionPredictor
from train.context import Context
from train.data.batches import Faces
from train.data.masks import Maker, half
from train.data.occluders import centre_70, hand_mask, object_mask
from train.data.shards import read_shards
from train.data.split import split
from train.sgin.occlusion import OcclusionTrainer
from train.sgin.regions import RegionTrainer
from train.sgin.trainer import SginSettings, SginTrainer
from train.spec import FitSettings, NetworkSpec

SMALLEST = 64
"""Resolution that the others grow from."""
WARM_UP, ALONE, RAMP = 550, 50, 100
"""Steps of reconstruction alone, then of the discriminator alone, then over which its weight grows."""
_CAPACITY, _MOST, _STYLE = 768, 96, 48


@dataclass(frozen=True, slots=True)
class Occlusion:
    """The occlusion detector."""

    size: int

    @property
    def needs(self) -> tuple[str, ...]:
        """Recipes whose weights it starts from or keeps frozen."""
        return _below("occlusion", self.size)

    def trainer(self, context: Context) -> OcclusionTrainer:
        """Ready for its first step. Raises ValueError if what it needs is not there."""
        settings = FitSettings(detector_spec(context, self.size), context.count(16, smoke=4), 1e-3)
        start = _start(context, "occlusion", "detector", self.size, detector_spec)
        faces, held_out = _stills(context, self.size, own=False)
        codec = context.makers()[-1:]  # the papers' masks come first
        return OcclusionTrainer(settings, faces, held_out, codec, context.seed, cast(OcclusionDetector | None, start))


@dataclass(frozen=True, slots=True)
class Regions:
    """The map predictor, on pictures that nothing else of SGIN is trained on."""

    size: int

    @property
    def needs(self) -> tuple[str, ...]:
        return _below("regions", self.size)

    def trainer(self, context: Context) -> RegionTrainer:
        settings = FitSettings(regions_spec(context, self.size), context.count(16, smoke=4), 1e-3)
        start = _start(context, "regions", "regions", self.size, regions_spec)
        faces, held_out = _stills(context, self.size, own=True)
        sets = [faces, context.faces("clips-train", self.size)]
        start = cast(RegionPredictor | None, start)
        return RegionTrainer(settings, sets, held_out, _makers(context), context.seed, start)


@dataclass(frozen=True, slots=True)
class Sgin:
    """The generator, whole or with a part left out."""

    size: int
    name: str = "sgin"
    feedback: bool = True
    attention: bool = True
    distil: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        judge = f"style-{self.size}" if self.size == SMALLEST else f"{self.name}-{self.size // 2}"
        return f"regions-{self.size}", judge

    def trainer(self, context: Context) -> SginTrainer:
        generator = partial(generator_spec, attention=self.attention, feedback=self.feedback)
        settings = SginSettings(
            generator(context, self.size),
            judge_spec(context, self.size),
            batch=context.count(8, smoke=4),
            rate=1e-3,
            distil=self.distil,
            warm_up=context.count(WARM_UP, smoke=1) if self.size == SMALLEST else context.count(100, smoke=1),
            alone=context.count(ALONE, smoke=0),
            ramp=context.count(RAMP, smoke=0),
        )
        regions = context.trained(f"regions-{self.size}", "regions", regions_spec(context, self.size))
        grown = _start(context, self.name, "generator", self.size, generator)
        # The discriminator of the style-modulated GAN already knows faces.
        judge = (
            context.trained(f"style-{SMALLEST}", "judge", judge_spec(context, SMALLEST))
            if self.size == SMALLEST
            else _start(context, self.name, "judge", self.size, judge_spec)
        )
        faces, held_out = _stills(context, self.size, own=False)
        return SginTrainer(settings, regions, faces, held_out, _makers(context), context.seed, (grown, judge))


def detector_spec(context: Context, size: int) -> NetworkSpec:
    """What finds occlusion."""
    return context.spec("OcclusionDetector", resolution=size, capacity=_CAPACITY, most=_MOST)


def regions_spec(context: Context, size: int) -> NetworkSpec:
    """What predicts the label map."""
    return context.spec("RegionPredictor", resolution=size, capacity=_CAPACITY, most=_MOST)


def generator_spec(context: Context, size: int, attention: bool, feedback: bool) -> NetworkSpec:
    """What draws the picture; parts that are left out are named."""
    left_out = {name: False for name, there in (("attention", attention), ("feedback", feedback)) if not there}
    return context.spec("SginGenerator", resolution=size, size=_STYLE, capacity=_CAPACITY, most=_MOST, **left_out)


def judge_spec(context: Context, size: int) -> NetworkSpec:
    """The discriminator, as large as that of `style-N`."""
    return context.spec("StyleDiscriminator", resolution=size, structure_channels=0, capacity=768, most=96)


def _makers(context: Context) -> list[Maker]:
    """Hands and objects as often as all other masks together; those of the table among them."""
    others = [*context.makers(), half, centre_70]
    return [*others, *(len(others) // 2 * [hand_mask, object_mask])]


def _stills(context: Context, size: int, own: bool) -> tuple[Faces, Faces]:
    """Stills to train on, of the map predictor's own split or of all others, and of held-out identities."""
    if context.smoke:
        return context.stills(size)
    part = split(read_shards(context.shards, "stills-train", size), own)
    return Faces(part, context.device), context.faces("stills-val", size)


def _below(recipe: str, size: int) -> tuple[str, ...]:
    return () if size == SMALLEST else (f"{recipe}-{size // 2}",)


def _start(
    context: Context, recipe: str, part: str, size: int, spec: Callable[[Context, int], NetworkSpec]
) -> nn.Module | None:
    """The network of half the resolution, from which this one grows; None at the lowest."""
    if size == SMALLEST:
        return None
    return context.trained(f"{recipe}-{size // 2}", part, spec(context, size // 2))
