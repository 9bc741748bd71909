"""Facial landmarks and the colour map drawn from them (Lahiri et al. 2017, section 4.1). Needs no torch.

Landmarks are the part of MediaPipe's Face Mesh (468 points) that outlines something, grouped by meaning; each
group is filled with one colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Region:
    """One outline of a face."""

    name: str
    colour: tuple[int, int, int]
    """RGB, 0..255."""
    mesh: tuple[int, ...]
    """Points of the Face Mesh along the outline, in order. Left and right are the face's own."""


REGIONS = (
    Region(
        "skin",
        (120, 80, 60),
        (10, 109, 67, 103, 54, 21, 162, 127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148)
        + (152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356, 389, 251, 284, 332, 297, 338),
    ),
    Region("right brow", (255, 255, 0), (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)),
    Region("left brow", (255, 255, 0), (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)),
    Region("right eye", (0, 255, 255), (7, 33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163)),
    Region("left eye", (0, 255, 255), (249, 263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390)),
    Region(
        "nose",
        (0, 255, 0),
        (168, 193, 122, 196, 236, 198, 209, 49, 48, 64, 98, 97)
        + (2, 326, 327, 294, 278, 279, 429, 420, 456, 419, 351, 417),
    ),
    Region(
        "lips",
        (255, 0, 0),
        (0, 37, 39, 40, 185, 61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267),
    ),
    Region(
        "mouth",
        (255, 0, 255),
        (13, 82, 81, 80, 191, 78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312),
    ),
)
"""In the order they are drawn: later ones cover earlier ones."""
MESH_POINTS = tuple(index for region in REGIONS for index in region.mesh)
"""Face Mesh index of every landmark."""
LANDMARKS = len(MESH_POINTS)
CHANNELS = 3
EYE_LINE = 0.42
"""Height of the eyes in the square crop of a face that networks are trained on, as a share of its side."""
EYE_SHARE = 3.6
"""Side of that crop in inter-ocular distances."""
_FRACTION_BITS = 8


def _slice_of(name: str) -> slice:
    start = 0
    for region in REGIONS:
        if region.name == name:
            return slice(start, start + len(region.mesh))
        start += len(region.mesh)
    raise KeyError(name)


RIGHT_EYE, LEFT_EYE = _slice_of("right eye"), _slice_of("left eye")


def draw(landmarks: Points, size: int) -> npt.NDArray[np.uint8]:
    """The semantic map, (size, size, 3) uint8 RGB, of landmarks (LANDMARKS, 2) in [0, 1] of the crop (x, y).

    Raises ValueError for landmarks of another shape.
    """
    if landmarks.shape != (LANDMARKS, 2):
        raise ValueError(f"landmarks must be ({LANDMARKS}, 2), got {landmarks.shape}")
    # Pixel centres lie at whole numbers: a crop of `size` pixels spans -0.5 .. size - 0.5.
    fixed = np.rint((np.clip(landmarks, -2, 3) * size - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
    canvas = np.zeros((size, size, 3), np.uint8)
    start = 0
    for region in REGIONS:
        outline = fixed[start : start + len(region.mesh)]
        cv2.fillPoly(canvas, [outline], region.colour, lineType=cv2.LINE_AA, shift=_FRACTION_BITS)
        start += len(region.mesh)
    return canvas


def eye_centres(landmarks: Points) -> tuple[Points, Points]:
    """Mean of the right and of the left eye's outline, each (..., 2), of landmarks (..., LANDMARKS, 2)."""
    return landmarks[..., RIGHT_EYE, :].mean(-2), landmarks[..., LEFT_EYE, :].mean(-2)


def relative_error(found: Points, true: Points) -> npt.NDArray[np.floating]:
    """Distance of every landmark from its true place as a share of the inter-ocular distance, (..., LANDMARKS)."""
    right, left = eye_centres(true)
    between = np.linalg.norm(left - right, axis=-1)[..., None]
    error: npt.NDArray[np.floating] = np.linalg.norm(found - true, axis=-1) / between
    return error


PARTS = (
    "background",
    "hair",
    "skin",
    "right brow",
    "left brow",
    "right eye",
    "left eye",
    "nose",
    "upper lip",
    "mouth",
    "lower lip",
)
"""Names of the eleven classes of `label`, those of HELEN. "hair" is a band around the upper face, by geometry alone:
landmarks do not tell hair from what is behind it."""
PART_COLOURS = (
    (0, 0, 0),
    (110, 60, 20),
    (230, 180, 140),
    (0, 120, 0),
    (0, 220, 0),
    (0, 60, 220),
    (0, 200, 255),
    (255, 220, 0),
    (220, 0, 0),
    (255, 0, 255),
    (120, 0, 80),
)
"""RGB, 0..255, of every class where a label map is shown or edited as a picture."""
MIRRORED_PARTS = (0, 1, 2, 4, 3, 6, 5, 7, 8, 9, 10)
"""The class that every class becomes in the mirrored picture."""
_BAND_WIDE, _BAND_TALL = 1.3, 1.5
"""The band of hair: the outline of the face stretched about the middle between the eyes."""


def label(landmarks: Points, size: int) -> npt.NDArray[np.uint8]:
    """The class of every pixel, (size, size) uint8 index into `PARTS`, of landmarks (LANDMARKS, 2) in [0, 1].

    Raises ValueError for landmarks of another shape.
    """
    if landmarks.shape != (LANDMARKS, 2):
        raise ValueError(f"landmarks must be ({LANDMARKS}, 2), got {landmarks.shape}")
    outlines = {region.name: landmarks[_slice_of(region.name)] for region in REGIONS}
    right, left = eye_centres(landmarks)
    middle = (right + left) / 2
    face = outlines["skin"]
    band = middle + (face - middle) * (_BAND_WIDE, _BAND_TALL)
    lips = outlines["lips"]
    canvas = np.zeros((size, size), np.uint8)
    _fill(canvas, np.minimum(band, (np.inf, lips[:, 1].mean())), 1)
    for index, outline in ((2, face), (3, outlines["right brow"]), (4, outlines["left brow"])):
        _fill(canvas, outline, index)
    _fill(canvas, outlines["right eye"], 5)
    _fill(canvas, outlines["left eye"], 6)
    _fill(canvas, outlines["nose"], 7)
    # The outline of the lips starts at the middle above and passes the corners of the mouth at 5 and 15.
    lower = lips[5:16]
    inner = outlines["mouth"]
    _fill(canvas, lips, 8)
    _fill(canvas, np.concatenate([lower, (inner[5:16])[::-1]]), 10)
    _fill(canvas, inner, 9)
    return canvas


def _fill(canvas: npt.NDArray[np.uint8], outline: Points, value: int) -> None:
    """Fill an outline (K, 2) in [0, 1] without soft edges: a class is there or not."""
    size = canvas.shape[0]
    fixed = np.rint((np.clip(outline, -2, 3) * size - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], (value,), shift=_FRACTION_BITS)
