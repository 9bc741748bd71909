"""Aligned face crops from tar archives with an index of source and licence."""

from __future__ import annotations

import csv
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
_HELD_OUT = 50
"""One identity in so many is kept from training, to watch the curves by."""


@dataclass(frozen=True, slots=True)
class Still:
    """One face picture."""

    key: str
    """Archive and member."""
    identity: str
    """Same for pictures of one person, as far as the source's file names tell."""
    licence: str
    image: Rgb
    """(S, S, 3) RGB, a square crop with the eyes level."""


def identity_of(repository: str, path: str) -> str:
    """The person a picture shows: file names are members' ids or names; webmorph's carry an expression number."""
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    if "webmorph" in repository:
        stem = re.sub(r"_\d+$", "", stem)
        return f"webmorph/{stem}"
    return f"{repository}/{stem}"


def held_out(identity: str) -> bool:
    """True for the identities of the validation split; the same on every machine."""
    return zlib.crc32(identity.encode()) % _HELD_OUT == 0


def read_stills(folder: Path, least_size: int) -> Iterator[Still]:
    """Every picture of `folder`'s archives whose side is at least `least_size` pixels, in the index's order.

    A picture that the index calls a larger version of another takes its place. Raises ValueError for an index
    that names what an archive does not hold.
    """
    with open(folder / "faces_index.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    replaced = {
        row.get("larger_version_of_curated") for row in rows if int(row["size"]) >= least_size
    }  # "shard:key" of the smaller picture
    by_shard: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if int(row["size"]) >= least_size and f"{row['shard']}:{row['key']}" not in replaced:
            by_shard.setdefault(Path(row["shard"]).name, []).append(row)
    for shard, members in by_shard.items():
        with tarfile.open(folder / shard) as archive:
            for row in members:
                try:
                    data = archive.extractfile(row["key"])
                except KeyError:
                    data = None
                if data is None:
                    raise ValueError(f"{shard} does not hold {row['key']}, which the index names")
                bgr = cv2.imdecode(np.frombuffer(data.read(), np.uint8), cv2.IMREAD_COLOR)
                if bgr is None or bgr.shape[0] != bgr.shape[1]:
                    raise ValueError(f"{row['key']} of {shard} is not a square picture")
                image = np.ascontiguousarray(bgr[:, :, ::-1])
                identity = identity_of(row["repo"], row["path"])
                yield Still(f"{shard}:{row['key']}", identity, row["licence"], image.astype(np.uint8))
