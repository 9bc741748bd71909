"""Square pictures from image files, as the networks take them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from engines.tensors import Array

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def load_crops(source: Path, side: int, count: int) -> Array:
    """`count` pictures of `side` x `side`, (count, 3, side, side) float32 RGB in [-1, 1].

    source: an image, a folder of images or a tar of images; the central squares of the first ones in order of name,
    from the start again if there are too few. Raises ValueError if no image can be read.
    """
    crops: list[Array] = []
    for data in _images(source):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            continue
        height, width = picture.shape[:2]
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        square = picture[top : top + edge, left : left + edge]
        scaled = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
        crops.append(scaled[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 127.5 - 1.0)
        if len(crops) == count:
            break
    if not crops:
        raise ValueError(f"no image can be read from {source}")
    return np.stack([crops[index % len(crops)] for index in range(count)])


def _images(source: Path) -> Iterator[bytes]:
    try:
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                if path.suffix.lower() in _SUFFIXES:
                    yield path.read_bytes()
        elif tarfile.is_tarfile(source):
            with tarfile.open(source) as archive:
                for member in sorted(archive.getmembers(), key=lambda one: one.name):
                    file = archive.extractfile(member) if member.name.lower().endswith(_SUFFIXES) else None
                    if file is not None:
                        yield file.read()
        else:
            yield source.read_bytes()
    except (OSError, tarfile.TarError) as error:
        raise ValueError(f"cannot read {source}: {error}") from error
