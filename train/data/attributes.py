"""Attributes of a face that can be had honestly: from landmarks, and from simple measurements on the clean picture.

No set at hand says what a picture shows beyond that it is a face. Sex, age, glasses and the like are left out for that:
nothing here measures them. What is measured is what it is called, no more: "dark brows" are brows darker than the skin
around them, whatever they are dark for. Thresholds lie near the median of the training stills, so that most attributes
halve them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from concealer.face_map import MESH_POINTS, PARTS, eye_centres
from train.data.batches import Faces
from train.data.regions import label_maps


@dataclass(frozen=True, slots=True)
class Attribute:
    """One yes or no."""

    name: str
    threshold: float
    """Yes above."""
    mirrored: str = ""
    """Its name in the mirrored picture, where that is another."""


ATTRIBUTES = (
    # From landmarks, in distances between the eyes.
    Attribute("nose to the left", 0.04, "nose to the right"),
    Attribute("nose to the right", 0.04, "nose to the left"),
    Attribute("nose low", 0.69),
    Attribute("mouth open", 0.05),
    Attribute("mouth corners high", 0.065),
    Attribute("wide mouth", 0.96),
    Attribute("eyes wide open", 0.285),
    Attribute("brows high", 0.18),
    Attribute("long face", 1.195),
    Attribute("broad nose", 0.635),
    Attribute("full lips", 0.22),
    # From the picture, in its values (-1 to 1).
    Attribute("bright skin", 0.16),
    Attribute("warm skin", 0.45),
    Attribute("light from the left", 0.15, "light from the right"),
    Attribute("light from the right", 0.15, "light from the left"),
    Attribute("dark around the forehead", 0.08),
    Attribute("bright backdrop", -0.13),
    Attribute("dark chin", 0.04),
    Attribute("red lips", 0.05),
    Attribute("dark brows", 0.165),
)
_NAMES = [attribute.name for attribute in ATTRIBUTES]
_SWAPPED = torch.tensor([_NAMES.index(attribute.mirrored or attribute.name) for attribute in ATTRIBUTES])
_LUMA = torch.tensor([0.299, 0.587, 0.114])


def attributes_of(images: Tensor, landmarks: Tensor) -> Tensor:
    """0 or 1, (N, len(ATTRIBUTES)) float, of clean pictures (N, 3, S, S) in [-1, 1] and landmarks (N, LANDMARKS, 2)."""
    return (measured(images, landmarks) > torch.tensor([attribute.threshold for attribute in ATTRIBUTES])).float()


def mirrored(attributes: Tensor) -> Tensor:
    """Attributes of the mirrored pictures."""
    return attributes[:, _SWAPPED]


def attributes_of_faces(faces: Faces) -> Tensor:
    """Of every picture of a set, on the CPU."""
    batches = (faces.take(part) for part in torch.arange(len(faces)).split(256))
    return torch.cat([attributes_of(batch.images.cpu(), batch.landmarks) for batch in batches])


def measured(images: Tensor, landmarks: Tensor) -> Tensor:
    """What the attributes are read off, (N, len(ATTRIBUTES))."""
    return torch.cat([_shape(landmarks), _tone(images, landmarks)], 1)


def _shape(landmarks: Tensor) -> Tensor:
    right, left = (torch.from_numpy(part) for part in eye_centres(landmarks.numpy()))
    axis = (left - right) / (left - right).square().sum(1, keepdim=True).clamp(min=1e-9)
    apart = landmarks - ((right + left) / 2)[:, None]
    # Across the face and down it, in distances between the eyes.
    x = (apart * axis[:, None]).sum(2)
    y = (apart * torch.stack([-axis[:, 1], axis[:, 0]], 1)[:, None]).sum(2)

    def at(plane: Tensor, *points: int) -> Tensor:
        return plane[:, [MESH_POINTS.index(point) for point in points]].mean(1)

    def between(plane: Tensor, first: int, second: int) -> Tensor:
        return at(plane, second) - at(plane, first)

    turn = at(x, 2)
    lips = at(y, 13, 14)
    open_eyes = between(y, 159, 145) + between(y, 386, 374)
    values = {
        "nose to the left": -turn,
        "nose to the right": turn,
        "nose low": at(y, 2) / lips.clamp(min=1e-6),
        "mouth open": between(y, 13, 14),
        "mouth corners high": lips - at(y, 61, 291),
        "wide mouth": between(x, 61, 291),
        "eyes wide open": open_eyes / (between(x, 33, 133) + between(x, 362, 263)).clamp(min=1e-6),
        "brows high": at(y, 159, 386) - at(y, 52, 282),
        "long face": between(y, 10, 152) / between(x, 234, 454).clamp(min=1e-6),
        "broad nose": between(x, 48, 278),
        "full lips": between(y, 0, 13) + between(y, 14, 17),
    }
    return torch.stack(list(values.values()), 1)


def _tone(images: Tensor, landmarks: Tensor) -> Tensor:
    labels = label_maps(landmarks, images.shape[-1])
    grey = (images * _LUMA[:, None, None]).sum(1)
    warm = images[:, 0] - images[:, 2]
    red = images[:, 0] - images[:, 1:].mean(1)
    parts = {name: labels == index for index, name in enumerate(PARTS)}
    lips = parts["upper lip"] | parts["lower lip"]
    skin = parts["skin"] | parts["nose"]
    rows, cols = torch.meshgrid(*(torch.linspace(0, 1, images.shape[-1]),) * 2, indexing="ij")
    mouth = landmarks[:, [MESH_POINTS.index(point) for point in (13, 14)]].mean(1)
    chin = skin & (rows > mouth[:, 1, None, None])
    cheeks = skin & ~chin
    middle = landmarks[:, [MESH_POINTS.index(168)], 0, None]
    lit = _mean(grey, cheeks & (cols > middle)) - _mean(grey, cheeks & (cols < middle))
    brows = parts["right brow"] | parts["left brow"]
    values = {
        "bright skin": _mean(grey, cheeks),
        "warm skin": _mean(warm, cheeks),
        "light from the left": -lit,
        "light from the right": lit,
        "dark around the forehead": -_mean(grey, parts["hair"]),
        "bright backdrop": _mean(grey, parts["background"] & (rows < 0.5)),
        "dark chin": _mean(grey, cheeks) - _mean(grey, chin),
        "red lips": _mean(red, lips) - _mean(red, cheeks),
        "dark brows": _mean(grey, cheeks) - _mean(grey, brows),
    }
    return torch.stack(list(values.values()), 1)


def _mean(plane: Tensor, where: Tensor) -> Tensor:
    return (plane * where).sum((1, 2)) / where.sum((1, 2)).clamp(min=1)
