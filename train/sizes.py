"""The networks of all recipes, and how large they are."""

from __future__ import annotations

from train.context import Context
from train.data.labels import CLASSES
from train.spec import GanSpecs, NetworkSpec

SIZES = (64, 128, 256)
"""Sides of the pictures."""
Z = 128
_CAPACITY, _MOST = 1024, 128
"""Capacity and most feature maps of the style-modulated networks and priors: the same at every resolution, so that
larger ones grow from smaller ones."""
_HIDDEN, _REFINER_HIDDEN = 192, 512
_WIDTHS = {64: 32, 128: 16, 256: 8}
"""Feature maps of the papers' own GANs at the full resolution."""


def style_specs(context: Context, size: int, structure: int, classes: int = 0) -> GanSpecs:
    """The style-modulated generator, its discriminator ("judge") and its encoder."""
    labels = {"classes": classes} if classes else {}
    generator = context.spec(
        "StyleGenerator",
        resolution=size,
        z_size=Z,
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
    return GanSpecs(generator, judge, image_prior_spec(context, size, 0))


def paper_specs(context: Context, size: int, structure: int) -> GanSpecs:
    """DCGAN's generator, or with structure SG-GAN's conv-deconv one, and the discriminator of both."""
    width = _WIDTHS[size]
    if structure:
        generator = context.spec("SemanticGenerator", resolution=size, width=16 if size == 64 else 12)
    else:
        generator = context.spec("DcganGenerator", resolution=size, width=width)
    judge = context.spec("DcganDiscriminator", resolution=size, width=width, structure_channels=structure)
    return GanSpecs(generator, judge)


def detector_spec(context: Context, size: int) -> NetworkSpec:
    """What finds landmarks in damaged pictures."""
    return context.spec("LandmarkDetector", resolution=size, size=Z, capacity=_CAPACITY, most=_MOST)


def refiner_spec(context: Context) -> NetworkSpec:
    """What corrects landmarks under the hole; they have no resolution."""
    return context.spec("LandmarkRefiner", hidden=_REFINER_HIDDEN)


def image_prior_spec(context: Context, size: int, structure: int) -> NetworkSpec:
    """M_z, or M_z+S."""
    return context.spec(
        "NoisePrior", resolution=size, z_size=Z, structure_channels=structure, capacity=_CAPACITY, most=_MOST
    )


def grouped_prior_spec(context: Context, size: int, structure: int) -> NetworkSpec:
    """M_z+L, or M_z+S+L."""
    return context.spec(
        "GroupedPrior",
        resolution=size,
        z_size=Z,
        structure_channels=structure,
        capacity=_CAPACITY,
        most=_MOST,
        hidden=_HIDDEN,
    )


def label_spec(context: Context, size: int) -> NetworkSpec:
    """What says the class of a damaged picture."""
    return context.spec("LabelPredictor", resolution=size, classes=len(CLASSES), capacity=_CAPACITY, most=_MOST)
