"""Packed sets of faces: safetensors files that are mapped into memory, no decoding left to do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

Source = tuple[str, str, npt.NDArray[np.uint8], npt.NDArray[np.float32]]
"""Name, licence, images (T, S, S, 3) and landmarks (T, LANDMARKS, 2) of one still or clip."""
MOST_BYTES = 56 << 20
"""Size of a shard stays below 60 MiB."""


@dataclass(frozen=True, slots=True)
class FaceSet:
    """Stills, or the pictures of clips one after the other."""

    images: npt.NDArray[np.uint8]
    """(N, 3, S, S) RGB."""
    landmarks: npt.NDArray[np.float32]
    """(N, LANDMARKS, 2) in [0, 1] of the crop; NaN where no face was found."""
    names: tuple[str, ...]
    """Source of every still or clip."""
    starts: npt.NDArray[np.int64]
    """Index of the first picture of every still or clip, and the total at the end: (len(names) + 1,)."""
    licences: tuple[str, ...]
    """Licence of every still or clip."""

    def __post_init__(self) -> None:
        count = len(self.images)
        if len(self.landmarks) != count or self.starts[-1] != count or len(self.starts) != len(self.names) + 1:
            raise ValueError(f"a set of {count} pictures has {len(self.landmarks)} landmarks, starts {self.starts}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.images.shape[-1])

    def clip(self, number: int) -> slice:
        """Where the pictures of a clip lie."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    def __repr__(self) -> str:
        return f"FaceSet({len(self.names)} sources, {len(self)} pictures of {self.size}x{self.size})"


def shard_path(folder: Path, name: str, size: int, number: int) -> Path:
    """Where a shard lies, e.g. stills-train-64-000.safetensors."""
    return folder / f"{name}-{size}-{number:03}.safetensors"


def write_shards(
    folder: Path,
    name: str,
    size: int,
    sources: Iterable[Source],
    most_bytes: int = MOST_BYTES,
) -> list[Path]:
    """Write stills or clips to shards whose pictures take `most_bytes`. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    pending: list[Source] = []
    held = 0
    for source in sources:
        if pending and held + source[2].nbytes > most_bytes:
            written.append(_write(shard_path(folder, name, size, len(written)), pending))
            pending, held = [], 0
        pending.append(source)
        held += source[2].nbytes
    if pending:
        written.append(_write(shard_path(folder, name, size, len(written)), pending))
    return written


def _write(path: Path, sources: list[Source]) -> Path:
    lengths = [len(images) for _, _, images, _ in sources]
    tensors = {
        "images": np.ascontiguousarray(np.concatenate([images for _, _, images, _ in sources]).transpose(0, 3, 1, 2)),
        "landmarks": np.concatenate([landmarks for *_, landmarks in sources]).astype(np.float32),
        "starts": np.cumsum([0, *lengths]).astype(np.int64),
    }
    metadata = {
        "names": json.dumps([name for name, *_ in sources]),
        "licences": json.dumps([licence for _, licence, *_ in sources]),
    }
    partial = path.with_name(path.name + ".part")
    save_file(tensors, partial, metadata=metadata)
    partial.replace(path)
    return path


def read_shards(folder: Path, name: str, size: int) -> FaceSet:
    """All shards of a set, e.g. name "stills-train". Raises ValueError if there is none or one cannot be read."""
    paths = sorted(folder.glob(f"{name}-{size}-[0-9][0-9][0-9].safetensors"))
    if not paths:
        raise ValueError(f"no shards {name}-{size}-*.safetensors in {folder}: make them with python -m train.data.pack")
    images, landmarks, starts, total = [], [], [np.zeros(1, np.int64)], 0
    names: list[str] = []
    licences: list[str] = []
    for path in paths:
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                images.append(file.get_tensor("images"))
                landmarks.append(file.get_tensor("landmarks"))
                starts.append(file.get_tensor("starts")[1:] + total)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} is not a shard of faces: {error}") from None
        total += len(images[-1])
        names += json.loads(metadata.get("names", "[]"))
        licences += json.loads(metadata.get("licences", "[]"))
    return FaceSet(
        np.concatenate(images), np.concatenate(landmarks), tuple(names), np.concatenate(starts), tuple(licences)
    )


def licences(folder: Path, name: str, size: int, wanted: Callable[[str], bool] = lambda name: True) -> Counter[str]:
    """Pictures by licence of a packed set, of sources with wanted names. Raises ValueError if it is not there."""
    paths = sorted(folder.glob(f"{name}-{size}-[0-9][0-9][0-9].safetensors"))
    if not paths:
        raise ValueError(f"no shards {name}-{size}-*.safetensors in {folder}")
    counts: Counter[str] = Counter()
    for path in paths:
        with safe_open(path, framework="numpy") as file:
            starts = file.get_tensor("starts")
            metadata = file.metadata() or {}
        rows = (json.loads(metadata["names"]), json.loads(metadata["licences"]), (starts[1:] - starts[:-1]).tolist())
        for source, licence, pictures in zip(*rows, strict=True):
            counts[licence] += pictures * wanted(source)
    return counts
