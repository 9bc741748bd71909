"""Structure maps of damaged pictures: landmarks found by the networks trained here, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from concealer import face_map
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.landmark_refiner import LandmarkRefiner
from concealer.networks.weights import load_weights
from concealer.repair import settle
from train.calls import freeze


@dataclass
class Structure:
    """The detector, and for the keypoints under the hole, which are dropped, the refiner."""

    detector: LandmarkDetector
    refiner: LandmarkRefiner

    @torch.no_grad()
    def landmarks(self, damaged: Tensor, masks: Tensor, refine: bool = True) -> Tensor:
        """(N, LANDMARKS, 2) in [0, 1] of the crop."""
        found: Tensor = self.detector(damaged, masks)
        if not refine:
            return found
        switch = visible(found, masks)
        refined: Tensor = self.refiner(found, switch)
        return torch.where(switch[:, :, None] > 0.5, found, refined)

    def maps(self, damaged: Tensor, masks: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1]."""
        return draw_maps(self.landmarks(damaged, masks), damaged.shape[-1]).to(damaged.device)

    def sequence_landmarks(self, damaged: Tensor, masks: Tensor) -> Tensor:
        """`landmarks` of the consecutive pictures of one sequence: where one is hidden, that of the previous picture
        is fallen back on."""
        found = self.landmarks(damaged, masks)
        seen = visible(found, masks).cpu().numpy() > 0.5
        points, variance = np.zeros(found.shape[1:], np.float32), np.zeros(found.shape[1], np.float32)
        settled = []
        for here, switch in zip(found.cpu().numpy(), seen, strict=True):
            points, variance = settle(here, switch, points, variance)
            settled.append(points)
        return torch.from_numpy(np.stack(settled)).float().to(damaged.device)

    def sequence_maps(self, damaged: Tensor, masks: Tensor) -> Tensor:
        """`maps` of the consecutive pictures of one sequence, with the same fallback."""
        return draw_maps(self.sequence_landmarks(damaged, masks), damaged.shape[-1]).to(damaged.device)


def visible(landmarks: Tensor, masks: Tensor) -> Tensor:
    """Switch vector (N, K) of keypoints in [0, 1]: 0 under the mask and outside the picture."""
    side = masks.shape[-1]
    place = (landmarks * side).floor().long()
    inside = ((place >= 0) & (place < side)).all(2)
    x, y = place.clamp(0, side - 1).unbind(2)
    rows = torch.arange(len(masks), device=masks.device)[:, None]
    return (inside & (masks[rows, 0, y, x] < 0.5)).float()


def draw_maps(landmarks: Tensor, size: int) -> Tensor:
    """Structure maps (N, 3, size, size) in [-1, 1], on the CPU, of landmarks (N, LANDMARKS, 2)."""
    drawn = np.stack([face_map.draw(points, size) for points in landmarks.cpu().numpy()])
    return torch.from_numpy(np.ascontiguousarray(drawn.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def load(path: Path, device: torch.device) -> nn.Module:
    """A frozen network from its weights. Raises ValueError if they are missing or bad."""
    return freeze(load_weights(path).to(device))


def load_structure(detector: Path, refiner: Path, device: torch.device) -> Structure:
    """The landmark networks. Raises ValueError if they are missing or bad."""
    return Structure(cast(LandmarkDetector, load(detector, device)), cast(LandmarkRefiner, load(refiner, device)))
