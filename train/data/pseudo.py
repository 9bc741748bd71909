"""Pseudo sequences from stills: smooth random motion, bending and light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

_GRID = 4
"""The bending is given at so many points across the picture."""
_ROUNDS = 6
"""Rounds of the fixed point that inverts the motion for landmarks: each shrinks the error tenfold or more."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where every picture of every sequence looks in its still: p_still = A p + b + bend(p), p in [-1, 1] (x, y)."""

    affine: Tensor
    """(N, T, 2, 3): A and b."""
    bend: Tensor
    """(N, T, 2, 4, 4): displacement at the points of a coarse grid."""
    light: Tensor
    """(N, T, 3): gain, and its slope along x and y."""


def draw_motion(count: int, length: int, rng: np.random.Generator, strength: float = 1.0) -> Motion:
    """Motion of `count` sequences of `length` pictures.

    At strength 1: turns by about 4 degrees, moves by 3 % of the side, scales by 4 %, bends by 1.5 %, light changes
    by 10 %; each over some ten pictures.
    """

    def smooth(*shape: int) -> npt.NDArray[np.floating]:
        """Unit-variance signals over time, (count, length, *shape): two sines of random frequency and phase."""
        time = np.arange(length).reshape(1, length, *(1 for _ in shape))
        speed = rng.uniform(0.08, 0.5, (2, count, 1, *shape))
        phase = rng.uniform(0, 2 * np.pi, (2, count, 1, *shape))
        waves: npt.NDArray[np.floating] = np.sin(speed * time + phase).sum(0)
        return waves * strength

    turn, scale = 0.07 * smooth(), 1 + 0.04 * smooth()
    shear = 0.02 * smooth()
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    move = 0.06 * smooth(2)
    affine = np.stack(
        [np.stack([cos, -sin + shear, move[..., 0]], -1), np.stack([sin + shear, cos, move[..., 1]], -1)], -2
    )
    bend = 0.03 * smooth(2, _GRID, _GRID)
    light = np.stack([1 + 0.1 * smooth(), 0.05 * smooth(), 0.05 * smooth()], -1)
    return Motion(*(torch.from_numpy(part.astype(np.float32)) for part in (affine, bend, light)))


def move_pictures(images: Tensor, motion: Motion, lit: int) -> Tensor:
    """Sequences (N, T, C, S, S) of stills (N, C, S, S); the first `lit` channels are lit, the rest only moved."""
    count, length = motion.affine.shape[:2]
    channels, side = images.shape[1], images.shape[-1]
    where = _positions(motion, side).to(images.device)  # (N * T, S, S, 2)
    still = images[:, None].expand(-1, length, -1, -1, -1).flatten(0, 1)
    moved = functional.grid_sample(still, where, padding_mode="border", align_corners=False)
    place = (torch.arange(side, device=images.device) + 0.5) / side * 2 - 1
    gain, slope_x, slope_y = motion.light.to(images.device).flatten(0, 1)[:, :, None, None].unbind(1)
    light = gain + slope_x * place[None, None, :] + slope_y * place[None, :, None]  # (N * T, S, S)
    seen = ((moved[:, :lit] + 1) * light[:, None] - 1).clamp(-1, 1)
    return torch.cat([seen, moved[:, lit:]], 1).view(count, length, channels, side, side)


def move_landmarks(landmarks: Tensor, motion: Motion) -> Tensor:
    """Where landmarks (N, K, 2) in [0, 1] of the stills lie in the sequences: (N, T, K, 2)."""
    length = motion.affine.shape[1]
    target = (landmarks[:, None] * 2 - 1).expand(-1, length, -1, -1).flatten(0, 1)  # (N * T, K, 2)
    affine = motion.affine.flatten(0, 1)
    inverse = torch.linalg.inv(affine[:, :, :2])
    place = target
    for _ in range(_ROUNDS):
        bend = functional.grid_sample(
            motion.bend.flatten(0, 1), place[:, None], mode="bilinear", padding_mode="border", align_corners=True
        )[:, :, 0].transpose(1, 2)
        place = (target - affine[:, None, :, 2] - bend) @ inverse.transpose(1, 2)
    return ((place + 1) / 2).unflatten(0, (-1, length))


def _positions(motion: Motion, side: int) -> Tensor:
    affine = motion.affine.flatten(0, 1)
    grid = functional.affine_grid(affine, [len(affine), 1, side, side], align_corners=False)
    # The bending's grid spans the picture from edge to edge; pixel centres lie half a pixel inside.
    corners = functional.affine_grid(torch.eye(2, 3)[None], [1, 1, side, side], align_corners=False)
    bend = functional.grid_sample(
        motion.bend.flatten(0, 1),
        corners.expand(len(affine), -1, -1, -1),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return grid + bend.permute(0, 2, 3, 1)
