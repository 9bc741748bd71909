"""Measures of repaired pictures and sequences. Images are (N, 3, S, S) in [-1, 1] unless said; PSNR has peak 2."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

BEST = 60.0
"""PSNR of identical pictures, dB."""
_LIT = 10.0
"""Pixels whose clean values differ by more than this after warping (8-bit steps) were uncovered, not moved."""


def psnr(found: Tensor, true: Tensor, masks: Tensor | None = None) -> Tensor:
    """PSNR of each picture, (N,), dB; over missing pixels only if `masks` (N, 1, S, S) is given."""
    error = (found - true).square()
    if masks is None:
        mean = error.mean((1, 2, 3))
    else:
        mean = (error * masks).sum((1, 2, 3)) / (3 * masks.sum((1, 2, 3))).clamp(min=1)
    return (10 * torch.log10(4 / mean.clamp(min=1e-12))).clamp(max=BEST)


def ssim_map(found: Tensor, true: Tensor) -> Tensor:
    """SSIM of Wang et al. 2004 around every pixel, (N, 3, S, S): Gaussian window of 11, sigma 1.5."""
    return _ssim_parts(found, true)[0]


def _ssim_parts(found: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM around every pixel, and its part for contrast and structure alone."""
    side = 11
    found, true = found.double(), true.double()  # variances are small differences of squares
    line = torch.exp(-0.5 * ((torch.arange(side, device=found.device).double() - side // 2) / 1.5) ** 2)
    line = (line / line.sum()).expand(3, 1, 1, side)

    def blur(x: Tensor) -> Tensor:
        x = functional.pad(x, [side // 2] * 4, mode="reflect")
        return functional.conv2d(functional.conv2d(x, line, groups=3), line.transpose(2, 3), groups=3)

    a, b = found, true
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    both = blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    mean_part = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * both + c2) / (var_a + var_b + c2)
    return (mean_part * structure).float(), structure.float()


def ssim(found: Tensor, true: Tensor, masks: Tensor | None = None) -> Tensor:
    """Mean SSIM of each picture, (N,); over missing pixels only if `masks` is given."""
    each = ssim_map((found + 1), (true + 1)).mean(1, keepdim=True)
    if masks is None:
        return each.mean((1, 2, 3))
    return (each * masks).sum((1, 2, 3)) / masks.sum((1, 2, 3)).clamp(min=1)


def multi_scale_ssim(found: Tensor, true: Tensor) -> Tensor:
    """MS-SSIM of Wang et al. 2003 of each picture, (N,), over as many of the five scales as the window of 11 fits.

    The weights of those are scaled to a sum of 1, so that figures compare only at one resolution. Below the last scale
    contrast and structure count, without the mean.
    """
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    scales = min(len(weights), max(1, (found.shape[-1] // 11).bit_length()))
    share = torch.tensor(weights[:scales]) / sum(weights[:scales])
    each = torch.ones(len(found), device=found.device)
    a, b = found + 1, true + 1
    for scale in range(scales):
        whole, structure = _ssim_parts(a, b)
        part = whole if scale == scales - 1 else structure
        each = each * part.mean((1, 2, 3)).clamp(min=0) ** share[scale]
        a, b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
    return each


def rmse(found: Tensor, true: Tensor) -> Tensor:
    """Root of the mean squared error of each picture, (N,), in 8-bit steps."""
    return (found - true).square().mean((1, 2, 3)).sqrt() * 127.5


def perceptual_distance(found: list[Tensor], true: list[Tensor]) -> Tensor:
    """Of each picture, (N,), from feature maps (N, C, h, w): as LPIPS (Zhang et al. 2018) without its learnt weights.

    Feature vectors are brought to unit length; their squared differences are averaged over places and summed over maps.
    """
    apart = [
        (functional.normalize(a, dim=1) - functional.normalize(b, dim=1)).square().sum(1).mean((1, 2))
        for a, b in zip(found, true, strict=True)
    ]
    return torch.stack(apart).sum(0)


def consistency(repaired: Tensor) -> float:
    """Mean PSNR over all pairs of N repairs of one picture (Lahiri et al. 2017, eq. 7, each pair counted once)."""
    count = len(repaired)
    if count < 2:
        raise ValueError("consistency needs two repairs of a picture or more")
    first, second = torch.triu_indices(count, count, 1)
    return float(psnr(repaired[first], repaired[second]).mean())


def frechet_distance(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Frechet distance of normal distributions fitted to two sets of feature vectors, (N, D) and (M, D)."""
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a distribution needs two vectors or more, got {len(a)} and {len(b)}")
    first, second = torch.from_numpy(a).double(), torch.from_numpy(b).double()
    cov_a, cov_b = first.t().cov(), second.t().cov()
    root = _square_root(cov_a)
    middle = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0)
    apart = (first.mean(0) - second.mean(0)).square().sum()
    return float(apart + cov_a.trace() + cov_b.trace() - 2 * middle.sqrt().sum())


def _square_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.t()


def temporal_error(
    repaired: npt.NDArray[np.uint8], clean: npt.NDArray[np.uint8], masks: npt.NDArray[np.bool_]
) -> float:
    """Flow-warped temporal error of a sequence: mean squared change, 8-bit steps, of a repaired pixel along the
    motion of the clean pictures.

    `repaired`, `clean`: (T, S, S, 3) RGB; `masks`: (T, S, S). Counted are pixels missing in a picture or, at the
    place they moved from, in the one before, and only where the clean pictures agree along the motion.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in clean]
    side = clean.shape[1]
    ys, xs = np.indices((side, side), np.float32)
    total, count = 0.0, 0
    for t in range(1, len(clean)):
        back = flow.calc(grey[t], grey[t - 1], np.zeros((side, side, 2), np.float32))
        at = (xs + back[..., 0], ys + back[..., 1])

        def warp(picture: npt.NDArray[np.generic], at: tuple[np.ndarray, np.ndarray] = at) -> np.ndarray:
            return cv2.remap(picture.astype(np.float32), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

        steady = np.abs(warp(clean[t - 1]) - clean[t]).max(2) < _LIT
        looked = steady & (masks[t] | (warp(masks[t - 1].astype(np.uint8)) > 0.5))
        change = np.square(warp(repaired[t - 1]) - repaired[t].astype(np.float32)).mean(2)
        total += float(change[looked].sum())
        count += int(looked.sum())
    return total / max(count, 1)


def to_bytes(images: Tensor) -> npt.NDArray[np.uint8]:
    """(N, S, S, 3) uint8 of pictures in [-1, 1]."""
    pixels: npt.NDArray[np.uint8] = ((images.clamp(-1, 1) + 1) * 127.5).round().cpu().numpy().astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
