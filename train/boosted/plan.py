"""Recipes of the boosted GAN: what each trains, and with what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from concealer.face_map import PARTS
from train.boosted.embeddings import AttributeTrainer, SegmentationTrainer, frozen_embeddings
from train.boosted.lambdas import LAMBDA
from train.boosted.trainer import BoostedSettings, BoostedTrainer
from train.context import Context
from train.data.attributes import ATTRIBUTES
from train.data.masks import Maker, Mask, block, central
from train.sizes import SIZES, Z, detector_spec, style_specs
from train.spec import FitSettings, NetworkSpec


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps of one training."""

    warm_up: int
    """That only reconstruct."""
    alone: int
    """After these, in which the discriminators learn and the generator does not heed them."""
    steps: int
    """In all."""


START = "boosted-start"
"""The recipe that all of the ablation start from."""
_START, VARIANT = Schedule(1200, 0, 1200), Schedule(350, 50, 500)
"""Of that recipe, and of those of the ablation."""
WHOLE, GROWN = Schedule(900, 30, 1000), Schedule(80, 10, 100)
"""Of the whole system, which goes on from one of the ablation, and of those that are grown."""
_LEAST_SIDE, _MOST_SIDE = 80 / 256, 160 / 256
_CAPACITY, _MOST = 1024, 128
"""Of the embedding networks' trunks, as of `detector-N`."""
_JUDGE_CAPACITY, _JUDGE_MOST = 384, 64
"""Of the attribute and segmentation discriminators; the global one is as large as that of `style-N`."""


def rectangle(size: int, rng: np.random.Generator) -> Mask:
    """A rectangle anywhere, with sides of 80 to 160 of 256 pixels: the paper's (section IV)."""
    height, width = (round(size * float(side)) for side in rng.uniform(_LEAST_SIDE, _MOST_SIDE, 2))
    return block(size, rng, height, width)


@dataclass(frozen=True, slots=True)
class Embedding:
    """W_a or W_s."""

    size: int
    part: str
    """"attributes" or "segmentation"."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Recipes whose weights it starts from or keeps frozen."""
        return (f"detector-{self.size}",) if self.size == SIZES[0] else (f"{self.part}-{self.size // 2}",)

    def trainer(self, context: Context) -> AttributeTrainer | SegmentationTrainer:
        """Ready for its first step. Raises ValueError if what it needs is not there."""
        if self.size == SIZES[0]:
            start = context.trained(f"detector-{self.size}", "detector", detector_spec(context, self.size))
        else:
            below = self.size // 2
            start = context.trained(f"{self.part}-{below}", self.part, embedding_spec(context, below, self.part))
        settings = FitSettings(embedding_spec(context, self.size, self.part), context.count(32, smoke=4), 1e-3)
        trainer = AttributeTrainer if self.part == "attributes" else SegmentationTrainer
        return trainer(settings, *context.stills(self.size), _makers(context), context.seed, start)


@dataclass(frozen=True, slots=True)
class Boosted:
    """The generator and its discriminators, or with none the common start of all variants."""

    size: int
    name: str = "boosted"
    after: str = "boosted-both"
    """The recipe whose networks it goes on from at the lowest resolution; larger ones grow from themselves."""
    lambda_a: float = LAMBDA
    lambda_s: float = LAMBDA
    reconstruct: bool = False
    """Whether this is the common start."""

    @property
    def schedule(self) -> Schedule:
        """How long what is trained."""
        if self.reconstruct:
            return _START
        if self.size > SIZES[0]:
            return GROWN
        return VARIANT if self.after == START else WHOLE

    @property
    def needs(self) -> tuple[str, ...]:
        embeddings = (f"attributes-{self.size}", f"segmentation-{self.size}")
        fresh = self.size == SIZES[0] and self.after == START and not self.reconstruct
        style = (f"style-{self.size}",) if fresh else ()
        return (*embeddings, *self._below(), *style)

    def trainer(self, context: Context) -> BoostedTrainer:
        settings = BoostedSettings(
            generator_spec(context, self.size),
            {} if self.reconstruct else judge_specs(context, self.size, self.lambda_a, self.lambda_s),
            self.lambda_a,
            self.lambda_s,
            batch=context.count(16, smoke=4),
            rate=2e-3 if self.reconstruct else 1e-3,
            steps=self.schedule.steps,
            warm_up=context.count(self.schedule.warm_up, smoke=0),
            alone=context.count(self.schedule.alone, smoke=0),
            unknown=self.reconstruct,
        )
        embeddings = frozen_embeddings(
            *(
                context.trained(f"{part}-{self.size}", part, embedding_spec(context, self.size, part))
                for part in ("attributes", "segmentation")
            )
        )
        faces, held_out = context.stills(self.size)
        if self.schedule in (_START, VARIANT):
            seed, clips = context.seed, None
        else:  # what goes on from a variant sees other batches than that has seen, and more kinds of faces
            seed, clips = context.seed + 1, context.faces("clips-train", self.size)
        return BoostedTrainer(
            settings, embeddings, faces, held_out, _makers(context), seed, self._start(context), clips
        )

    def _below(self) -> tuple[str, ...]:
        """The recipe that the generator starts from, if there is one."""
        if self.size > SIZES[0]:
            return (f"{self.name}-{self.size // 2}",)
        return () if self.reconstruct else (f"{self.after}-{self.size}",)

    def _start(self, context: Context) -> dict[str, nn.Module]:
        """Networks to start from, by part name."""
        lowest = self.size == SIZES[0]
        below = self.size if lowest else self.size // 2
        start: dict[str, nn.Module] = {}
        fresh = lowest and self.after == START
        for recipe in self._below():
            start["generator"] = context.trained(recipe, "generator", generator_spec(context, below))
            if not (fresh or self.reconstruct):
                for name, spec in judge_specs(context, below, self.lambda_a, self.lambda_s).items():
                    start[name] = context.trained(recipe, name, spec)
        if fresh and not self.reconstruct:  # the discriminator of the style-modulated GAN already knows faces
            start["judge"] = context.trained(f"style-{below}", "judge", style_specs(context, below, 0).judge)
        return start


def embedding_spec(context: Context, size: int, part: str) -> NetworkSpec:
    """W_a or W_s."""
    common = {"resolution": size, "size": Z, "capacity": _CAPACITY, "most": _MOST}
    if part == "attributes":
        return context.spec("AttributeEmbedding", attributes=len(ATTRIBUTES), **common)
    return context.spec("SegmentationEmbedding", regions=len(PARTS), width=32, **common)


def generator_spec(context: Context, size: int) -> NetworkSpec:
    """The same for every variant."""
    return context.spec("BoostedGenerator", resolution=size, attributes=len(ATTRIBUTES), regions=len(PARTS), width=16)


def judge_specs(context: Context, size: int, lambda_a: float, lambda_s: float) -> dict[str, NetworkSpec]:
    """The discriminators by part name."""
    small = {"resolution": size, "capacity": _JUDGE_CAPACITY, "most": _JUDGE_MOST}
    specs = {"judge": style_specs(context, size, 0).judge}
    if lambda_a:
        specs["attribute-judge"] = context.spec("AttributeDiscriminator", attributes=len(ATTRIBUTES), **small)
    if lambda_s:
        specs["segmentation-judge"] = context.spec("StyleDiscriminator", structure_channels=len(PARTS), **small)
    return specs


def _makers(context: Context) -> list[Maker]:
    """Half of the masks as everywhere, a third the paper's rectangles, a sixth central."""
    usual = context.makers()
    return [*usual, *(2 * len(usual) // 3 * [rectangle]), *(len(usual) // 3 * [central])]
