"""What is measured: the systems and the masks, and how their cells are named. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from train.boosted.lambdas import VARIANTS

GROUPS = (
    "landmarks",
    "sheets",
    "stills",
    "video",
    "speed",
    "consistency",
    "ranking",
    "intervals",
    "semantics",
    "boosted",
    "lambdas",
)
"""Of measurements, each in `train.evaluation.groups`."""
STILL_MASKS = (
    "central",
    "random block",
    "checkerboard",
    "left",
    "half",
    "freehand",
    "pattern",
    "random pixels",
    "10 %",
    "40 %",
    "codec",
)
DETAILED = ("central", "40 %", "codec")
"""Masks after which repairs are measured with Poisson blending too."""
CONSISTENCY_MASKS = ("random central", "freehand", "left")
SHEETS = ("central", "freehand", "codec")


@dataclass(frozen=True, slots=True)
class Listed:
    """A system that can be measured."""

    title: str
    weights: tuple[str, ...]
    """Files under the folder of runs, without suffix; `{}` is the resolution."""


SYSTEMS: dict[str, Listed] = {
    "iterative": Listed("iterative inference", ("style-{}/generator", "style-{}/judge")),
    "sg-gan": Listed("SG-GAN", ("style-structure-{}/generator", "style-structure-{}/judge")),
    "z": Listed("M_z", ("prior-{}/prior", "style-{}/generator")),
    "z+s": Listed("M_z+S", ("prior-structure-{}/prior", "style-structure-{}/generator")),
    "z+l": Listed("M_z+L", ("grouped-{}/prior", "style-{}/generator")),
    "z+s+l": Listed("M_z+S+L", ("grouped-structure-{}/prior", "style-structure-{}/generator")),
    "z, class": Listed(
        "M_z, predicted class", ("prior-labels-{}/prior", "style-labels-{}/generator", "labels-{}/predictor")
    ),
    "boosted": Listed(
        "boosted GAN", ("attributes-{}/attributes", "segmentation-{}/segmentation", "boosted-{}/generator")
    ),
    "sgin": Listed("SGIN", ("regions-{}/regions", "sgin-{}/generator")),
    "iterative, dcgan": Listed("iterative inference, DCGAN", ("dcgan-{}/generator", "dcgan-{}/judge")),
    "sg-gan, conv-deconv": Listed("SG-GAN, its own generator", ("sg-gan-{}/generator", "sg-gan-{}/judge")),
}
"""By key."""
_TOLD = SYSTEMS["boosted"].weights[:2]
BOOSTED: dict[str, Listed] = {
    "boosted-both": Listed("attributes and regions", (*_TOLD, "boosted-both-{}/generator")),
    "boosted-attributes": Listed("attributes alone", (*_TOLD, "boosted-attributes-{}/generator")),
    "boosted-segmentation": Listed("regions alone", (*_TOLD, "boosted-segmentation-{}/generator")),
    "boosted-plain": Listed("neither", (*_TOLD, "boosted-plain-{}/generator")),
    "boosted": Listed("attributes and regions, trained on", SYSTEMS["boosted"].weights),
}
"""The variants of the boosted GAN, likewise, by what the generator is told; the last is the whole system."""
BOOSTED_MASKS = ("central", "rectangle")
LAMBDAS: dict[str, Listed] = {
    key: Listed(f"lambda_a {of_a:g}, lambda_s {of_s:g}", (*_TOLD, f"{key}-{{}}/generator"))
    for key, (of_a, of_s) in VARIANTS.items()
}
"""The rows of its paper's table II, likewise, and the one that is told neither."""
SEMANTICS: dict[str, Listed] = {
    "no feedback": Listed("without feedback", ("regions-{}/regions", "sgin-no-feedback-{}/generator")),
    "no attention": Listed("without attention", ("regions-{}/regions", "sgin-no-attention-{}/generator")),
    "no distillation": Listed("without self-distillation", ("regions-{}/regions", "sgin-no-distillation-{}/generator")),
    "full": Listed("full", SYSTEMS["sgin"].weights),
    "true semantics": Listed("full, true semantics", SYSTEMS["sgin"].weights),
}
"""The columns of SGIN's ablation, likewise; the last is the same network, given the map of the clean picture."""
FINDERS: dict[str, Listed] = {
    "occlusion": Listed("SGIN's occlusion detector", ("occlusion-{}/detector",)),
    "regions": Listed("SGIN's map predictor", ("regions-{}/regions",)),
    "chain": Listed("SGIN from detector to picture", ("occlusion-{}/detector", *SYSTEMS["sgin"].weights)),
}
"""What SGIN finds masks and maps with, likewise."""
SEMANTIC_MASKS = ("object", "hand", "half", "centre 70 %")
LANDMARK_WEIGHTS: dict[str, str] = {"detector": "detector-{}/detector", "refiner": "refiner-{}/refiner"}
"""Of what finds landmarks, likewise."""
ONE_PASS = {"iterative": "z", "sg-gan": "z+s"}
"""What does in one pass what a search does, with the same generator."""
COMPARED = (("z+s+l", "z+l"), ("z+s", "z"), ("z+l", "z"), ("z+s+l", "z+s"))
"""Systems whose difference on talking heads is given with an interval, the one that knows more first."""
KINDS_OF_HOLES = ("moving", "codec")
"""In talking heads."""
SEARCHING = ("iterative", "sg-gan")
"""Keys of the systems that search start with one of these."""


def slug(text: str) -> str:
    """A cell's name as a file name."""
    return text.replace(",", "").replace(" ", "_").replace("%", "percent")
