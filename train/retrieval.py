"""Retrieval as a measure of repairs (boosted GAN 2019, section IV-D): does the repair find what the original finds?

What the original picture brings back from a set of others is taken for true, so that no labels are needed; the mean
average precision of what the repaired picture brings back says how far the repair keeps what the features see.
"""

from __future__ import annotations

import torch
from torch import Tensor

RETURNED = 10
"""Pictures that a query returns, and that so are true for it."""


def ranking(queries: Tensor, gallery: Tensor, own: Tensor | None = None) -> Tensor:
    """Places in the gallery (N, M), nearest first by Euclidean distance, of queries (N, D) in a gallery (M, D).

    `own`: (N,) the query's own place in the gallery, which comes last.
    """
    away = torch.cdist(queries.double(), gallery.double())
    if own is not None:
        away[torch.arange(len(away)), own] = float("inf")
    return away.argsort(dim=1, stable=True)


def average_precision(found: Tensor, true: Tensor) -> Tensor:
    """(N,): of rankings `found` (N, M), with the places `true` (N, K) as what should come first.

    Mean over the true ones of the precision down to where each stands: 1 if they are first, in any order.
    """
    hit = (found[:, :, None] == true[:, None]).any(2).double()  # (N, M)
    place = torch.arange(1, found.shape[1] + 1, device=found.device)
    precision = hit.cumsum(1) / place
    return (precision * hit).sum(1) / true.shape[1]


def retrieval_precision(original: Tensor, repaired: Tensor, gallery: Tensor, own: Tensor | None = None) -> Tensor:
    """Average precision (N,) of features of repaired queries (N, D) against what the original ones return.

    Raises ValueError if the gallery has no more pictures than a query returns.
    """
    others = len(gallery) - (own is not None)
    if others <= RETURNED:
        raise ValueError(f"a query returns {RETURNED} pictures, the gallery has {others}")
    true = ranking(original, gallery, own)[:, :RETURNED]
    return average_precision(ranking(repaired, gallery, own), true)
