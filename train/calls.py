"""Calling frozen and class-conditional networks alike."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


def one_hot(labels: Tensor, classes: int) -> Tensor | None:
    """Rows (N, classes) for a class-conditional network, None if `classes` is 0."""
    return nn.functional.one_hot(labels, classes).float() if classes else None


def generate(generator: nn.Module, z: Tensor, structure: Tensor | None, label: Tensor | None) -> Tensor:
    """Pictures of any generator; `label` goes to those that take one."""
    made: Tensor = generator(z, structure) if label is None else generator(z, structure, label)
    return made


def judged(judge: nn.Module, images: Tensor, structure: Tensor | None, label: Tensor | None) -> Tensor:
    """Logits of any discriminator; `label` goes to those that take one."""
    logit: Tensor = judge(images, structure) if label is None else judge(images, structure, label)
    return logit


def freeze(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, its weights without gradients."""
    return network.eval().requires_grad_(False)


@dataclass(frozen=True, slots=True)
class FrozenGan:
    """What priors train against: generator, discriminator, and the GAN's encoder of whole pictures."""

    generator: nn.Module
    judge: nn.Module
    encoder: nn.Module

    def __post_init__(self) -> None:
        for network in (self.generator, self.judge, self.encoder):
            freeze(network)
