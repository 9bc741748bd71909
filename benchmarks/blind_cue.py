"""SGIN's occlusion detector as a blind cue for damage, held against the locator: blocks found on faces.

python -m benchmarks.blind_cue            # needs the extra `faces`: pip install 'concealer[bench,faces]'

The streams of `benchmarks.real_blocks`, place unknown, of clips that show one talking head. The detector is shown the
face of each damaged picture as it was before repair, where the locator marks blocks too; the square of the face is
found in the picture shown before, as the product does.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.clips import pick, to_frame
from benchmarks.detection_tables import cue_table
from benchmarks.faces import CLIPS
from benchmarks.real_blocks import (
    VISIBLE,
    WAYS,
    Job,
    Planes,
    believed,
    block_difference,
    encoding_of,
    follow,
)
from benchmarks.store import RESULTS, Store, command_line, fingerprint
from benchmarks.streams import COMBINATIONS, default_cache, encoded
from concealer.damage import BLOCK, DamageMap
from concealer.picture import Picture
from concealer.repair import Square
from engines import Engine, EngineError, open_engine
from engines.zoo import open_zoo
from pipelines.generative import FaceLocator

KEY = ("clip", "codec", "structure", "settings", "pictures", "way", "rate", "place", "seed")
PICTURES = 100
WHOLE_EVERY = 5
"""Of the pictures that arrived whole so many are one that is judged."""
_ROOMS = ("concealer", "engines/zoo/zoo.json", "benchmarks/real_blocks.py", "benchmarks/blind_cue.py")
_Blocks = npt.NDArray[np.bool_]


@cache
def detector() -> Engine:
    """The zoo's occlusion detector. Raises EngineError."""
    zoo = open_zoo()
    names = [entry.name for entry in zoo.entries.values() if entry.task == "occlusion"]
    if not names:
        raise EngineError("the zoo has no occlusion detector")
    return open_engine(zoo.model(names[0]))


def occluded(planes: Planes, square: Square) -> tuple[_Blocks, _Blocks]:
    """(rows, cols) whole blocks of a picture that lie in the square, and those of them of which the detector believes
    more than half to be hidden or damaged.

    planes: 8-bit 4:2:0.
    """
    height, width = planes[0].shape
    top, left = max(0, square.top), max(0, square.left)
    bottom, right = min(height, square.top + square.side), min(width, square.left + square.side)
    beyond = (
        top - square.top,
        square.top + square.side - bottom,
        left - square.left,
        square.left + square.side - right,
    )
    rgb = to_frame((planes[0], planes[1], planes[2])).to_ndarray(format="rgb24")[top:bottom, left:right]
    network = detector()
    size = network.inputs[0].shape[1:]
    shown = cv2.resize(cv2.copyMakeBorder(rgb, *beyond, cv2.BORDER_REPLICATE), size, interpolation=cv2.INTER_AREA)
    image = shown.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
    hidden = (network.run({"image": image})["occlusion"][0, 0] > 0).astype(np.float32)
    large = cv2.resize(hidden, (square.side, square.side), interpolation=cv2.INTER_LINEAR)
    inside, found = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    inside[top:bottom, left:right] = 1
    found[top:bottom, left:right] = large[beyond[0] : square.side - beyond[1], beyond[2] : square.side - beyond[3]]
    face = _means(inside) == 1
    return face, face & (_means(found) > 0.5)


def _means(plane: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rows, cols = (side // BLOCK for side in plane.shape)
    blocks = plane[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK)
    return np.asarray(blocks.mean((1, 3)), np.float32)


@dataclass
class Cues:
    """Counts of blocks on faces, of damaged pictures that arrived in part and of whole ones."""

    locate: FaceLocator = field(repr=False)
    counts: dict[str, int] = field(default_factory=dict)
    _before: Planes | None = None
    _seen: int = 0

    def add(self, seen: Planes, right: Planes, damage: DamageMap) -> None:
        """As `real_blocks.Judge.add`."""
        found = self._cue(seen)
        if found is not None:
            face, cue = found
            visible = (block_difference(seen[0], right[0]) > VISIBLE) & face
            located = believed(damage)[: face.shape[0], : face.shape[1]] & face
            self._count("pictures", 1)
            self._count("visible", visible)
            for name, marked in (
                ("locator", located),
                ("cue", cue),
                ("either", located | cue),
                ("both", located & cue),
            ):
                self._count(f"{name}_marked", marked)
                self._count(f"{name}_found", marked & visible)
        self._before = _copied(seen)

    def add_whole(self, seen: Planes, damage: DamageMap) -> None:
        """As `real_blocks.Judge.add_whole`."""
        self._seen += 1
        found = self._cue(seen) if self._seen % WHOLE_EVERY == 0 else None
        if found is not None:
            face, cue = found
            self._count("whole_pictures", 1)
            self._count("whole_blocks", face)
            self._count("whole_locator", damage.hole[: face.shape[0], : face.shape[1]] & face)
            self._count("whole_cue", cue)
        self._before = _copied(seen)

    def _cue(self, seen: Planes) -> tuple[_Blocks, _Blocks] | None:
        if self._before is None or self._before[0].shape != seen[0].shape:
            return None
        squares = self.locate(Picture(self._before, order=0), [])
        return occluded(seen, squares[0]) if squares else None

    def _count(self, name: str, what: int | _Blocks) -> None:
        self.counts[name] = self.counts.get(name, 0) + int(np.sum(what))


def _copied(planes: Planes) -> Planes:
    return tuple(plane.copy() for plane in planes)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blind_cue", description=__doc__.split("\n")[0])
    parser.add_argument("--clips", nargs="*", default=list(CLIPS), help="names of clips (default: all talking heads)")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 1..N (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, default=RESULTS / "blind_cue.json", help="results file")
    options = parser.parse_args(arguments)
    try:
        clips, locate = pick(options.clips), FaceLocator()
        detector()
    except (EngineError, ValueError, ImportError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    store, sources = Store(options.out, command_line("benchmarks.blind_cue"), KEY), fingerprint(_ROOMS)
    jobs = [
        Job(clip, encoding_of(codec, structure, PICTURES), way, rate, "unknown", seed)
        for clip in clips
        for seed in range(1, options.seeds + 1)
        for way, rate in WAYS
        for codec, structure in COMBINATIONS
    ]
    for job in jobs:
        if store.has(job.key | {"sources": sources}):
            continue
        stream, cues = encoded(job.clip, job.encoding, options.cache), Cues(locate)
        follow(stream, job, cues)
        store.add([job.key | cues.counts | {"encoder": stream.writer, "sources": sources}])
        print(f"{job.title}: {cues.counts}", flush=True)
    print(cue_table(store.rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
