"""The table of recipes: what each trains, on what, from which other recipe's weights, for how many steps.

Names end in the side of the pictures. `needs` are recipes whose weights a recipe starts from or keeps frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from concealer.networks.semantic_map import CHANNELS
from concealer.networks.weights import build, load_weights
from train.data.batches import Faces
from train.data.codec_masks import codec_mask, load_holes
from train.data.labels import CLASSES
from train.data.masks import MASKS, Maker
from train.data.shards import read_shards
from train.data.synthetic import synthetic_faces
from train.gan import GanSettings, GanTrainer
from train.landmarks import DetectorTrainer, RefinerTrainer
from train.prior import GroupedTrainer, LabelTrainer, PriorTrainer
from train.recipe_types import Spec
from train.run import Trainer

SIZES = (64, 128, 256)
_CAPACITY = {64: (1024, 128), 128: (2048, 160), 256: (4096, 192)}
"""Capacity and most feature maps of the style-modulated networks and priors."""
CODEC_MASKS = "codec-masks.safetensors"
WINDOW = 6
"""W: pictures in a group."""
_SMOKE = {"capacity": 512, "most": 16, "width": 4, "z_size": 16, "hidden": 16}
"""Sizes of networks in a smoke run, where a network has them."""


@dataclass(slots=True)
class Context:
    """Where a recipe finds things."""

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

    def makers(self) -> list[Maker]:
        """All masks of the papers, and holes as codecs make them as often as those together.

        Raises ValueError if the holes have not been packed.
        """
        papers = list(MASKS.values())
        path = self.shards / CODEC_MASKS
        if self.smoke and not path.exists():
            return papers
        return papers + len(papers) * [codec_mask(load_holes(path))]

    def spec(self, name: str, **arguments: Any) -> Spec:
        """A network's class name and arguments, made small in a smoke run."""
        if self.smoke:
            arguments |= {key: value for key, value in _SMOKE.items() if key in arguments}
        return name, arguments

    def trained(self, recipe: str, part: str, otherwise: Spec) -> nn.Module:
        """A network another recipe trained; in a smoke run without one, a fresh one.

        Raises ValueError if the recipe has not run.
        """
        path = self.runs / recipe / f"{part}.safetensors"
        if self.smoke and not path.exists():
            torch.manual_seed(self.seed)
            return build(*otherwise).to(self.device)
        if not path.exists():
            raise ValueError(f"{path} is missing: train {recipe} first")
        return load_weights(path).to(self.device)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training."""

    name: str
    steps: int
    make: Callable[[Context], Trainer]
    about: str
    needs: tuple[str, ...] = ()


def style_specs(context: Context, size: int, structure: int, classes: int = 0) -> tuple[Spec, Spec, Spec]:
    """The style-modulated generator, its discriminator and its encoder."""
    capacity, most = _CAPACITY[size]
    labels = {"classes": classes} if classes else {}
    generator = context.spec(
        "StyleGenerator",
        resolution=size,
        z_size=128,
        structure_channels=structure,
        capacity=capacity,
        most=most,
        **labels,
    )
    judge = context.spec(
        "StyleDiscriminator",
        resolution=size,
        structure_channels=structure,
        capacity=capacity * 3 // 4,
        most=most * 3 // 4,
        **labels,
    )
    encoder = context.spec(
        "NoisePrior", resolution=size, z_size=128, structure_channels=0, capacity=capacity, most=most
    )
    return generator, judge, encoder


def _style(context: Context, size: int, structure: int, start: str | None, classes: int = 0) -> Trainer:
    generator, judge, encoder = style_specs(context, size, structure, classes)
    settings = GanSettings(
        generator,
        judge,
        encoder,
        batch=4 if context.smoke else 16,
        rate=3e-4,
        betas=(0.0, 0.99),
        augment=True,
        penalty=1.0,
        average=0.0 if context.smoke else 0.995,
        warm_up=1 if context.smoke else 200 if start is None else 0,
    )
    parts: dict[str, nn.Module] | None = None
    if start is not None:
        plain = style_specs(context, size, 0)
        parts = {
            "generator": context.trained(start, "generator", plain[0]),
            "judge": context.trained(start, "judge", plain[1]),
            "encoder": context.trained(start, "encoder", plain[2]),
        }
    return GanTrainer(settings, *_stills(context, size), context.seed, parts)


def _paper_gan(context: Context, size: int, conditioned: bool) -> Trainer:
    """As Yeh et al. 2017 (after Radford et al. 2015) and Lahiri et al. 2017, section 4.4, train theirs."""
    width = {64: 32, 128: 16, 256: 8}[size]
    structure = CHANNELS if conditioned else 0
    generator = (
        context.spec("SemanticGenerator", resolution=size, width=16 if size == 64 else 12)
        if conditioned
        else context.spec("DcganGenerator", resolution=size, width=width)
    )
    judge = context.spec("DcganDiscriminator", resolution=size, width=width, structure_channels=structure)
    settings = GanSettings(
        generator, judge, batch=8 if context.smoke else 64, betas=(0.5, 0.5 if conditioned else 0.999)
    )
    return GanTrainer(settings, *_stills(context, size), context.seed)


def _detector(context: Context, size: int) -> Trainer:
    capacity, most = _CAPACITY[size]
    spec = context.spec("LandmarkDetector", resolution=size, size=128, capacity=capacity, most=most)
    train, held_out = _stills(context, size)
    faces = [train, context.faces("clips-train", size)]
    return DetectorTrainer(spec, faces, held_out, 8 if context.smoke else 32, 5e-4, context.seed)


def _refiner(context: Context, size: int) -> Trainer:
    spec = context.spec("LandmarkRefiner", hidden=512)
    train, held_out = _stills(context, size)
    faces = [train, context.faces("clips-train", size)]
    return RefinerTrainer(spec, faces, held_out, 16 if context.smoke else 128, 3e-4, context.seed)


def _frozen(context: Context, size: int, recipe: str, structure: int, classes: int = 0) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of a GAN recipe."""
    generator, judge, _ = style_specs(context, size, structure, classes)
    return context.trained(recipe, "generator", generator), context.trained(recipe, "judge", judge)


