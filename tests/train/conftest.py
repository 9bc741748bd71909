"""Fixtures of the training tests: faces drawn from nothing."""

from __future__ import annotations

import pytest
import torch

from train.data.batches import Faces
from train.data.synthetic import synthetic_faces


@pytest.fixture(scope="session")
def faces() -> Faces:
    """Twelve stills and two clips of 32x32."""
    return Faces(synthetic_faces(12, 32, clips=2), torch.device("cpu"))
