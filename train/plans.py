"""What can be trained, and how: a plan is a value that makes the trainer once it is told where things are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from torch import nn

from concealer.face_map import CHANNELS
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.landmark_refiner import LandmarkRefiner
from train.calls import FrozenGan, freeze
from train.context import Context
from train.data.batches import Faces
from train.gan import GanSettings, GanTrainer
from train.grouped import GroupedSettings, GroupedTrainer
from train.landmarks import DetectorTrainer, RefinerTrainer
from train.prior import LabelTrainer, PriorSettings, PriorTrainer
from train.run import Trainer
from train.sizes import (
    detector_spec,
    grouped_prior_spec,
    image_prior_spec,
    label_spec,
    paper_specs,
    refiner_spec,
    style_specs,
)
from train.spec import FitSettings
from train.structure import Structure
from train.take_over import AVERAGE

WINDOW = 6
"""W: pictures in a group."""
WARM_UP = 3700
"""Steps of reconstruction alone before the discriminator of a fresh style generator."""


@dataclass(frozen=True, slots=True)
class Start:
    """Networks of another recipe to start from."""

    recipe: str
    size: int
    structure: int = 0
    """Channels of their structure map."""


class Plan(Protocol):
    """What a recipe trains."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Recipes whose weights it starts from or keeps frozen."""

    def trainer(self, context: Context) -> Trainer:
        """Ready for its first step. Raises ValueError if what it needs is not there."""


@dataclass(frozen=True, slots=True)
class StyleGan:
    """The style-modulated GAN with an encoder beside it."""

    size: int
    structure: int = 0
    classes: int = 0
    start: Start | None = None
    """None: eigenfaces."""

    @property
    def needs(self) -> tuple[str, ...]:
        return _recipes(self.start)

    def trainer(self, context: Context) -> GanTrainer:
        start, smoke = self.start, context.smoke
        settings = GanSettings(
            style_specs(context, self.size, self.structure, self.classes),
            batch=context.count(16, smoke=4),
            rate=5e-4,
            betas=(0.5, 0.99),
            augment=True,
            penalty=1.0,
            average=0.0 if smoke else AVERAGE,
            warm_up=1 if smoke else WARM_UP if start is None else 400,
            alone=0 if smoke or start is not None else 200,
            ramp=0 if smoke else 400,
        )
        parts: dict[str, nn.Module] | None = None
        if start is not None:
            specs = style_specs(context, start.size, start.structure).by_part()
            parts = {name: context.trained(start.recipe, name, spec) for name, spec in specs.items()}
        makers = context.makers() if self.structure else ()
        return GanTrainer(settings, *context.stills(self.size), context.seed, parts, makers)


@dataclass(frozen=True, slots=True)
class PaperGan:
    """As Yeh et al. 2017 (after Radford et al. 2015) and Lahiri et al. 2017, section 4.4, train theirs."""

    size: int
    structure: int = 0
    needs: tuple[str, ...] = ()

    def trainer(self, context: Context) -> GanTrainer:
        specs = paper_specs(context, self.size, self.structure)
        betas = (0.5, 0.5 if self.structure else 0.999)
        settings = GanSettings(specs, batch=context.count(64, smoke=8), betas=betas)
        return GanTrainer(settings, *context.stills(self.size), context.seed)


@dataclass(frozen=True, slots=True)
class Detector:
    """Landmarks from damaged pictures."""

    size: int
    start: Start | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return _recipes(self.start)

    def trainer(self, context: Context) -> DetectorTrainer:
        faces, held_out = _with_clips(context, self.size)
        settings = FitSettings(detector_spec(context, self.size), context.count(32, smoke=8), 5e-4)
        start = None
        if self.start is not None:
            start = context.trained(self.start.recipe, "detector", detector_spec(context, self.start.size))
        return DetectorTrainer(settings, faces, held_out, context.seed, start)


@dataclass(frozen=True, slots=True)
class Refiner:
    """Landmarks from those outside the hole."""

    size: int
    start: Start | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return _recipes(self.start)

    def trainer(self, context: Context) -> RefinerTrainer:
        faces, held_out = _with_clips(context, self.size)
        settings = FitSettings(refiner_spec(context), context.count(128, smoke=16), 3e-4)
        start = None
        if self.start is not None:
            start = context.trained(self.start.recipe, "refiner", settings.network)
        return RefinerTrainer(settings, faces, held_out, context.seed, start)


