"""Retrieval against cases done by hand."""

from __future__ import annotations

import pytest
import torch

from train.retrieval import RETURNED, average_precision, ranking, retrieval_precision


def test_average_precision_by_hand() -> None:
    found = torch.tensor([[4, 2, 0, 1, 3], [2, 4, 0, 1, 3], [0, 1, 3, 2, 4]])
    true = torch.tensor([[2, 4], [2, 4], [2, 4]])
    # True ones at 1 and 2, in either order; at 4 and 5: (1/4 + 2/5) / 2.
    assert average_precision(found, true).tolist() == pytest.approx([1, 1, 0.325])


def test_nearest_come_first_and_the_query_itself_last() -> None:
    gallery = torch.tensor([[0.0], [1.0], [5.0], [-2.0]])
    assert ranking(torch.tensor([[0.9]]), gallery).tolist() == [[1, 0, 3, 2]]
    assert ranking(gallery[:1], gallery, torch.tensor([0])).tolist() == [[1, 3, 2, 0]]


def test_the_original_is_perfect_and_a_shift_is_not() -> None:
    torch.manual_seed(0)
    gallery = torch.randn(40, 4)
    own = torch.arange(40)
    assert (retrieval_precision(gallery, gallery, gallery, own) == 1).all()
    near, far = (
        retrieval_precision(gallery, gallery + spread * torch.randn(40, 4), gallery, own).mean()
        for spread in (0.1, 2.0)
    )
    assert 0.25 < far < near < 1


def test_a_small_gallery_is_refused() -> None:
    few = torch.randn(RETURNED + 1, 2)
    with pytest.raises(ValueError, match=f"returns {RETURNED} pictures, the gallery has {RETURNED}"):
        retrieval_precision(few, few, few, torch.arange(len(few)))
