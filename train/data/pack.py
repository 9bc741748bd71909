"""Pack faces into shards once, landmarks included: `python -m train.data.pack DATA SHARDS --size 64`.

DATA holds `faces_train`, `eval_video` and `video_train`. Runs in the environment of the `faces` extra (MediaPipe
wants NumPy below 2), plus `av` and `safetensors`; training then needs neither MediaPipe nor DATA. Sets written:
`stills-train`, `stills-val` (held-out identities, to watch the curves by), `stills-eval`, `clips-train`,
`clips-eval`, and `masked-eval`: the evaluation stills with half of them missing, with the landmarks found on those.
A set whose shards are there is left as it is.
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from concealer.face_map import LANDMARKS
from train.data.clips import Finder, cut_face, read_pictures
from train.data.codec_masks import CODEC_MASKS, holes_from_channel, save_holes
from train.data.face_mesh import FaceMesh
from train.data.masks import freehand
from train.data.shards import Source, shard_path, write_shards
from train.data.stills import Still, held_out, read_stills

log = logging.getLogger("train.data.pack")

MOST_PICTURES = 300
"""Pictures taken of one clip."""
_LEAST_SIZE = {64: 64, 128: 96, 256: 192}
EVAL_CLIPS = (
    "asl_book.mkv",
    "carphone_qcif.mp4",
    "foreman_cif_hevc.265",
    "grid_lrwp9a.mpg",
    "grid_sbia1a.mpg",
    "hdtf_wda_katiehill.mp4",
    "lp_d9.mp4",
    "retalk_5.mp4",
)
"""Clips of `eval_video` that show one talking head."""
MASKED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class PackSettings:
    """What is packed, and with what faces are found."""

    data: Path
    shards: Path
    size: int
    eval_clips: tuple[str, ...] = EVAL_CLIPS
    coded_pictures: int = 100
    """Pictures of the clip that is sent through the lossy channel for holes."""
    open_finder: Callable[[bool], AbstractContextManager[Finder]] = FaceMesh
    """Takes whether pictures come in order."""

    @property
    def least(self) -> int:
        """Stills smaller than this are not enlarged to the size."""
        return _LEAST_SIZE[self.size]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m train.data.pack", description="Pack faces into shards.")
    parser.add_argument("data", type=Path, help="folder with faces_train, video_train, eval_video")
    parser.add_argument("shards", type=Path, help="folder to write")
    parser.add_argument("--size", type=int, choices=sorted(_LEAST_SIZE), default=64, help="side in pixels")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        pack(PackSettings(arguments.data, arguments.shards, arguments.size))
    except (OSError, ValueError, tarfile.TarError, ImportError) as error:
        print(f"train.data.pack: {error}", file=sys.stderr)
        return 1
    return 0


def pack(settings: PackSettings) -> None:
    """Write every set that is not there yet. Raises ValueError, OSError for bad data, ImportError without MediaPipe."""
    train, evaluation = settings.data / "faces_train", settings.data / "eval_video"
    # Nothing is read before a set is written.
    sets: dict[str, Iterator[Source]] = {
        "stills-train": _stills(settings, train, lambda still: not held_out(still.identity)),
        "stills-val": _stills(settings, train, lambda still: held_out(still.identity)),
        "stills-eval": _stills(settings, evaluation, lambda still: True),
        "masked-eval": _masked(settings, evaluation),
        "clips-train": _clips(settings, settings.data / "video_train"),
        "clips-eval": _clips(settings, evaluation, settings.eval_clips),
    }
    for name, sources in sets.items():
        if shard_path(settings.shards, name, settings.size, 0).exists():
            log.info("%s-%d: there already", name, settings.size)
            continue
        for path in write_shards(settings.shards, name, settings.size, sources):
            log.info("%s: %.1f MiB", path, path.stat().st_size / 2**20)
    masks = settings.shards / CODEC_MASKS
    if not masks.exists():
        save_holes(holes_from_channel(settings.coded_pictures, seed=0), masks)
        log.info("%s", masks)


def _fit(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    shrinks = image.shape[0] > size
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=kind).astype(np.uint8)


def _nowhere() -> npt.NDArray[np.float32]:
    return np.full((LANDMARKS, 2), np.nan, np.float32)


def _landmarks(find: Finder, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    found = find(image)
    return _nowhere() if found is None else found


def _stills(settings: PackSettings, folder: Path, wanted: Callable[[Still], bool]) -> Iterator[Source]:
    with settings.open_finder(False) as find:
        for count, still in enumerate(read_stills(folder, settings.least)):
            if count % 500 == 0:
                log.info("%s: %d stills", folder.name, count)
            if wanted(still):
                name, image = f"{still.key} {still.identity}", _fit(still.image, settings.size)
                yield name, still.licence, image[None], _landmarks(find, still.image)[None]


def _masked(settings: PackSettings, folder: Path) -> Iterator[Source]:
    with settings.open_finder(False) as find:
        for count, still in enumerate(read_stills(folder, settings.least)):
            mask = freehand(still.image.shape[0], np.random.default_rng(count), MASKED_SHARE)
            image = np.where(mask[:, :, None], np.uint8(0), still.image)
            yield still.key, still.licence, _fit(image, settings.size)[None], _landmarks(find, image)[None]


def _clips(settings: PackSettings, folder: Path, names: tuple[str, ...] | None = None) -> Iterator[Source]:
    """Of these names, or all in the folder."""
    with open(settings.data / "MANIFEST.csv", newline="", encoding="utf-8") as file:
        licences = {row["file"]: row["licence"] for row in csv.DictReader(file)}
    for name in names or sorted(path.name for path in folder.iterdir()):
        try:
            pictures = read_pictures(folder / name, MOST_PICTURES)
        except ValueError as error:
            log.warning("%s", error)
            continue
        with settings.open_finder(True) as find:
            clip = cut_face(name, pictures, find, settings.size) if pictures else None
        log.info("%s: %s", name, "no face throughout" if clip is None else f"{len(clip.images)} pictures")
        if clip is not None:
            yield name, licences.get(f"{folder.name}/{name}", "not stated"), clip.images, clip.landmarks


if __name__ == "__main__":
    sys.exit(main())
