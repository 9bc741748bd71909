"""Editing faces in ordinary pictures with SGIN (2022): label maps, styles, and what hides the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from concealer.face_map import EYE_LINE, EYE_SHARE, PARTS
from concealer.networks.occlusion_detector import OcclusionDetector
from concealer.networks.region_predictor import RegionPredictor, one_hot_map
from concealer.networks.sgin import SginGenerator
from concealer.networks.weights import load_weights
from train.calls import freeze
from train.data.batches import damage
from train.data.clips import crop
from train.measures import to_bytes
from train.sgin.map_edits import Labels, touched

Rgb = npt.NDArray[np.uint8]
_LEAST_EYES = 4.0
"""Eyes that are less than this many pixels apart show no face to speak of."""


@dataclass(frozen=True, slots=True)
class Face:
    """A picture and the square of its face."""

    picture: Rgb
    """(H, W, 3) RGB."""
    corner: tuple[float, float]
    """x and y of the square's upper left corner, pixels."""
    side: float

    def square(self, size: int) -> Tensor:
        """The face (1, 3, size, size) in [-1, 1]."""
        cut = crop(self.picture, np.array(self.corner), self.side, size)
        return torch.from_numpy(cut.transpose(2, 0, 1).copy()).float()[None] / 127.5 - 1

    def with_face(self, image: Tensor, share: Tensor) -> Rgb:
        """The picture with `image` (1, 3, S, S) in its square where `share` (1, 1, S, S) is 1, faded at the edges."""
        size = image.shape[-1]
        step = self.side / size
        matrix = np.array([[step, 0, self.corner[0] + step / 2 - 0.5], [0, step, self.corner[1] + step / 2 - 0.5]])
        shape = self.picture.shape[1::-1]
        soft = cv2.GaussianBlur(np.pad(share[0, 0].cpu().numpy(), 1, mode="edge"), (0, 0), 0.7)[1:-1, 1:-1]
        soft = np.maximum(soft, share[0, 0].cpu().numpy())
        inside = cv2.warpAffine(soft, matrix, shape, flags=cv2.INTER_LINEAR)[..., None]
        drawn = cv2.warpAffine(
            to_bytes(image)[0].astype(np.float32), matrix, shape, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        out = self.picture + (drawn - self.picture) * inside
        return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def open_face(path: Path, eyes: Sequence[float] | None) -> Face:
    """The face of a picture file. `eyes`: x and y of both eyes' centres in pixels, left one of the picture first; None:
    the central square is the face, cut as the networks are trained on them. Raises ValueError if it cannot be read or
    the eyes are not where eyes can be."""
    picture = read_picture(path)
    height, width = picture.shape[:2]
    if eyes is None:
        side = min(height, width)
        return Face(picture, ((width - side) / 2, (height - side) / 2), float(side))
    first, second = np.array(eyes[:2]), np.array(eyes[2:])
    apart = float(np.linalg.norm(second - first))
    inside = all(0 <= x < width and 0 <= y < height for x, y in (first, second))
    if not inside or apart < _LEAST_EYES:
        raise ValueError(f"eyes at {eyes[0]:g},{eyes[1]:g} and {eyes[2]:g},{eyes[3]:g} of a {width}x{height} picture")
    side = apart * EYE_SHARE
    corner = (first + second) / 2 - side * np.array([0.5, EYE_LINE])
    return Face(picture, (float(corner[0]), float(corner[1])), side)


def read_picture(path: Path) -> Rgb:
    """(H, W, 3) RGB of a picture file. Raises ValueError if it is none."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if picture is None:
        raise ValueError(f"{path} is not a picture")
    return np.ascontiguousarray(picture[:, :, ::-1]).astype(np.uint8)


def write_picture(path: Path, picture: Rgb) -> None:
    """Write (H, W, 3) RGB in the format of the suffix. Raises ValueError if it cannot be written."""
    try:
        fine = cv2.imwrite(str(path), np.ascontiguousarray(picture[:, :, ::-1]))
    except cv2.error:
        raise ValueError(f"{path}: no picture format has this suffix") from None
    if not fine:
        raise ValueError(f"cannot write {path}")


@dataclass(frozen=True, slots=True)
class Editor:
    """SGIN's networks at one resolution."""

    detector: OcclusionDetector
    regions: RegionPredictor
    generator: SginGenerator

    @property
    def size(self) -> int:
        """Side of the squares they work on, pixels."""
        return self.generator.resolution

    @torch.no_grad()
    def hidden(self, image: Tensor) -> Tensor:
        """What hides the face, (1, 1, S, S), a pixel wider than it is found: edges of occluders mix with the face."""
        found = self.detector.mask(image)
        return torch.nn.functional.max_pool2d(found, 3, 1, 1)

    @torch.no_grad()
    def labels(self, image: Tensor, mask: Tensor) -> Labels:
        """The predicted map, (S, S)."""
        labels: Labels = self.regions(damage(image, mask), mask)[0].argmax(0).numpy().astype(np.uint8)
        return labels

    @torch.no_grad()
    def remove(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The picture without what `mask` names, and the pixels that are new."""
        damaged = damage(image, mask)
        drawn: Tensor = self.generator(damaged, mask, self.regions.regions(damaged, mask))
        return drawn, mask

    @torch.no_grad()
    def edit_map(self, image: Tensor, mask: Tensor, before: Labels, after: Labels) -> tuple[Tensor, Tensor]:
        """The picture that another map says, and the pixels that are new.

        Styles are those of the picture under its own map. Where the maps differ nothing is fed back: what was seen
        there would contradict.
        """
        known = damage(image, mask)
        styles = self.generator.styles(known, mask, _channels(before))
        new = torch.maximum(mask, torch.from_numpy(touched(before, after)).float()[None, None])
        return self.generator.draw(damage(image, new), new, _channels(after), styles).image, new

    @torch.no_grad()
    def swap_styles(
        self, image: Tensor, mask: Tensor, source: Tensor, parts: Sequence[str] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The picture with the styles of `source` in these regions (None: in all that both have), and the pixels that
        are new.

        Raises ValueError if one of the pictures lacks a region that is named.
        """
        nothing = source[:, :1] * 0
        mine, theirs = self.labels(image, mask), self.labels(source, nothing)
        for found, where in ((mine, "the picture"), (theirs, "the source")):
            missing = [name for name in parts or () if not (found == PARTS.index(name)).any()]
            if missing:
                raise ValueError(f"no {missing[0]} is found in {where}")
        common = np.intersect1d(mine, theirs).tolist()
        chosen = common if parts is None else [PARTS.index(name) for name in parts]
        styles = self.generator.styles(damage(image, mask), mask, _channels(mine))
        others = self.generator.styles(source, nothing, _channels(theirs))
        at = torch.tensor(chosen)
        mixed = [own.index_copy(1, at, other[:, at]) for own, other in zip(styles, others, strict=True)]
        new = torch.maximum(mask, torch.from_numpy(np.isin(mine, chosen)).float()[None, None])
        return self.generator.draw(damage(image, new), new, _channels(mine), mixed).image, new


def load_editor(folder: Path, size: int) -> Editor:
    """The networks of a folder of runs or weights. Raises ValueError if they are missing or bad."""
    paths = {
        "detector": folder / f"occlusion-{size}" / "detector.safetensors",
        "regions": folder / f"regions-{size}" / "regions.safetensors",
        "generator": folder / f"sgin-{size}" / "generator.safetensors",
    }
    for path in paths.values():
        if not path.exists():
            raise ValueError(f"{path} is missing: train {path.parent.name} first")
    networks = {name: freeze(load_weights(path)) for name, path in paths.items()}
    return Editor(
        cast(OcclusionDetector, networks["detector"]),
        cast(RegionPredictor, networks["regions"]),
        cast(SginGenerator, networks["generator"]),
    )


def _channels(labels: Labels) -> Tensor:
    return one_hot_map(torch.from_numpy(labels.astype(np.int64))[None])
