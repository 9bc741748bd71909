"""Landmarks that survive holes: the denoising refiner of Lahiri et al. 2020, section 4.2, eq. 9."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from concealer.face_map import LANDMARKS


class LandmarkRefiner(nn.Module):
    """Three hidden layers that predict all keypoints from those that lie outside the hole."""

    def __init__(self, points: int = LANDMARKS, hidden: int = 512) -> None:
        super().__init__()
        self.points = points
        self.layers = nn.Sequential(
            nn.Linear(points * 3, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, points * 2),
        )

    def forward(self, keypoints: Tensor, switch: Tensor) -> Tensor:
        """`keypoints`: (N, points, 2) in [0, 1] of the face crop; `switch`: (N, points), 0 on dropped ones.

        Returns all keypoints, (N, points, 2). What dropped entries of `keypoints` hold does not matter.
        """
        seen = (keypoints - 0.5) * switch[:, :, None]
        x = torch.cat([seen.flatten(1), switch], 1)  # (N, points * 3)
        refined: Tensor = self.layers(x).unflatten(1, (self.points, 2)) + 0.5
        return refined
