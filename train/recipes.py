"""The table of recipes: what each trains, on what, from which other recipe's weights, for how many steps.

Names end in the side of the pictures. `needs` are recipes whose weights a recipe starts from or keeps frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from concealer.face_map import CHANNELS
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.landmark_refiner import LandmarkRefiner
from concealer.networks.weights import build, load_weights
from train.calls import freeze
from train.data.batches import Faces
from train.data.codec_masks import codec_mask, load_holes
from train.data.labels import CLASSES
from train.data.masks import MASKS, Maker
from train.data.shards import read_shards
from train.data.synthetic import synthetic_faces
from train.gan import GanSettings, GanTrainer
from train.grouped import GroupedTrainer
from train.landmarks import DetectorTrainer, RefinerTrainer
from train.prior import LabelTrainer, PriorTrainer
from train.recipe_types import Spec
from train.run import Trainer
from train.structure import Structure
from train.take_over import AVERAGE

SIZES = (64, 128, 256)
_CAPACITY, _MOST = 1024, 128
"""Capacity and most feature maps of the style-modulated networks and priors: the same at every resolution, so that
larger ones grow from smaller ones."""
CODEC_MASKS = "codec-masks.safetensors"
WINDOW = 6
"""W: pictures in a group."""
WARM_UP = 3700
"""Steps of reconstruction alone before the discriminator of a fresh style generator."""
TAUGHT, TAUGHT_GROUPS = 2000, 300
"""Steps in which priors, and grouped ones, are taught z before eq. 7; M_z+S, which starts from M_z, a quarter."""
Start = tuple[str, int, int]
"""A recipe, its resolution and its structure channels."""
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
    labels = {"classes": classes} if classes else {}
    generator = context.spec(
        "StyleGenerator",
        resolution=size,
        z_size=128,
        structure_channels=structure,
        capacity=_CAPACITY,
        most=_MOST,
        **labels,
    )
    judge = context.spec(
        "StyleDiscriminator",
        resolution=size,
        structure_channels=structure,
        capacity=_CAPACITY * 3 // 4,
        most=_MOST * 3 // 4,
        **labels,
    )
    encoder = context.spec(
        "NoisePrior", resolution=size, z_size=128, structure_channels=0, capacity=_CAPACITY, most=_MOST
    )
    return generator, judge, encoder


def _style(context: Context, size: int, structure: int, start: Start | None, classes: int = 0) -> Trainer:
    """`start`: recipe, resolution and structure channels of the networks to start from; None: eigenfaces."""
    generator, judge, encoder = style_specs(context, size, structure, classes)
    settings = GanSettings(
        generator,
        judge,
        encoder,
        batch=4 if context.smoke else 16,
        rate=5e-4,
        betas=(0.5, 0.99),
        augment=True,
        penalty=1.0,
        average=0.0 if context.smoke else AVERAGE,
        warm_up=1 if context.smoke else WARM_UP if start is None else 400,
        alone=0 if context.smoke or start is not None else 200,
        ramp=0 if context.smoke else 400,
    )
    parts = None
    if start is not None:
        names = ("generator", "judge", "encoder")
        specs = zip(names, style_specs(context, *start[1:]), strict=True)
        parts = {name: context.trained(start[0], name, spec) for name, spec in specs}
    makers = context.makers() if structure else ()
    return GanTrainer(settings, *_stills(context, size), context.seed, parts, makers)


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


def _detector(context: Context, size: int, smaller: str | None) -> Trainer:
    """`smaller`: the recipe of the detector at half the resolution to start from."""
    train, held_out = _stills(context, size)
    faces = [train, context.faces("clips-train", size)]
    start = context.trained(smaller, "detector", _finders(context, size // 2)[0]) if smaller else None
    spec = _finders(context, size)[0]
    return DetectorTrainer(spec, faces, held_out, 8 if context.smoke else 32, 5e-4, context.seed, start)


def _refiner(context: Context, size: int, smaller: str | None) -> Trainer:
    train, held_out = _stills(context, size)
    faces = [train, context.faces("clips-train", size)]
    spec = _finders(context, size)[1]
    start = context.trained(smaller, "refiner", spec) if smaller else None
    return RefinerTrainer(spec, faces, held_out, 16 if context.smoke else 128, 3e-4, context.seed, start)


def _finders(context: Context, size: int) -> tuple[Spec, Spec]:
    """The landmark detector and the refiner."""
    detector = context.spec("LandmarkDetector", resolution=size, size=128, capacity=_CAPACITY, most=_MOST)
    return detector, context.spec("LandmarkRefiner", hidden=512)


def _finder(context: Context, size: int) -> Structure:
    """What finds the structure of damaged pictures."""
    detector, refiner = _finders(context, size)
    return Structure(
        cast(LandmarkDetector, freeze(context.trained(f"detector-{size}", "detector", detector))),
        cast(LandmarkRefiner, freeze(context.trained(f"refiner-{size}", "refiner", refiner))),
    )


def _frozen(
    context: Context, size: int, recipe: str, structure: int, classes: int = 0
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Generator, discriminator and encoder of a GAN recipe."""
    generator, judge, encoder = style_specs(context, size, structure, classes)
    return (
        context.trained(recipe, "generator", generator),
        context.trained(recipe, "judge", judge),
        context.trained(recipe, "encoder", encoder),
    )


