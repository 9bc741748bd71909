"""A start for the style generator and its encoder: principal components of the training pictures, and their inverse."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from concealer.networks.eigenface_fill import SIDE, EigenfaceFill
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.style_gan import StyleBlock, StyleGenerator
from train.data.batches import Faces

_MOST = 6000
"""Pictures looked at."""
_RIDGE = 1e-2
_SATURATED = 0.97
"""Pixels are clipped to this before the inverse of the generator's tanh."""
_SPREAD = 0.8
"""tanh(0.8 c) of a standard normal c is all but uniform in [-1, 1]."""
_FAINT = 0.03
"""What the convolutions' own say is scaled by at the start."""
_SLOPE = 3 / math.sqrt(math.pi)
"""Regression slope of a standard normal on the uniform variable of the same rank."""


@torch.no_grad()
def start_from_eigenfaces(generator: StyleGenerator, encoder: NoisePrior | None, faces: Faces) -> None:
    """Set the generator's coarse picture to mean and principal components, and the encoder's linear map to find them.

    Components in excess of what the pictures span stay at zero.
    """
    shrunk = _shrunk_faces(faces, generator.coarse_side)
    pixels = torch.atanh(shrunk.clamp(-_SATURATED, _SATURATED)).flatten(1)
    mean = pixels.mean(0)
    count = min(generator.z_size, len(pixels) - 1)
    torch.manual_seed(0)  # the decomposition is randomised
    _, values, vectors = torch.svd_lowrank(pixels - mean, q=min(count + 16, *pixels.shape), niter=3)
    spread, basis = values[:count] / math.sqrt(len(pixels)) + 1e-4, vectors[:, :count]  # (D, count)
    generator.coarse.weight[:, :count] = (basis * spread * _SLOPE).to(generator.coarse.weight)
    generator.coarse.bias.copy_(mean)
    blocks = [cast(StyleBlock, block) for block in generator.blocks]
    for layer in (generator.rgb, *(block.rgb for block in blocks)):
        layer.weight.mul_(_FAINT)
        if layer.bias is not None:
            layer.bias.zero_()
    if encoder is None:
        return
    codes = (pixels - mean) @ basis / spread * _SPREAD
    inputs = shrunk.flatten(1)
    centre = inputs.mean(0)
    left, values, right = torch.svd_lowrank(inputs - centre, q=min(2 * count, *inputs.shape), niter=3)
    shrinkage = values / (values.square() + _RIDGE * len(inputs))
    weights = right @ (shrinkage[:, None] * (left.t() @ codes))  # ridge regression within the leading components
    # The encoder reads three colours, then the mask.
    encoder.direct.weight[:count, : len(centre)] = weights.t().to(encoder.direct.weight)
    encoder.direct.bias[:count] = (codes.mean(0) - centre @ weights).to(encoder.direct.bias)
    encoder.last.weight.mul_(_FAINT)
    encoder.last.bias.zero_()


@torch.no_grad()
def fill_from_faces(fill: EigenfaceFill, faces: Faces) -> None:
    """Set mean and principal components. Components in excess of what the pictures span stay at zero."""
    pixels = _shrunk_faces(faces, SIDE).flatten(1)
    mean = pixels.mean(0)
    count = min(fill.basis.shape[1], len(pixels) - 1)
    torch.manual_seed(0)  # the decomposition is randomised
    _, values, vectors = torch.svd_lowrank(pixels - mean, q=min(count + 16, *pixels.shape), niter=2)
    fill.mean.copy_(mean)
    fill.basis.zero_()[:, :count] = vectors[:, :count] * (values[:count] / math.sqrt(len(pixels)))


def _shrunk_faces(faces: Faces, side: int) -> Tensor:
    """Pictures of (3, side, side), as they are and mirrored."""
    chosen = torch.arange(len(faces)) if len(faces) <= _MOST else torch.arange(_MOST) * len(faces) // _MOST
    shrunk = torch.cat([_shrink(faces.take(part).images, side) for part in chosen.split(256)])
    return torch.cat([shrunk, shrunk.flip(-1)])


def _shrink(images: Tensor, side: int) -> Tensor:
    return functional.avg_pool2d(images, images.shape[-1] // side)
