"""The table of recipes: what each trains, from which other recipe's weights, for how many steps.

Names end in the side of the pictures, but for those of natural video, which have none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from concealer.face_map import CHANNELS
from train.boosted.lambdas import VARIANTS
from train.boosted.plan import START, Boosted, Embedding
from train.context import Context
from train.data.labels import CLASSES
from train.plans import Detector, ImagePrior, Labels, PaperGan, Plan, Refiner, SequencePrior, Start, StyleGan
from train.run import Trainer
from train.sgin.plan import Occlusion, Regions, Sgin
from train.sizes import SIZES
from train.video.plan import VideoChoice

GAN_STEPS = {64: 40_000, 128: 60_000, 256: 80_000}
TAUGHT, TAUGHT_GROUPS = 2000, 300
"""Steps in which priors, and grouped ones, are taught z before eq. 7; M_z+S, which starts from M_z, a quarter."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training."""

    name: str
    steps: int
    plan: Plan
    about: str

    @property
    def needs(self) -> tuple[str, ...]:
        """Recipes whose weights it starts from or keeps frozen."""
        return self.plan.needs

    def make(self, context: Context) -> Trainer:
        """The trainer, ready for its first step. Raises ValueError if what it needs is not there."""
        return self.plan.trainer(context)


def _below(recipe: str, size: int, structure: int = 0) -> Start | None:
    """The same recipe at half the resolution, from which it grows; None at the lowest."""
    return None if size == SIZES[0] else Start(f"{recipe}-{size // 2}", size // 2, structure)


def _grown(about: str, size: int) -> str:
    return about if size == SIZES[0] else f"{about}, grown from the one at {size // 2} px"


def _gans(size: int) -> list[Recipe]:
    """At the lowest resolution, the one with structure starts from that without."""
    steps, plain = GAN_STEPS[size], Start(f"style-{size}", size)
    style = StyleGan(size, start=_below("style", size))
    structured = StyleGan(size, CHANNELS, start=_below("style-structure", size, CHANNELS) or plain)
    return [
        Recipe(f"style-{size}", steps, style, _grown("style-modulated GAN with encoder", size)),
        Recipe(f"style-structure-{size}", steps // 2, structured, _grown("the same conditioned on structure", size)),
        Recipe(f"dcgan-{size}", 25_000, PaperGan(size), "DCGAN of iterative inference"),
        Recipe(f"sg-gan-{size}", 25_000, PaperGan(size, CHANNELS), "conditioned conv-deconv GAN of SG-GAN"),
    ]


def _landmarks(size: int) -> list[Recipe]:
    detector = Detector(size, _below("detector", size))
    refiner = Refiner(size, _below("refiner", size))
    return [
        Recipe(f"detector-{size}", 20_000, detector, _grown("landmarks from damaged crops", size)),
        Recipe(f"refiner-{size}", 20_000, refiner, "landmarks from those outside the hole"),
    ]


def _priors(size: int) -> list[Recipe]:
    """At the lowest resolution M_z starts from the encoder, M_z+S from M_z, and both are taught."""
    lowest, gans = size == SIZES[0], (f"style-{size}", f"style-structure-{size}")
    start = _below("prior-structure", size, CHANNELS) or Start(f"prior-{size}", size)
    plain = ImagePrior(size, gans[0], start=_below("prior", size), taught=TAUGHT if lowest else 0)
    structured = ImagePrior(size, gans[1], CHANNELS, start=start, taught=TAUGHT // 4 if lowest else 0)
    return [
        Recipe(f"prior-{size}", 20_000, plain, _grown("M_z: one-pass noise prior", size)),
        Recipe(f"prior-structure-{size}", 20_000, structured, _grown("M_z+S: the same with structure", size)),
    ]


def _grouped(size: int) -> list[Recipe]:
    """At the lowest resolution they start from the image priors, and are taught."""
    taught = TAUGHT_GROUPS if size == SIZES[0] else 0
    starts = (
        _below("grouped", size) or Start(f"prior-{size}", size),
        _below("grouped-structure", size, CHANNELS) or Start(f"prior-structure-{size}", size, CHANNELS),
    )
    plain = SequencePrior(size, f"style-{size}", starts[0], taught=taught)
    structured = SequencePrior(size, f"style-structure-{size}", starts[1], CHANNELS, taught)
    about = "M_z+L: LSTM over the pictures of a sequence"
    return [
        Recipe(f"grouped-{size}", 10_000, plain, _grown(about, size)),
        Recipe(f"grouped-structure-{size}", 10_000, structured, _grown("M_z+S+L: the same with structure", size)),
    ]


def _labels(size: int) -> list[Recipe]:
    classes, gan = len(CLASSES), f"style-labels-{size}"
    style = StyleGan(size, classes=classes, start=Start(f"style-{size}", size))
    prior = ImagePrior(size, gan, classes=classes, start=Start(f"prior-{size}", size))
    about = "one-pass prior of the class-conditional generator, from M_z"
    return [
        Recipe(gan, GAN_STEPS[size] // 2, style, "class-conditional GAN, from the weights of the plain one"),
        Recipe(f"labels-{size}", 10_000, Labels(size), "class of a damaged picture"),
        Recipe(f"prior-labels-{size}", 20_000, prior, about),
    ]


SGIN_STEPS = 10_000
"""The same for the whole SGIN and its ablations."""


def _sgin(size: int) -> list[Recipe]:
    """The three networks of SGIN, then the generator with a part left out."""
    left_out = (
        Sgin(size, "sgin-no-feedback", feedback=False),
        Sgin(size, "sgin-no-attention", attention=False),
        Sgin(size, "sgin-no-distillation", distil=False),
    )
    return [
        Recipe(f"occlusion-{size}", 4000, Occlusion(size), _grown("what hides a face, found blindly", size)),
        Recipe(f"regions-{size}", 4000, Regions(size), _grown("label map of a damaged face", size)),
        Recipe(f"sgin-{size}", SGIN_STEPS, Sgin(size), _grown("semantics-guided inpainting", size)),
        *(Recipe(f"{plan.name}-{size}", SGIN_STEPS, plan, "the same, as the ablation has it") for plan in left_out),
    ]


def _boosted(size: int) -> list[Recipe]:
    """The embedding networks, the common start, the ablation, and the whole system, which goes on from one of it."""
    about = {
        "boosted-both": "boosted GAN: told attributes and regions, three discriminators",
        "boosted-attributes": "the same without regions",
        "boosted-segmentation": "the same without attributes",
        "boosted-plain": "the same generator without either",
    }
    plans = (
        (Boosted(size, START, reconstruct=True), "common start of the boosted GANs: reconstruction alone"),
        *(
            (Boosted(size, name, START, of_a, of_s), about.get(name, f"the same, lambda_a {of_a:g}, lambda_s {of_s:g}"))
            for name, (of_a, of_s) in VARIANTS.items()
        ),
        (Boosted(size), "boosted GAN, trained on from boosted-both"),
    )
    return [
        Recipe(f"attributes-{size}", 1000, Embedding(size, "attributes"), "W_a: attributes of a damaged face"),
        Recipe(f"segmentation-{size}", 1000, Embedding(size, "segmentation"), "W_s: regions of a damaged face"),
        *(Recipe(f"{plan.name}-{size}", plan.schedule.steps, plan, _grown(about, size)) for plan, about in plans),
    ]


VIDEO_STEPS = 4000


def _video() -> list[Recipe]:
    """The one that ships, and those it is compared with: other groups, and no memory."""
    about = "grouped prior for natural video: which candidate is to be trusted where"
    plain = [Recipe("video-choice", VIDEO_STEPS, VideoChoice(steps=VIDEO_STEPS), about)]
    windows = [
        Recipe(
            f"video-choice-w{window}", VIDEO_STEPS, VideoChoice(window, steps=VIDEO_STEPS), f"the same, W = {window}"
        )
        for window in (1, 4)
    ]
    cleared = VideoChoice(1, memory=False, steps=VIDEO_STEPS)
    return [*plain, *windows, Recipe("video-choice-cleared", VIDEO_STEPS, cleared, "the same without memory")]


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipes in [
        *(make(size) for size in SIZES for make in (_gans, _landmarks, _priors, _grouped, _labels, _sgin, _boosted)),
        _video(),
    ]
    for recipe in recipes
}


def smoke(recipe: Recipe) -> Recipe:
    """The recipe with two steps."""
    return replace(recipe, steps=2)
