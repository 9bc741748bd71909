"""Hands and objects that hide a face, drawn from nothing: shape, shading, texture, soft edge.

Stands where SGIN (2022) overlays cut-outs of COCO and EgoHands (NatOcc). Nothing here shows a real thing, so nothing
has to be licensed; how far it carries to real ones is for measurement to say.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from train.data.masks import Mask

Floats = npt.NDArray[np.float32]
_FINE = 2
"""Occluders are drawn so many times larger, and averaged: soft edges."""
_LIGHT_SKIN, _DARK_SKIN = np.array([0.95, 0.77, 0.67]), np.array([0.27, 0.17, 0.12])
_HIDES = 0.3
"""A pixel counts as hidden from this share of cover on."""


@dataclass(frozen=True, slots=True)
class Occluder:
    """A thing in front of the picture."""

    colour: Floats
    """(S, S, 3) RGB in [0, 1]."""
    cover: Floats
    """(S, S) in [0, 1]: how much of a pixel it covers."""

    @property
    def mask(self) -> Mask:
        """The pixels it hides."""
        return self.cover > _HIDES


def hand(size: int, rng: np.random.Generator) -> Occluder:
    """A hand with the wrist at a border, four fingers and a thumb, each bent a little, in some tone of skin."""
    side = size * _FINE
    height = np.zeros((side, side), np.float32)
    for start, end, thick in _limbs(rng):
        part = np.zeros((side, side), np.uint8)
        ends = [tuple(int(v) for v in np.rint(point * side)) for point in (start, end)]
        cv2.line(part, ends[0], ends[1], (1,), max(2, round(thick * side)))
        height = np.where(part > 0, np.maximum(_roundness(part), height * 0.75), height)
    tone = _LIGHT_SKIN + (_DARK_SKIN - _LIGHT_SKIN) * rng.beta(1, 1.3)
    tone = np.clip(tone * rng.uniform(0.9, 1.1, 3), 0, 1)
    colour = tone * _shade(height, rng, 0.6)[..., None]
    colour += (_noise(side, rng, 2.5) * 0.03)[..., None] * np.array([1.2, 0.9, 0.8])
    return _finish(colour, height > 0, size)


def thing(size: int, rng: np.random.Generator) -> Occluder:
    """An object: box, disc, bar, ring or irregular shape, plain or patterned, flat or round."""
    side = size * _FINE
    shape = _outline(side, rng)
    height = _roundness(shape)
    flat = rng.random() < 0.5
    relief = np.minimum(height, height.max() * rng.uniform(0.05, 0.3)) if flat else height
    colour = _pattern(side, rng) * _shade(relief, rng, rng.uniform(0.2, 0.7))[..., None]
    if rng.random() < 0.4:  # a highlight
        at = rng.uniform(0.3, 0.7, 2) * side
        ys, xs = np.indices((side, side))
        colour = colour + 0.6 * np.exp(-((xs - at[0]) ** 2 + (ys - at[1]) ** 2) / (side * 0.05) ** 2)[..., None]
    return _finish(colour, shape > 0, size)


def hand_mask(size: int, rng: np.random.Generator) -> Mask:
    """What a hand hides."""
    return hand(size, rng).mask


def object_mask(size: int, rng: np.random.Generator) -> Mask:
    """What an object hides."""
    return thing(size, rng).mask


def centre_70(size: int, rng: np.random.Generator) -> Mask:
    """A square at the centre over 70 % of the picture (SGIN 2022, "Center mask")."""
    side = round(size * 0.7**0.5)
    start = (size - side) // 2
    mask = np.zeros((size, size), bool)
    mask[start : start + side, start : start + side] = True
    return mask


def _limbs(rng: np.random.Generator) -> list[tuple[Floats, Floats, float]]:
    """Arm, palm and fingers as thick lines: ends in shares of the picture, thickness likewise."""
    scale = rng.uniform(0.16, 0.34)  # width of the palm
    toward = rng.uniform(-np.pi, np.pi)  # where the fingers point
    up, right = np.array([np.cos(toward), np.sin(toward)]), np.array([-np.sin(toward), np.cos(toward)])
    if rng.random() < 0.5:
        right = -right
    palm = rng.uniform(0.25, 0.75, 2)

    def at(x: float, y: float) -> Floats:
        return (palm + scale * (x * right + y * up)).astype(np.float32)

    limbs = [(at(0, -6), at(0, -0.5), scale * 0.72), (at(0, -0.45), at(0, 0.1), scale * 0.95)]
    spread = rng.uniform(0.02, 0.3)
    bent = rng.uniform(0.3, 1.0)
    for number, length in enumerate((0.85, 1.0, 0.95, 0.75)):
        x, lean = (number - 1.5) * 0.25, (number - 1.5) * spread + rng.normal(0, 0.05)
        bottom, reach = at(x, 0.45), length * bent * rng.uniform(0.85, 1.1)
        knuckle = at(x + lean * reach * 0.5, 0.45 + reach * 0.55)
        tip = at(x + lean * reach * 1.1, 0.45 + reach * 1.05)
        limbs += [(bottom, knuckle, scale * 0.25), (knuckle, tip, scale * 0.21)]
    away = rng.uniform(0.2, 0.6)
    joint = at(0.5 + away * 0.7, 0.15)
    return [*limbs, (at(0.35, -0.35), joint, scale * 0.28), (joint, at(0.55 + away, 0.55), scale * 0.23)]


def _outline(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The silhouette of an object, (side, side), 1 inside."""
    canvas = np.zeros((side, side), np.uint8)
    centre = tuple((rng.uniform(0.15, 0.85, 2) * side).tolist())
    wide, tall = (rng.uniform(0.25, 0.65, 2) * side).tolist()
    turn = float(rng.uniform(0, 180))
    kind = int(rng.integers(5))
    if kind == 0:
        cv2.fillConvexPoly(canvas, np.rint(cv2.boxPoints((centre, (wide, tall), turn))).astype(np.int32), (1,))
    elif kind == 1:
        cv2.ellipse(canvas, (centre, (wide, tall), turn), (1,), -1)
    elif kind == 2:  # a bar across the picture
        box = cv2.boxPoints((centre, (side * rng.uniform(0.7, 1.6), side * rng.uniform(0.06, 0.2)), turn))
        cv2.fillConvexPoly(canvas, np.rint(box).astype(np.int32), (1,))
    elif kind == 3:  # a ring or a pair of them
        for shift in (0, wide * rng.uniform(0.7, 1)) if rng.random() < 0.5 else (0,):
            cv2.ellipse(
                canvas, ((centre[0] + shift, centre[1]), (wide * 0.7, tall * 0.7), 0.0), (1,), max(3, side // 18)
            )
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radii = rng.uniform(0.4, 1, 9) * max(wide, tall) / 1.6
        corners = np.array(centre) + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(canvas, [np.rint(corners).astype(np.int32)], (1,))
    if not canvas.any():
        canvas[side // 3 : side // 2, side // 3 : side // 2] = 1
    return canvas


def _pattern(side: int, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    """Colours of a surface, (side, side, 3)."""
    first, second = rng.uniform(0.02, 0.98, (2, 3))
    ys, xs = np.indices((side, side)) / side
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(6, 40)
    along, beside = xs * np.cos(turn) + ys * np.sin(turn), ys * np.cos(turn) - xs * np.sin(turn)
    share = (
        np.zeros_like(xs),
        (np.sin(along * pitch) > 0).astype(float),
        ((np.sin(along * pitch) > 0) ^ (np.sin(beside * pitch) > 0)).astype(float),
        np.clip(along, 0, 1),
        np.clip(_noise(side, rng, side / rng.uniform(8, 40)) + 0.5, 0, 1),
        (np.sin(along * pitch) * np.sin(beside * pitch) > 0.5).astype(float),
    )[int(rng.integers(6))]
    grain = (_noise(side, rng, rng.uniform(0.8, 3)) * rng.uniform(0, 0.08))[..., None]
    return first + (second - first) * share[..., None] + grain


def _roundness(shape: npt.NDArray[np.uint8]) -> Floats:
    """The height of a round body with this silhouette, in pixels: a half circle across its width."""
    deep = cv2.distanceTransform(shape, cv2.DIST_L2, 3)
    radius = float(deep.max()) + 1e-3
    return np.sqrt(np.maximum(radius**2 - (radius - deep) ** 2, 0)).astype(np.float32) * (shape > 0)


def _shade(height: Floats, rng: np.random.Generator, depth: float) -> npt.NDArray[np.floating]:
    """Brightness of a relief under one light, about 1; `depth`: how dark it gets away from the light."""
    smooth = cv2.GaussianBlur(height, (0, 0), 1.5)
    down, across = np.gradient(smooth)
    turn = rng.uniform(0, 2 * np.pi)
    normal = np.sqrt(down**2 + across**2 + 1)
    facing = (across * np.cos(turn) + down * np.sin(turn) + 1.2) / normal / 1.56
    shade: npt.NDArray[np.floating] = rng.uniform(0.75, 1.1) * (1 - depth + depth * np.clip(facing, 0, 1) * 1.2)
    return shade


def _noise(side: int, rng: np.random.Generator, blur: float) -> npt.NDArray[np.floating]:
    """Blurred noise of unit deviation."""
    small = max(4, round(side / max(1.0, blur)))
    drawn = rng.standard_normal((small, small)).astype(np.float32)
    return cv2.resize(drawn, (side, side), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _finish(colour: npt.NDArray[np.floating], shape: npt.NDArray[np.bool_], size: int) -> Occluder:
    cover = cv2.resize(shape.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    cover = cv2.GaussianBlur(cover, (0, 0), 0.5)
    shown = cv2.resize(np.clip(colour, 0, 1).astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return Occluder(shown.astype(np.float32), cover.astype(np.float32))
