"""Pictures of one hole and every candidate for it: docs/hole-h264.jpg and docs/hole-hevc.jpg.

python -m benchmarks.hole_pictures

The clip is made here, so the pictures belong to the project.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.channel import drop_one_slice
from benchmarks.clips import synthetic
from benchmarks.methods import decode
from benchmarks.metrics import psnr_of, squared_error
from benchmarks.streams import Encoding, default_cache, encoded
from concealer.damage import DamageMap
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import Candidate, Repairer, Site

DOCS = Path(__file__).resolve().parent.parent / "docs"
Luma = npt.NDArray[np.uint8]
_WIDTH, _HEIGHT, _PICTURES, _LOST_IN = 352, 288, 24, 9
_COLUMNS, _MARGIN = 4, 12
_LABEL = 18


class _Watched(Repairer):
    """Shows every candidate."""

    def __init__(self, place: dict[str, Any], clean: Luma, tile: Callable[[str, Luma], None]) -> None:
        super().__init__()
        self._place, self._clean, self._tile = place, clean, tile

    def propose(
        self, site: Site, references: list[Picture], *, light: bool, outlook: Outlook | None = None
    ) -> list[Candidate]:
        proposals = super().propose(site, references, light=light, outlook=outlook)
        rows, cols = (
            slice(a.start + b.start, a.start + b.stop)
            for a, b in zip(site.region.slices(), site.window.slices(), strict=True)
        )
        for candidate in proposals:
            luma = self._place["before"].copy()
            luma[rows, cols] = np.clip(np.rint(candidate.luma), 0, 255)[
                : luma[rows, cols].shape[0], : luma[rows, cols].shape[1]
            ]
            whole = np.where(self._place["hole"], luma, self._place["before"])
            self._tile(candidate.name, whole.astype(np.uint8))
        return proposals

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        hole = damage.hole_pixels()[:_HEIGHT, :_WIDTH]
        lines = np.flatnonzero(hole.any(axis=1))
        self._place["hole"] = hole
        self._place["rows"] = slice(max(0, int(lines[0]) - _MARGIN), int(lines[-1]) + 1 + _MARGIN)
        self._place["before"] = picture.planes[0][:_HEIGHT, :_WIDTH].copy()
        self._tile("FFmpeg's own concealment" if picture.concealed else "stand-in slice", self._place["before"])
        outcome = super().__call__(picture, damage, references, outlook)
        self._tile("mixed, seam closed", picture.planes[0][:_HEIGHT, :_WIDTH].copy())
        self._tile("clean", self._clean)
        return outcome


def candidates_of(codec: Literal["h264", "hevc"], lookahead: int) -> list[tuple[str, Luma]]:
    """(title with hole PSNR, luma around the hole) of everything proposed for one lost slice."""
    stream = encoded(synthetic(_WIDTH, _HEIGHT), Encoding(codec, "P", _PICTURES), default_cache())
    damaged = drop_one_slice(stream, every=_PICTURES, first=_LOST_IN)
    clean = stream.clean[_LOST_IN][0]
    tiles: list[tuple[str, Luma]] = []
    place: dict[str, Any] = {}

    def tile(title: str, luma: Luma) -> None:
        hole = place["hole"]
        error = squared_error(luma, clean, hole)
        quality = "" if title == "clean" else f"  {psnr_of(error, int(hole.sum())):.1f} dB"
        tiles.append((title + quality, luma[place["rows"]]))

    decode(stream, damaged, _Watched(place, clean, tile), lookahead=lookahead)
    return tiles


def sheet(tiles: Sequence[tuple[str, Luma]]) -> Luma:
    """All tiles with their titles, four in a row."""
    height, width = tiles[0][1].shape
    lines = []
    for start in range(0, len(tiles), _COLUMNS):
        line = []
        for title, luma in tiles[start : start + _COLUMNS]:
            label = np.full((_LABEL, width), 255, np.uint8)
            cv2.putText(label, title, (3, _LABEL - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 0, 1, cv2.LINE_AA)
            line.append(cv2.copyMakeBorder(np.vstack([label, luma]), 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=255))
        while len(line) < _COLUMNS:
            line.append(np.full_like(line[0], 255))
        lines.append(np.hstack(line))
    assert all(line.shape[1] == lines[0].shape[1] for line in lines) and height > 0
    return np.vstack(lines)


def main() -> int:
    for codec in ("h264", "hevc"):
        target = DOCS / f"hole-{codec}.jpg"
        cv2.imwrite(str(target), sheet(candidates_of(codec, 2)), [cv2.IMWRITE_JPEG_QUALITY, 88])
        print(target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
