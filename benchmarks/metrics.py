"""How pictures are compared with the clean decode. Luma, 8 bit; lists are in output order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

CAP = 60.0
"""PSNR of identical pictures, and the most any picture can count, in dB."""
_PEAK = 255.0
_REACH = 5


@dataclass(frozen=True)
class Scores:
    """One method on one damaged stream."""

    psnr: float
    """Sequence PSNR-Y in dB: mean over all pictures of the clean decode."""
    hole_psnr: float | None
    """PSNR-Y over all hole pixels of the clip taken together; None without a hole."""
    later_psnr: float | None
    """Mean PSNR-Y of pictures without a hole that differ from the clean decode; None if there is none."""
    ssim: float
    """Mean over all pictures."""
    pictures_in: int
    """Access units sent."""
    pictures_out: int
    frozen: int
    """Pictures that show the same as the one before although the clean ones differ; missing ones included."""


def psnr_of(squared_error: float, samples: int) -> float:
    """PSNR in dB of a sum of squared errors, at most `CAP`."""
    if samples <= 0:
        raise ValueError(f"number of samples must be positive, got {samples}")
    if squared_error <= 0:
        return CAP
    return min(CAP, 10 * math.log10(_PEAK**2 * samples / squared_error))


def squared_error(a: Luma, b: Luma, mask: Mask | None = None) -> float:
    """Sum of squared differences, over `mask` if given."""
    # OpenCV squares a square root: rounding gives back the whole number it was.
    return float(round(cv2.norm(a, b, cv2.NORM_L2SQR, None if mask is None else mask.view(np.uint8))))


def ssim(a: Luma, b: Luma) -> float:
    """Mean structural similarity (Wang et al. 2004): Gaussian window of 11x11, sigma 1.5, K1 .01, K2 .03.

    Windows that reach over the border are left out, as in the authors' code. Raises ValueError below 11x11.
    """
    if min(a.shape) < 11:
        raise ValueError(f"SSIM needs at least 11x11 samples, got {a.shape}")
    windows = (a.shape[0] - 2 * _REACH) * (a.shape[1] - 2 * _REACH)
    differing = cv2.boundingRect(cv2.absdiff(a, b))
    if not differing[2]:
        return 1.0
    # Windows that see no difference count exactly 1: look at the others only.
    left, top, width, height = differing
    part = (
        slice(max(0, top - 2 * _REACH), top + height + 2 * _REACH),
        slice(max(0, left - 2 * _REACH), left + width + 2 * _REACH),
    )
    x, y = a[part].astype(np.float32), b[part].astype(np.float32)
    mean_x, mean_y = _window_means(x), _window_means(y)
    product = mean_x * mean_y
    squares = mean_x * mean_x + mean_y * mean_y
    variances = _window_means(x * x + y * y) - squares
    covariance = _window_means(x * y) - product
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
    similarity = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return 1.0 - float(np.sum(1.0 - similarity, dtype=np.float64)) / windows


def _window_means(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Gaussian-weighted means of the windows that lie wholly inside."""
    size = 2 * _REACH + 1
    return np.asarray(cv2.GaussianBlur(values, (size, size), 1.5)[_REACH:-_REACH, _REACH:-_REACH], np.float32)


def shown(pictures: Sequence[Luma | None]) -> list[Luma]:
    """What a viewer sees: a picture that never came out shows the one before.

    Missing at the very beginning: mid-grey. Raises ValueError if no picture came out at all.
    """
    first = next((picture for picture in pictures if picture is not None), None)
    if first is None:
        raise ValueError("not one picture came out")
    current: Luma = np.full_like(first, 128)
    seen = []
    for picture in pictures:
        current = current if picture is None else picture
        seen.append(current)
    return seen


def score(clean: Sequence[Luma], pictures: Sequence[Luma | None], holes: Sequence[Mask | None]) -> Scores:
    """Compare `pictures` (None: never came out) with `clean`; `holes` are the true holes in luma samples.

    Raises ValueError if the lists differ in length.
    """
    if not len(clean) == len(pictures) == len(holes):
        raise ValueError(f"lengths differ: {len(clean)} clean, {len(pictures)} pictures, {len(holes)} holes")
    out = sum(picture is not None for picture in pictures)
    if out == 0:
        blank: list[Luma | None] = [np.full_like(clean[0], 128), *([None] * (len(clean) - 1))]
        seen = shown(blank)
    else:
        seen = shown(pictures)
    sequence, later, similar = [], [], []
    hole_error, hole_samples, frozen = 0.0, 0, 0
    for index, (want, have, hole) in enumerate(zip(clean, seen, holes, strict=True)):
        error = squared_error(want, have)
        sequence.append(psnr_of(error, want.size))
        similar.append(ssim(want, have))
        if hole is not None and hole.any():
            hole_error += squared_error(want, have, hole)
            hole_samples += int(np.count_nonzero(hole))
        elif error > 0:
            later.append(sequence[-1])
        if index and np.array_equal(have, seen[index - 1]) and not np.array_equal(want, clean[index - 1]):
            frozen += 1
    return Scores(
        psnr=float(np.mean(sequence)),
        hole_psnr=psnr_of(hole_error, hole_samples) if hole_samples else None,
        later_psnr=float(np.mean(later)) if later else None,
        ssim=float(np.mean(similar)),
        pictures_in=len(clean),
        pictures_out=out,
        frozen=frozen,
    )
