"""Structure maps of damaged pictures: landmarks found by the networks trained here, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from concealer import repair
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.landmark_refiner import LandmarkRefiner
from concealer.networks.weights import load_weights
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
        return torch.from_numpy(repair.follow(found.cpu().numpy(), masks.cpu().numpy())).float().to(damaged.device)

    def sequence_maps(self, damaged: Tensor, masks: Tensor) -> Tensor:
        """`maps` of the consecutive pictures of one sequence, with the same fallback."""
        return draw_maps(self.sequence_landmarks(damaged, masks), damaged.shape[-1]).to(damaged.device)


def visible(landmarks: Tensor, masks: Tensor) -> Tensor:
    """Switch vector (N, K) of keypoints in [0, 1]: 0 under the mask and outside the picture."""
    return torch.from_numpy(repair.visible(landmarks.cpu().numpy(), masks.cpu().numpy())).float().to(landmarks.device)


def draw_maps(landmarks: Tensor, size: int) -> Tensor:
    """Structure maps (N, 3, size, size) in [-1, 1], on the CPU, of landmarks (N, LANDMARKS, 2)."""
    return torch.from_numpy(repair.draw_maps(landmarks.cpu().numpy(), size))


def load(path: Path, device: torch.device) -> nn.Module:
    """A frozen network from its weights. Raises ValueError if they are missing or bad."""
    return freeze(load_weights(path).to(device))


def load_structure(detector: Path, refiner: Path, device: torch.device) -> Structure:
    """The landmark networks. Raises ValueError if they are missing or bad."""
    return Structure(cast(LandmarkDetector, load(detector, device)), cast(LandmarkRefiner, load(refiner, device)))
