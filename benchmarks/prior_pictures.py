"""Five holes and what each stage makes of them: docs/images/prior-holes.jpg.

python -m benchmarks.prior_pictures

The clips are held out from training, and free to show: two of SA-V (Meta, CC BY 4.0), one of
intel-iot-devkit/sample-videos (CC BY 4.0), Tears of Steel and Big Buck Bunny (Blender Foundation, CC BY 3.0). The last
two lie in `video_train` and `video_train2` beside the folder of evaluation clips. In every clip the fifth of eight
slices of the same picture is lost, and what is shown of it is where the repairs differ most.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from benchmarks.channel import Damaged, drop_one_slice
from benchmarks.clips import Clip, to_planes
from benchmarks.hole_pictures import DOCS, Luma
from benchmarks.methods import by_position, decode
from benchmarks.metrics import psnr_of, squared_error
from benchmarks.product import product_repairer
from benchmarks.streams import Encoding, Stream, default_cache, encoded, plain_decode
from benchmarks.told import Told
from concealer.repair import Repairer

CLIPS = (
    Clip("cups", "sam2_02_cups.mp4", (480, 272)),
    Clip("bedroom", "sam2_bedroom.mp4", (480, 272)),
    Clip("asl", "asl_book.mkv", (480, 360)),
    Clip("tears", "../video_train2/tears_of_steel_battle.mp4", (480, 272)),
    Clip("bbb", "../video_train/bbb_1080p60_2s.mp4", (480, 272)),
)
_PICTURES, _LOST_IN = 40, 29
_MARGIN, _WIDE, _LABEL, _ENLARGED = 12, 144, 16, 2


def stages(stream: Stream, damaged: Damaged) -> dict[str, Luma]:
    """The damaged picture by title."""
    made = {
        "without a network": Repairer(),
        "with it": product_repairer(),
        "told the truth": Repairer(choice=Told(stream)),
    }
    shown = {"FFmpeg": plain_decode(stream.encoding.codec, damaged.for_ffmpeg, None)[_LOST_IN][0]}
    for title, repairer in made.items():
        picture = by_position(decode(stream, damaged, repairer), len(stream.units))[_LOST_IN]
        if picture is None:
            raise RuntimeError(f"{stream.clip.name}: the damaged picture never came out")
        shown[title] = to_planes(picture.frame)[0]
    return shown | {"clean": stream.clean[_LOST_IN][0]}


def strip(clip: Clip) -> Luma:
    """All stages of one hole side by side."""
    stream = encoded(clip, Encoding("h264", "P", _PICTURES, slices=8), default_cache())
    damaged = drop_one_slice(stream, every=_PICTURES, first=_LOST_IN)
    shown = stages(stream, damaged)
    hole = damaged.holes(stream)[_LOST_IN]
    assert hole is not None
    lines = np.flatnonzero(hole.any(axis=1))
    rows = slice(max(0, int(lines[0]) - _MARGIN), int(lines[-1]) + 1 + _MARGIN)
    spread = np.ptp(np.stack([luma.astype(np.float32) for luma in shown.values()][1:4]), axis=0) * hole
    columns = np.convolve(spread.sum(axis=0), np.ones(_WIDE), "valid")
    left = int(columns.argmax())
    tiles = []
    for title, luma in shown.items():
        error = squared_error(luma, shown["clean"], hole)
        quality = "" if title == "clean" else f" {psnr_of(error, int(hole.sum())):.1f}"
        part = np.ascontiguousarray(luma[rows, left : left + _WIDE])
        size = part.shape[1] * _ENLARGED, part.shape[0] * _ENLARGED
        large = cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)
        label = np.full((_LABEL, size[0]), 255, np.uint8)
        cv2.putText(label, title + quality, (2, _LABEL - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 0, 1, cv2.LINE_AA)
        tiles.append(cv2.copyMakeBorder(np.vstack([label, large]), 1, 1, 2, 2, cv2.BORDER_CONSTANT, value=255))
    return np.hstack(tiles).astype(np.uint8)


def main() -> int:
    target: Path = DOCS / "images" / "prior-holes.jpg"
    target.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(target), np.vstack([strip(clip) for clip in CLIPS]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