def _prior_arguments(size: int, structure: int) -> dict[str, Any]:
    capacity, most = _CAPACITY[size]
    return {"resolution": size, "z_size": 128, "structure_channels": structure, "capacity": capacity, "most": most}


def _prior(context: Context, size: int, structure: int, gan: str, classes: int = 0) -> Trainer:
    generator, judge = _frozen(context, size, gan, structure, classes)
    encoder = context.trained(gan, "encoder", style_specs(context, size, 0)[2])
    return PriorTrainer(
        context.spec("NoisePrior", **_prior_arguments(size, structure)),
        generator,
        judge,
        encoder,
        *_stills(context, size),
        context.makers(),
        4 if context.smoke else 16,
        5e-4,
        context.seed,
        taught=1 if context.smoke else 400,
        classes=classes,
    )


def _grouped(context: Context, size: int, structure: int, gan: str, prior: str) -> Trainer:
    arguments = _prior_arguments(size, structure)
    return GroupedTrainer(
        context.spec("GroupedPrior", **arguments, hidden=192),
        *_frozen(context, size, gan, structure),
        context.trained(prior, "prior", context.spec("NoisePrior", **arguments)),
        context.faces("stills-train", size),
        context.faces("clips-train", size),
        context.makers(),
        2 if context.smoke else 4,
        2 if context.smoke else WINDOW,
        3e-4,
        context.seed,
    )


def _labels(context: Context, size: int) -> Trainer:
    capacity, most = _CAPACITY[size]
    spec = context.spec("LabelPredictor", resolution=size, classes=len(CLASSES), capacity=capacity, most=most)
    batch = 8 if context.smoke else 32
    return LabelTrainer(spec, *_stills(context, size), context.makers(), batch, 5e-4, context.seed)


def _stills(context: Context, size: int) -> tuple[Faces, Faces]:
    return context.faces("stills-train", size), context.faces("stills-val", size)


def _recipes_at(size: int) -> list[Recipe]:
    steps = {64: 40_000, 128: 60_000, 256: 80_000}[size]
    return [
        Recipe(f"style-{size}", steps, lambda c: _style(c, size, 0, None), "style-modulated GAN with encoder"),
        Recipe(
            f"style-structure-{size}",
            steps // 2,
            lambda c: _style(c, size, CHANNELS, f"style-{size}"),
            "the same conditioned on structure, from the weights of the unconditioned one",
            (f"style-{size}",),
        ),
        Recipe(f"dcgan-{size}", 25_000, lambda c: _paper_gan(c, size, False), "DCGAN of iterative inference"),
        Recipe(f"sg-gan-{size}", 25_000, lambda c: _paper_gan(c, size, True), "conditioned conv-deconv GAN of SG-GAN"),
        Recipe(f"detector-{size}", 20_000, lambda c: _detector(c, size), "landmarks from damaged crops"),
        Recipe(f"refiner-{size}", 20_000, lambda c: _refiner(c, size), "landmarks from those outside the hole"),
        Recipe(
            f"prior-{size}",
            20_000,
            lambda c: _prior(c, size, 0, f"style-{size}"),
            "M_z: one-pass noise prior",
            (f"style-{size}",),
        ),
        Recipe(
            f"prior-structure-{size}",
            20_000,
            lambda c: _prior(c, size, CHANNELS, f"style-structure-{size}"),
            "M_z+S: the same with structure",
            (f"style-structure-{size}",),
        ),
        Recipe(
            f"grouped-{size}",
            10_000,
            lambda c: _grouped(c, size, 0, f"style-{size}", f"prior-{size}"),
            "M_z+L: LSTM over the pictures of a sequence",
            (f"style-{size}", f"prior-{size}"),
        ),
        Recipe(
            f"grouped-structure-{size}",
            10_000,
            lambda c: _grouped(c, size, CHANNELS, f"style-structure-{size}", f"prior-structure-{size}"),
            "M_z+S+L: the same with structure",
            (f"style-structure-{size}", f"prior-structure-{size}"),
        ),
        Recipe(
            f"style-labels-{size}",
            steps // 2,
            lambda c: _style(c, size, 0, f"style-{size}", len(CLASSES)),
            "class-conditional GAN, from the weights of the plain one",
            (f"style-{size}",),
        ),
        Recipe(f"labels-{size}", 10_000, lambda c: _labels(c, size), "class of a damaged picture"),
        Recipe(
            f"prior-labels-{size}",
            20_000,
            lambda c: _prior(c, size, 0, f"style-labels-{size}", len(CLASSES)),
            "one-pass prior of the class-conditional generator",
            (f"style-labels-{size}",),
        ),
    ]


RECIPES: dict[str, Recipe] = {recipe.name: recipe for size in SIZES for recipe in _recipes_at(size)}


def smoke(recipe: Recipe) -> Recipe:
    """The recipe with two steps."""
    return replace(recipe, steps=2)
