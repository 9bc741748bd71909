"""Starting a network from the weights of a related one."""

from __future__ import annotations

from torch import Tensor, nn


def take_over(network: nn.Module, source: nn.Module, prefix: str = "") -> int:
    """Copy the weights whose names and shapes agree. Returns how many tensors were copied.

    `prefix` stands before the source's names in `network`. Where a layer of `network` reads more channels
    than the source's, those that come after the source's start at zero: what they carry is ignored at first.
    """
    own = network.state_dict()
    copied = 0
    for name, theirs in source.state_dict().items():
        ours = own.get(prefix + name)
        if ours is None:
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


def _reads_more(ours: Tensor, theirs: Tensor) -> bool:
    same = ours.ndim == theirs.ndim >= 2 and ours.shape[0] == theirs.shape[0] and ours.shape[2:] == theirs.shape[2:]
    return same and ours.shape[1] > theirs.shape[1]
