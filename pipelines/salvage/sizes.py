"""Picture sizes that are usual, and what of a coded size is shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

COMMON = (
    (1920, 1080), (1280, 720), (3840, 2160), (640, 480), (640, 360), (854, 480), (848, 480), (720, 576), (720, 480),
    (352, 288), (320, 240), (176, 144), (960, 540), (1024, 576), (1440, 1080), (1280, 960), (1600, 1200), (2560, 1440),
    (2704, 1520), (4096, 2160), (1920, 1440), (2704, 2028), (4000, 3000), (1024, 768), (800, 600), (480, 360),
    (480, 272), (426, 240), (432, 240), (320, 180), (704, 576), (704, 480), (1366, 768), (2048, 1152), (2048, 1536),
    (1440, 1920), (1080, 1080), (720, 720), (2880, 1620), (5312, 2988), (3000, 4000), (1280, 800), (1920, 1200),
    (2560, 1600), (960, 720), (832, 480), (416, 240), (640, 272), (640, 352), (384, 288), (480, 320), (768, 432),
    (512, 288), (256, 144), (320, 192), (640, 368), (1280, 1024), (1920, 800), (1280, 544), (1920, 816), (4096, 2304),
    (7680, 4320), (160, 120), (240, 180), (192, 144), (128, 96), (400, 240), (800, 480), (1152, 648), (1664, 936),
)  # fmt: skip
"""Width and height as shown, the most frequent first."""
_LIKE = 0.3


def shown_size(luma: npt.NDArray[np.generic]) -> tuple[int, int]:
    """Width and height of what is shown of a coded picture (height, width), by its luma.

    Encoders repeat the last row and column into what is not shown, which a picture's own content does not do.
    """
    height, width = luma.shape
    sizes = [size for wide, high in COMMON for size in ((wide, high), (high, wide))]
    usual = (width, height) in sizes
    values = luma.astype(np.int32)
    for size in sizes:
        if size == (width, height):
            return size
        coded = -(-size[0] // 16) * 16, -(-size[1] // 16) * 16
        if (
            coded == (width, height)
            and _repeats(values[size[1] - 16 :], 16, usual)
            and _repeats(values.T[size[0] - 16 :], 16, usual)
        ):
            return size
    return width, height


def _repeats(rows: npt.NDArray[np.int32], shown: int, doubted: bool) -> bool:
    """The rows behind the first `shown` are like the last of these, as those are not like each other. doubted: what is
    even all over tells nothing.
    """
    if len(rows) == shown:
        return True
    inside = np.abs(rows[:shown] - rows[shown - 1 : shown])[: shown - 1].mean()
    slack = 0.0 if doubted else 0.25
    return bool(np.abs(rows[shown:] - rows[shown - 1]).mean() < _LIKE * inside + slack)


def common_columns() -> list[int]:
    """Widths in macroblocks, the most frequent first, then all others."""
    seen: dict[int, None] = {}
    for wide, high in COMMON:
        seen.setdefault(-(-wide // 16))
        seen.setdefault(-(-high // 16))
    for columns in range(2, 300):
        seen.setdefault(columns)
    return list(seen)
