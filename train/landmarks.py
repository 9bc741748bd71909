"""Training what finds landmarks in damaged faces: the detector and the refiner."""

from __future__ import annotations

import copy
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from concealer import face_map
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.landmark_refiner import LandmarkRefiner
from train.data.batches import Faces, damage, draw_masks
from train.data.masks import MASKS, freehand
from train.data.pseudo import draw_motion, move_landmarks, move_pictures
from train.rates import parameter_groups
from train.run import LIVE, Part, Trainer
from train.spec import FitSettings
from train.take_over import AVERAGE, follow, take_over

DROPPED = 0.7
"""Share of keypoints dropped while the refiner trains (Lahiri et al. 2020, section 4.2)."""
_JITTER = 0.01
"""Deviation of keypoints that are seen, share of the crop: what a detector errs by."""


class DetectorTrainer(Trainer):
    """Landmarks from moved, re-lit and, half of them, damaged stills and clips; mean absolute error."""

    def __init__(
        self,
        settings: FitSettings,
        faces: list[Faces],
        held_out: Faces,
        seed: int,
        start: nn.Module | None = None,
    ) -> None:
        """`start`: a detector of a lower resolution to start from."""
        torch.manual_seed(seed)
        self.faces, self.held_out, self.batch, self.seed = faces, held_out, settings.batch, seed
        self.device = held_out.device
        self.detector = cast(LandmarkDetector, settings.network.build().to(self.device))
        if start is not None:
            take_over(self.detector, start)
        self.kept = copy.deepcopy(self.detector).eval().requires_grad_(False)
        arguments = settings.network.arguments
        self.parts = {"detector" + LIVE: Part(self.detector, arguments, False), "detector": Part(self.kept, arguments)}
        groups = parameter_groups([self.detector], settings.rate)
        self.optimizers = {"detector": torch.optim.Adam(groups, settings.rate)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        source = self.faces[int(rng.choice(len(self.faces), p=self._shares()))]
        batch = source.take(rng.integers(len(source), size=self.batch))  # not mirrored: left and right have names
        motion = draw_motion(self.batch, 1, rng, 1.5)
        images = move_pictures(batch.images, motion, 3)[:, 0]
        landmarks = move_landmarks(batch.landmarks, motion)[:, 0].to(self.device)
        masks = draw_masks(list(MASKS.values()), self.batch, source.size, rng, self.device)
        masks[: self.batch // 2] = 0
        loss = (self.detector(damage(images, masks), masks) - landmarks).abs().mean()
        self.optimizers["detector"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["detector"].step()
        follow(self.kept, self.detector, AVERAGE)
        return {"error": loss.item()}

    def _shares(self) -> list[float]:
        total = sum(len(faces) for faces in self.faces)
        return [len(faces) / total for faces in self.faces]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Error as a share of the inter-ocular distance on held-out identities, whole and half masked."""
        count = min(64, len(self.held_out))
        batch = self.held_out.take(np.arange(count))
        holes = [freehand(self.held_out.size, np.random.default_rng(n), 0.5) for n in range(count)]
        masks = torch.from_numpy(np.stack(holes)[:, None].astype(np.float32)).to(self.device)
        whole = self.kept(batch.images, masks * 0)
        masked = self.kept(damage(batch.images, masks), masks)
        return {"RLE": relative(whole, batch.landmarks), "RLE half masked": relative(masked, batch.landmarks)}


class RefinerTrainer(Trainer):
    """Keypoints from those that are left (Lahiri et al. 2020, eq. 9), on stills and clips moved at random.

    Dropped are those under a random mask, and at random up to 70 % in all.
    """

    def __init__(
        self,
        settings: FitSettings,
        faces: list[Faces],
        held_out: Faces,
        seed: int,
        start: nn.Module | None = None,
    ) -> None:
        """`start`: a refiner to start from; keypoints have no resolution."""
        torch.manual_seed(seed)
        self.landmarks = torch.cat([f.landmarks for f in faces])
        self.held_out, self.batch, self.seed = held_out, settings.batch, seed
        self.device = held_out.device
        self.refiner = cast(LandmarkRefiner, settings.network.build().to(self.device))
        if start is not None:
            take_over(self.refiner, start)
        self.parts = {"refiner": Part(self.refiner, settings.network.arguments)}
        self.optimizers = {"refiner": torch.optim.Adam(self.refiner.parameters(), settings.rate)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        chosen = self.landmarks[torch.from_numpy(rng.integers(len(self.landmarks), size=self.batch))]
        true = move_landmarks(chosen, draw_motion(self.batch, 1, rng))[:, 0]
        noisy = true + torch.from_numpy(rng.normal(0, _JITTER, true.shape).astype(np.float32))
        switch = drop(true, rng)
        found = self.refiner(noisy.to(self.device), switch.to(self.device))
        loss = (found - true.to(self.device)).square().sum(2).mean()  # eq. 9
        self.optimizers["refiner"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["refiner"].step()
        return {"loss": loss.item() * 1e4}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Error of 30 % seen keypoints' completion on held-out identities, share of the inter-ocular distance."""
        true = self.held_out.landmarks
        switch = drop(true, np.random.default_rng(0))
        found = self.refiner.eval()(true.to(self.device), switch.to(self.device))
        self.refiner.train()
        return {"RLE": relative(found, true)}


def drop(landmarks: Tensor, rng: np.random.Generator) -> Tensor:
    """Switches (N, K): 0 on the keypoints that are dropped.

    For half of the faces these are the nearest to a random point of the face (as under a mask), for the others any;
    of every second face 70 % are dropped, of the others any share up to 90 %: a network that has only ever seen 70 %
    dropped goes astray when more is left.
    """
    count, points = landmarks.shape[:2]
    centre = landmarks[torch.arange(count), torch.from_numpy(rng.integers(points, size=count))]
    away = (landmarks - centre[:, None]).norm(dim=2)
    chance = torch.from_numpy(rng.random((count, points)).astype(np.float32))
    scattered = torch.from_numpy(rng.random(count) < 0.5)
    rank = torch.where(scattered[:, None], chance, away).argsort(1).argsort(1)
    share = np.where(np.arange(count) % 2 == 0, DROPPED, rng.uniform(0, 0.9, count))
    return (rank >= torch.from_numpy(np.round(share * points))[:, None]).float()


def relative(found: Tensor, true: Tensor) -> float:
    """Mean relative localization error (Lahiri et al. 2020, section 6.2)."""
    return float(face_map.relative_error(found.cpu().numpy(), true.cpu().numpy()).mean())
