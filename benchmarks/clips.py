"""The clips everything is measured on, as planar 4:2:0 pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from benchmarks.synthetic import moving_layers

Plane = npt.NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
"""Y (height, width), Cb and Cr (height / 2, width / 2), 8 bit."""

_SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Clip:
    """One source of pictures."""

    name: str
    file: str
    """Name in the folder of evaluation clips; "" for the made-up clip."""
    size: tuple[int, int] | None = None
    """(width, height) to scale to; None keeps the source's, cut to even numbers."""


CLIPS = (
    Clip("foreman", "foreman_cif_intra.264"),
    Clip("carphone", "carphone_qcif.mp4"),
    Clip("schoolgirls", "davis_schoolgirls_240p.mp4"),
    Clip("hdtf", "hdtf_wda_katiehill.mp4"),
    Clip("retalk", "retalk_5.mp4"),
    Clip("grid", "grid_lrwp9a.mpg"),
    Clip("cups", "sam2_02_cups.mp4", (640, 360)),
    Clip("city", "vid4_city.mp4"),
    Clip("flower", "flower_garden_cif.264"),
    Clip("asl", "asl_book.mkv"),
)
CUPS_360P = next(clip for clip in CLIPS if clip.name == "cups")
CUPS_720P = Clip("cups-720p", "sam2_02_cups.mp4", (1280, 720))
ROAD_1080P = Clip("road-1080p", "openh264_road_1080p.264", (1920, 1080))


def synthetic(width: int = 352, height: int = 288) -> Clip:
    """The made-up clip of textured layers in motion, for machines without the evaluation clips."""
    return Clip(f"{_SYNTHETIC}-{width}x{height}", "", (width, height))


def clip_folder() -> Path | None:
    """`$CONCEALER_SHARED/data/eval_video`, else `shared/data/eval_video` beside the checkout, else None."""
    named = os.environ.get("CONCEALER_SHARED")
    places = [Path(named)] if named else []
    places.append(Path(__file__).resolve().parent.parent.parent / "shared")
    for place in places:
        folder = place / "data" / "eval_video"
        if folder.is_dir():
            return folder
    return None


def available(clips: Sequence[Clip] = CLIPS) -> list[Clip]:
    """Those of `clips` whose file is at hand; one made-up clip per size if there is none."""
    folder = clip_folder()
    found = [clip for clip in clips if folder is not None and (folder / clip.file).is_file()]
    if found:
        return found
    sizes = dict.fromkeys(clip.size or (352, 288) for clip in clips)
    return [synthetic(*size) for size in sizes]


def pick(names: Sequence[str]) -> list[Clip]:
    """The available clips of these names in the table's order; all if `names` is empty.

    Raises ValueError for a name that is not available.
    """
    clips = available()
    unknown = set(names) - {clip.name for clip in clips}
    if unknown:
        raise ValueError(f"no such clip: {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in clips)}")
    return [clip for clip in clips if not names or clip.name in names]


def load(clip: Clip, pictures: int) -> list[Planes]:
    """The first `pictures` pictures of a clip, fewer if it is shorter.

    Raises FileNotFoundError if the clip's file is not at hand.
    """
    if not clip.file:
        width, height = clip.size or (352, 288)
        made = moving_layers(pictures, width, height)
        return [_planes(av.VideoFrame.from_ndarray(rgb, format="rgb24"), None) for rgb in made]
    folder = clip_folder()
    if folder is None or not (folder / clip.file).is_file():
        raise FileNotFoundError(f"clip {clip.name}: {clip.file} is not in the folder of evaluation clips")
    loaded: list[Planes] = []
    with av.open(str(folder / clip.file)) as container:
        for frame in container.decode(video=0):
            loaded.append(_planes(frame, clip.size))
            if len(loaded) == pictures:
                break
    return loaded


def _planes(frame: av.VideoFrame, size: tuple[int, int] | None) -> Planes:
    width, height = size or (frame.width, frame.height)
    return to_planes(frame.reformat(width, height, "yuv420p"))


def to_planes(frame: av.VideoFrame) -> Planes:
    """Copies of a yuv420p (or yuvj420p) frame's planes, cut to even width and height.

    Raises ValueError for another pixel format.
    """
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        raise ValueError(f"expected yuv420p, got {frame.format.name}")
    width, height = frame.width & ~1, frame.height & ~1
    planes = []
    for index, plane in enumerate(frame.planes):
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]  # type: ignore[call-overload]
        shift = int(index > 0)
        view = rows.reshape(plane.height, plane.line_size)[: height >> shift, : width >> shift]
        planes.append(view.copy())
    return planes[0], planes[1], planes[2]


def to_frame(planes: Planes) -> av.VideoFrame:
    """A yuv420p frame that holds a copy of `planes`."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for source, target in zip(planes, frame.planes, strict=True):
        rows = np.frombuffer(target, np.uint8)[: target.line_size * target.height]  # type: ignore[call-overload]
        rows.reshape(target.height, target.line_size)[:, : target.width] = source
    return frame
