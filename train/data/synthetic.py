"""Faces drawn from nothing: for smoke runs and tests."""

from __future__ import annotations

import cv2
import numpy as np

from concealer import face_map
from concealer.face_map import LANDMARKS, REGIONS
from train.data.shards import FaceSet

_PLACES = {
    "skin": (0.5, 0.52, 0.32, 0.42),
    "right brow": (0.37, 0.35, 0.09, 0.02),
    "left brow": (0.63, 0.35, 0.09, 0.02),
    "right eye": (0.37, 0.42, 0.06, 0.03),
    "left eye": (0.63, 0.42, 0.06, 0.03),
    "nose": (0.5, 0.55, 0.06, 0.12),
    "lips": (0.5, 0.75, 0.13, 0.06),
    "mouth": (0.5, 0.75, 0.09, 0.02),
}
"""Centre and half-axes of every region's ellipse, shares of the side."""


def synthetic_landmarks(rng: np.random.Generator) -> np.ndarray:
    """(LANDMARKS, 2) in [0, 1]: regions as ellipses, moved and stretched at random."""
    rows = []
    shift, stretch, mouth = rng.normal(0, 0.02, 2), rng.uniform(0.85, 1.1, 2), rng.uniform(0.2, 2)
    for region in REGIONS:
        x, y, a, b = _PLACES[region.name]
        # Outlines of the mesh start at the top and go by the left of the picture.
        angle = -np.pi / 2 - np.linspace(0, 2 * np.pi, len(region.mesh), endpoint=False)
        tall = b * (mouth if region.name == "mouth" else 1)
        rows.append(np.stack([x + a * np.cos(angle), y + tall * np.sin(angle)], 1))
    return ((np.concatenate(rows) - 0.5) * stretch + 0.5 + shift).astype(np.float32)


def synthetic_faces(count: int, size: int, *, clips: int = 0, length: int = 8, seed: int = 0) -> FaceSet:
    """`count` stills, then `clips` sequences of `length` pictures in which the face sways."""
    rng = np.random.default_rng(seed)
    images, landmarks, starts = [], [], [0]
    for number in range(count + clips):
        base, colours = synthetic_landmarks(rng), rng.uniform(0.2, 1, (2, 3))
        pictures = 1 if number < count else length
        for t in range(pictures):
            points = base + np.array([0.03 * np.sin(t), 0.0], np.float32)
            drawn = face_map.draw(points, size).astype(np.float32)
            picture = np.where(drawn.any(2, keepdims=True), drawn * colours[0], 255 * colours[1])
            images.append(cv2.GaussianBlur(picture, (0, 0), size / 64).clip(0, 255).astype(np.uint8))
            landmarks.append(points)
        starts.append(starts[-1] + pictures)
    stacked = np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
    points = np.stack(landmarks).reshape(-1, LANDMARKS, 2)
    names = tuple(f"synthetic {n}" for n in range(count + clips))
    return FaceSet(stacked, points, names, np.array(starts), ("none needed",) * len(names))
