"""Training batches from packed faces: pictures, structure maps, damage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from concealer import face_map
from train.data.labels import labels_of, mirrored
from train.data.masks import Maker, Mask
from train.data.shards import FaceSet


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one batch on the device."""

    images: Tensor
    """(N, 3, S, S) in [-1, 1]."""
    structure: Tensor
    """(N, 3, S, S) in [-1, 1]."""
    landmarks: Tensor
    """(N, LANDMARKS, 2) in [0, 1], of the pictures before mirroring."""
    labels: Tensor
    """(N,) int64 classes, see `labels`."""


class Faces:
    """A set of faces in memory with its structure maps; pictures without landmarks are left out."""

    def __init__(self, faces: FaceSet, device: torch.device) -> None:
        """Raises ValueError if no picture has landmarks."""
        known = np.flatnonzero(np.isfinite(faces.landmarks).all((1, 2)))
        if not len(known):
            raise ValueError(f"{faces} has no landmarks")
        maps = np.stack([face_map.draw(faces.landmarks[i], faces.size) for i in known])
        self.device = device
        self.size = faces.size
        self.landmarks = torch.from_numpy(faces.landmarks[known])
        self.labels = labels_of(self.landmarks)
        self._images = torch.from_numpy(faces.images[known])
        self._maps = torch.from_numpy(np.ascontiguousarray(maps.transpose(0, 3, 1, 2)))
        place = np.full(len(faces), -1)
        place[known] = np.arange(len(known))
        clips = [place[faces.clip(number)] for number in range(len(faces.names))]
        self.clips = [clip for clip in clips if len(clip) > 1 and (clip >= 0).all()]
        """Places of the pictures of every sequence."""

    def __len__(self) -> int:
        return len(self._images)

    def take(self, places: npt.NDArray[np.integer] | Tensor, flips: Tensor | None = None) -> Batch:
        """The pictures at `places`; those that `flips` (bool) names are mirrored, landmarks aside."""
        index = torch.as_tensor(places)
        images, maps = self._images[index], self._maps[index]
        labels = self.labels[index]
        if flips is not None:
            labels = torch.where(flips, mirrored(labels), labels)
            images = torch.where(flips[:, None, None, None], images.flip(-1), images)
            maps = torch.where(flips[:, None, None, None], maps.flip(-1), maps)
        return Batch(
            _signed(images).to(self.device),
            _signed(maps).to(self.device),
            self.landmarks[index],
            labels.to(self.device),
        )

    def draw(self, count: int, rng: np.random.Generator) -> Batch:
        """`count` random pictures, half of them mirrored."""
        places = rng.integers(len(self), size=count)
        return self.take(places, torch.from_numpy(rng.random(count) < 0.5))

    def draw_sequences(self, count: int, length: int, rng: np.random.Generator) -> npt.NDArray[np.integer]:
        """Places of `count` runs of `length` consecutive pictures, (count, length). Raises ValueError without clips."""
        long = [clip for clip in self.clips if len(clip) >= length]
        if not long:
            raise ValueError(f"no clip of {length} pictures")
        chosen = [long[int(n)] for n in rng.integers(len(long), size=count)]
        starts = [int(rng.integers(len(clip) - length + 1)) for clip in chosen]
        return np.stack([clip[start : start + length] for clip, start in zip(chosen, starts, strict=True)])


def damage(images: Tensor, masks: Tensor) -> Tensor:
    """The pictures with 0 where `masks` is 1."""
    return images * (1 - masks)


def draw_masks(makers: list[Maker], count: int, size: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """(count, 1, size, size) float masks, each of a kind drawn at random."""
    made: list[Mask] = [makers[int(rng.integers(len(makers)))](size, rng) for _ in range(count)]
    return torch.from_numpy(np.stack(made)[:, None].astype(np.float32)).to(device)


def _signed(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1