@dataclass(frozen=True, slots=True)
class ImagePrior:
    """M_z, or M_z+S with structure: z of single pictures."""

    size: int
    gan: str
    """The recipe of the frozen generator."""
    structure: int = 0
    classes: int = 0
    start: Start | None = None
    """A prior; None: the GAN's encoder."""
    taught: int = 0
    """As in `PriorSettings`."""

    @property
    def needs(self) -> tuple[str, ...]:
        return self.gan, *_finders(self.size, self.structure), *_recipes(self.start)

    def trainer(self, context: Context) -> PriorTrainer:
        gan = _frozen(context, self.size, self.gan, self.structure, self.classes)
        start = gan.encoder
        if self.start is not None:
            spec = image_prior_spec(context, self.start.size, self.start.structure)
            start = context.trained(self.start.recipe, "prior", spec)
        settings = PriorSettings(
            image_prior_spec(context, self.size, self.structure),
            batch=context.count(16, smoke=4),
            rate=5e-4,
            taught=context.count(self.taught, smoke=min(self.taught, 1)),
            classes=self.classes,
        )
        faces, held_out = context.stills(self.size)
        makers = context.makers()
        finder = _finder(context, self.size) if self.structure else None
        return PriorTrainer(settings, gan, start, faces, held_out, makers, context.seed, finder)


@dataclass(frozen=True, slots=True)
class SequencePrior:
    """M_z+L, or M_z+S+L with structure: z of the pictures of a sequence."""

    size: int
    gan: str
    start: Start
    """A grouped prior of a lower resolution, or the image prior of this one."""
    structure: int = 0
    taught: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        return self.gan, self.start.recipe, *_finders(self.size, self.structure)

    def trainer(self, context: Context) -> GroupedTrainer:
        kind = grouped_prior_spec if self.start.size < self.size else image_prior_spec
        start = context.trained(self.start.recipe, "prior", kind(context, self.start.size, self.start.structure))
        settings = GroupedSettings(
            grouped_prior_spec(context, self.size, self.structure),
            batch=context.count(4, smoke=2),
            window=context.count(WINDOW, smoke=2),
            rate=3e-4,
            taught=context.count(self.taught, smoke=min(self.taught, 1)),
        )
        gan = _frozen(context, self.size, self.gan, self.structure)
        faces, held_out = context.stills(self.size)
        clips, makers = context.faces("clips-train", self.size), context.makers()
        finder = _finder(context, self.size) if self.structure else None
        return GroupedTrainer(settings, gan, start, faces, held_out, clips, makers, context.seed, finder)


@dataclass(frozen=True, slots=True)
class Labels:
    """The class of a damaged picture."""

    size: int
    needs: tuple[str, ...] = ()

    def trainer(self, context: Context) -> LabelTrainer:
        settings = FitSettings(label_spec(context, self.size), context.count(32, smoke=8), 5e-4)
        return LabelTrainer(settings, *context.stills(self.size), context.makers(), context.seed)


def _recipes(start: Start | None) -> tuple[str, ...]:
    return () if start is None else (start.recipe,)


def _finders(size: int, structure: int) -> tuple[str, ...]:
    """The recipes of what finds structure in damaged pictures, where it is wanted."""
    return (f"detector-{size}", f"refiner-{size}") if structure else ()


def _finder(context: Context, size: int) -> Structure:
    detector, refiner = _finders(size, CHANNELS)
    return Structure(
        cast(LandmarkDetector, freeze(context.trained(detector, "detector", detector_spec(context, size)))),
        cast(LandmarkRefiner, freeze(context.trained(refiner, "refiner", refiner_spec(context)))),
    )


def _frozen(context: Context, size: int, recipe: str, structure: int, classes: int = 0) -> FrozenGan:
    specs = style_specs(context, size, structure, classes).by_part()
    return FrozenGan(**{name: context.trained(recipe, name, spec) for name, spec in specs.items()})


def _with_clips(context: Context, size: int) -> tuple[list[Faces], Faces]:
    """Stills and clips to train on, and held-out stills."""
    stills, held_out = context.stills(size)
    return [stills, context.faces("clips-train", size)], held_out
