"""Weights from network to network: starting from a related one, and moving averages."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from concealer.networks.sgi_block import SgiBlock
from concealer.networks.sgin import SginGenerator
from concealer.networks.style_gan import DownBlock, StyleBlock, StyleDiscriminator, StyleGenerator

AVERAGE = 0.995
"""Decay of the moving average of weights that is kept of what is trained."""


def take_over(network: nn.Module, source: nn.Module, prefix: str = "", skip: str | None = None) -> int:
    """Copy the weights whose names and shapes agree. Returns how many tensors were copied.

    `prefix` stands before the source's names in `network`. Where a layer of `network` reads more channels
    than the source's, those that come after the source's start at zero: what they carry is ignored at first.
    `skip` begins the names in the source that are left out.
    """
    own = network.state_dict()
    copied = 0
    for name, theirs in source.state_dict().items():
        ours = own.get(prefix + name)
        if ours is None or (skip is not None and name.startswith(skip)):
            continue
        if ours.shape == theirs.shape:
            ours.copy_(theirs)
            copied += 1
        elif _reads_more(ours, theirs):
            ours.zero_()
            ours[:, : theirs.shape[1]] = theirs
            copied += 1
    network.load_state_dict(own)
    return copied


@torch.no_grad()
def grow(network: nn.Module, source: nn.Module) -> None:
    """Start `network` from `source`, the same kind of network at a lower resolution (Karras et al. 2018, section 2).

    A style generator begins as the source's picture enlarged, its discriminator as the source's verdict on the
    picture averaged; networks that read the picture through `NoisePrior` are alike at all resolutions.
    """
    alike = type(network) is type(source)
    if alike and isinstance(network, StyleGenerator | SginGenerator):
        take_over(network, source)
        for block in list(network.blocks)[len(cast(StyleGenerator, source).blocks) :]:
            assert isinstance(block, StyleBlock | SgiBlock)
            block.rgb.weight.zero_()
            if block.rgb.bias is not None:
                block.rgb.bias.zero_()
    elif isinstance(network, StyleDiscriminator) and isinstance(source, StyleDiscriminator):
        added = len(network.blocks) - len(source.blocks)
        take_over(network, source, skip="blocks.")  # these count from the finest
        for mine, theirs in zip(list(network.blocks)[added:], source.blocks, strict=True):
            take_over(mine, theirs)
        for block in list(network.blocks)[:added]:
            assert isinstance(block, DownBlock)
            block.low.weight.zero_()
            if block.low.bias is not None:
                block.low.bias.zero_()
            nn.init.dirac_(block.skip.weight)
            block.skip.weight.mul_(math.sqrt(2))  # the block scales its sum down
    else:
        take_over(network, source)


def _reads_more(ours: Tensor, theirs: Tensor) -> bool:
    same = ours.ndim == theirs.ndim >= 2 and ours.shape[0] == theirs.shape[0] and ours.shape[2:] == theirs.shape[2:]
    return same and ours.shape[1] > theirs.shape[1]


@torch.no_grad()
def follow(kept: nn.Module, live: nn.Module, decay: float) -> None:
    """Move `kept` towards `live`, of the same class, by 1 - `decay`: it becomes the moving average."""
    for mine, theirs in zip(kept.parameters(), live.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)
    for own, other in zip(kept.buffers(), live.buffers(), strict=True):
        own.copy_(other)