def _prior_spec(context: Context, network: str, size: int, structure: int) -> Spec:
    more = {"hidden": 192} if network == "GroupedPrior" else {}
    return context.spec(
        network,
        resolution=size,
        z_size=128,
        structure_channels=structure,
        capacity=_CAPACITY,
        most=_MOST,
        **more,
    )


def _prior(
    context: Context, size: int, structure: int, gan: str, begin: Start | None, taught: int, classes: int = 0
) -> Trainer:
    """`begin`: the prior to start from; None: the GAN's encoder. `taught`: as in `PriorTrainer`."""
    networks = _frozen(context, size, gan, structure, classes)
    start = networks[2]
    if begin is not None:
        start = context.trained(begin[0], "prior", _prior_spec(context, "NoisePrior", *begin[1:]))
    return PriorTrainer(
        _prior_spec(context, "NoisePrior", size, structure),
        *networks,
        start,
        *_stills(context, size),
        context.makers(),
        4 if context.smoke else 16,
        5e-4,
        context.seed,
        taught=min(taught, 1) if context.smoke else taught,
        classes=classes,
        finder=_finder(context, size) if structure else None,
    )


def _grouped(context: Context, size: int, structure: int, gan: str, prior: str, smaller: str | None) -> Trainer:
    """`smaller`: as in `_prior`; None: the image prior, and taught."""
    if smaller is not None:
        start = context.trained(smaller, "prior", _prior_spec(context, "GroupedPrior", size // 2, structure))
    else:
        start = context.trained(prior, "prior", _prior_spec(context, "NoisePrior", size, structure))
    return GroupedTrainer(
        _prior_spec(context, "GroupedPrior", size, structure),
        *_frozen(context, size, gan, structure),
        start,
        *_stills(context, size),
        context.faces("clips-train", size),
        context.makers(),
        2 if context.smoke else 4,
        2 if context.smoke else WINDOW,
        3e-4,
        context.seed,
        taught=(1 if context.smoke else TAUGHT_GROUPS) if smaller is None else 0,
        finder=_finder(context, size) if structure else None,
    )


def _labels(context: Context, size: int) -> Trainer:
    spec = context.spec("LabelPredictor", resolution=size, classes=len(CLASSES), capacity=_CAPACITY, most=_MOST)
    batch = 8 if context.smoke else 32
    return LabelTrainer(spec, *_stills(context, size), context.makers(), batch, 5e-4, context.seed)


def _stills(context: Context, size: int) -> tuple[Faces, Faces]:
    return context.faces("stills-train", size), context.faces("stills-val", size)


def _recipes_at(size: int) -> list[Recipe]:
    steps = {64: 40_000, 128: 60_000, 256: 80_000}[size]
    less = None if size == SIZES[0] else size // 2
    gans = {0: "style", CHANNELS: "style-structure"}
    priors = {0: ("prior", "grouped"), CHANNELS: ("prior-structure", "grouped-structure")}
    marks = (f"detector-{size}", f"refiner-{size}")
    grown = f", grown from the one at {less} px" if less else ""

    def below(name: str) -> str | None:
        return f"{name}-{less}" if less else None

    def start(structure: int) -> Start | None:
        """A GAN starts from the same at half the resolution; at the lowest, that with structure from that without."""
        if less:
            return f"{gans[structure]}-{less}", less, structure
        return (f"style-{size}", size, 0) if structure else None

    def style(structure: int, about: str, share: int) -> Recipe:
        begin = start(structure)
        needs = (begin[0],) if begin else ()
        return Recipe(
            f"{gans[structure]}-{size}",
            steps // share,
            lambda c: _style(c, size, structure, begin),
            about + grown,
            needs,
        )

    def prior(structure: int, about: str) -> Recipe:
        gan, name = f"{gans[structure]}-{size}", priors[structure][0]
        begin: Start | None = (f"{name}-{less}", less, structure) if less else None
        taught = 0 if less else TAUGHT
        if structure and not less:
            begin, taught = (f"prior-{size}", size, 0), TAUGHT // 4
        needs = (gan, *(marks if structure else ()), *([begin[0]] if begin else []))
        return Recipe(
            f"{name}-{size}", 20_000, lambda c: _prior(c, size, structure, gan, begin, taught), about + grown, needs
        )

    def grouped(structure: int, about: str) -> Recipe:
        gan, (image, name) = f"{gans[structure]}-{size}", priors[structure]
        needs = (gan, f"{name}-{less}" if less else f"{image}-{size}", *(marks if structure else ()))
        return Recipe(
            f"{name}-{size}",
            10_000,
            lambda c: _grouped(c, size, structure, gan, f"{image}-{size}", below(name)),
            about + grown,
            needs,
        )

    return [
        style(0, "style-modulated GAN with encoder", 1),
        style(CHANNELS, "the same conditioned on structure", 2),
        Recipe(f"dcgan-{size}", 25_000, lambda c: _paper_gan(c, size, False), "DCGAN of iterative inference"),
        Recipe(f"sg-gan-{size}", 25_000, lambda c: _paper_gan(c, size, True), "conditioned conv-deconv GAN of SG-GAN"),
        Recipe(
            f"detector-{size}",
            20_000,
            lambda c: _detector(c, size, below("detector")),
            "landmarks from damaged crops" + grown,
            (f"detector-{less}",) if less else (),
        ),
        Recipe(
            f"refiner-{size}",
            20_000,
            lambda c: _refiner(c, size, below("refiner")),
            "landmarks from those outside the hole",
            (f"refiner-{less}",) if less else (),
        ),
        prior(0, "M_z: one-pass noise prior"),
        prior(CHANNELS, "M_z+S: the same with structure"),
        grouped(0, "M_z+L: LSTM over the pictures of a sequence"),
        grouped(CHANNELS, "M_z+S+L: the same with structure"),
        Recipe(
            f"style-labels-{size}",
            steps // 2,
            lambda c: _style(c, size, 0, (f"style-{size}", size, 0), len(CLASSES)),
            "class-conditional GAN, from the weights of the plain one",
            (f"style-{size}",),
        ),
        Recipe(f"labels-{size}", 10_000, lambda c: _labels(c, size), "class of a damaged picture"),
        Recipe(
            f"prior-labels-{size}",
            20_000,
            lambda c: _prior(c, size, 0, f"style-labels-{size}", (f"prior-{size}", size, 0), 0, len(CLASSES)),
            "one-pass prior of the class-conditional generator, from M_z",
            (f"style-labels-{size}", f"prior-{size}"),
        ),
    ]


RECIPES: dict[str, Recipe] = {recipe.name: recipe for size in SIZES for recipe in _recipes_at(size)}


def smoke(recipe: Recipe) -> Recipe:
    """The recipe with two steps."""
    return replace(recipe, steps=2)
