"""Features for a hole from what can be seen around it (Yu et al. 2018, as SGIN puts it between its pyramids)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

SHARPNESS = 10.0
"""Factor of the cosine similarities before the softmax, Yu et al.'s."""
_HIDDEN = 1e4
"""Taken from the logit of a place in the hole: none of them is attended to unless all lie in it."""


def attend(features: Tensor, mask: Tensor) -> Tensor:
    """Features (N, C, h, w) with those of the hole drawn from alike places outside it.

    `mask`: (N, 1, h, w), the share of every place that is missing. Places are compared by the cosine of their 3x3
    neighbourhoods. Seen places stay as they are; where nothing is seen,
    all places are drawn from.
    """
    count, width, height, across = features.shape
    near = functional.normalize(functional.unfold(features, 3, padding=1), dim=1, eps=1e-4)  # (N, 9 C, P)
    hole = mask.flatten(2)  # (N, 1, P)
    logits = SHARPNESS * near.transpose(1, 2) @ near - _HIDDEN * (hole > 0.5).to(features.dtype)
    found = features.flatten(2) @ logits.softmax(2).transpose(1, 2)  # (N, C, P)
    drawn = found.view(count, width, height, across)
    return features + mask * (drawn - features)
