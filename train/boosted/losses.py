"""Losses of the boosted GAN, from logits; means over the batch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from train.losses import fool_loss, judge_loss

RECEIVED = 0.1
"""Weight of received pixels in the reconstruction, beside missing ones. Received ones are laid over the picture."""
_LEAST = 1e-4
"""Squared error below which a smaller one is not worth having."""


def matching_loss(real: Tensor, restored: Tensor, mismatched: Tensor) -> Tensor:
    """L_Da and L_Ds, eq. 4 and 5, from logits (N, 1).

    `real`: real pictures with what is said of them; `restored`: restored ones with what is said of the real ones;
    `mismatched`: real ones with what is said of others.
    """
    return judge_loss(real, restored) + functional.softplus(mismatched).mean()


def discriminative_loss(
    whole: Tensor, attribute: Tensor | None, segmentation: Tensor | None, lambda_a: float, lambda_s: float
) -> Tensor:
    """L_D, eq. 2; None for a discriminator that is left out."""
    loss = whole
    if attribute is not None:
        loss = loss + lambda_a * attribute
    return loss if segmentation is None else loss + lambda_s * segmentation


def restoration_loss(generated: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """The reconstruction of eq. 6: the l2 distance per picture, as a root of means, and mean over the batch.

    Missing pixels count in full, received ones by `RECEIVED`.
    """
    error = (generated - images).square().mean(1, keepdim=True)
    hole = (error * masks).sum((1, 2, 3)) / masks.sum((1, 2, 3)).clamp(min=1)
    received = (error * (1 - masks)).mean((1, 2, 3))
    return (hole + RECEIVED * received + _LEAST).sqrt().mean()


def adversarial_loss(
    whole: Tensor, attribute: Tensor | None, segmentation: Tensor | None, lambda_a: float, lambda_s: float
) -> Tensor:
    """What eq. 6 weighs with beta, from the discriminators' logits of restored pictures."""
    loss = fool_loss(whole)
    if attribute is not None:
        loss = loss + lambda_a * fool_loss(attribute)
    return loss if segmentation is None else loss + lambda_s * fool_loss(segmentation)
