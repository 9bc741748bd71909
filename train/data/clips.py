"""Stable face crops from talking-head clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from concealer.face_map import EYE_LINE, EYE_SHARE, eye_centres

Rgb = npt.NDArray[np.uint8]
Landmarks = npt.NDArray[np.float32]
Finder = Callable[[Rgb], Landmarks | None]

LEAST_SIDE = 44.0
"""Crops that are smaller than this in the clip are not worth keeping, pixels."""
_SETTLE = 8.0
"""Standard deviation, in pictures, over which the crop's place is smoothed."""
_LEAST_FOUND = 0.8
_SHORTEST = 16


@dataclass(frozen=True, slots=True)
class Clip:
    """Face crops of consecutive pictures."""

    name: str
    images: Rgb
    """(T, S, S, 3) RGB."""
    landmarks: Landmarks
    """(T, LANDMARKS, 2) in [0, 1] of the crop."""


def read_pictures(path: Path, most: int) -> list[Rgb]:
    """The first `most` pictures of a clip, RGB. Raises ValueError if it cannot be decoded."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            pictures = []
            for frame in container.decode(stream):
                pictures.append(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
                if len(pictures) == most:
                    break
            return pictures
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{path} cannot be decoded: {error}") from None


def cut_face(name: str, pictures: list[Rgb], find: Finder, size: int) -> Clip | None:
    """The face of a clip in crops of `size` pixels, or None if there is no face throughout that is large enough.

    `find` is given the pictures in order. The crop has one size over the clip, does not turn with the head, and
    follows the eyes smoothly. Landmarks of pictures where `find` fails are interpolated over time.
    """
    if len(pictures) < _SHORTEST:
        return None
    height, width = pictures[0].shape[:2]
    found = [find(picture) for picture in pictures]
    known = [t for t, landmarks in enumerate(found) if landmarks is not None]
    if len(known) < _LEAST_FOUND * len(pictures):
        return None
    scale = np.array([width, height], np.float32)
    points = np.stack([landmarks * scale for landmarks in found if landmarks is not None])
    points = _over_time(points, known, len(pictures))
    right, left = eye_centres(points)
    side = float(np.median(np.linalg.norm(left - right, axis=-1))) * EYE_SHARE
    if side < LEAST_SIDE:
        return None
    corner = _smooth((right + left) / 2) - side * np.array([0.5, EYE_LINE])
    images = np.stack([crop(p, c, side, size) for p, c in zip(pictures, corner, strict=True)])
    return Clip(name, images, ((points - corner[:, None]) / side).astype(np.float32))


def crop(picture: Rgb, corner: npt.NDArray[np.floating], side: float, size: int) -> Rgb:
    """The square of `side` pixels at `corner` (x, y), resampled to `size`; the border goes on outside."""
    step = side / size
    if step > 1.5:  # the bilinear kernel would miss pixels
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * step).astype(np.uint8)
    x, y = corner + step / 2 - 0.5
    matrix = np.array([[step, 0, x], [0, step, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(picture, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cut.astype(np.uint8)


def _over_time(points: npt.NDArray[np.floating], known: list[int], length: int) -> npt.NDArray[np.floating]:
    flat = points.reshape(len(known), -1)
    times = np.arange(length)
    columns = [np.interp(times, known, column) for column in flat.T]
    return np.stack(columns, 1).reshape(length, *points.shape[1:])


def _smooth(track: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    reach = int(3 * _SETTLE)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SETTLE) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(track, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], 1)
