"""HDR side data of decoded pictures, in the words of x264 and x265."""

from __future__ import annotations

import struct

import av

_MASTERING = struct.Struct("=20i2i")
"""libavutil's AVMasteringDisplayMetadata: ten rationals (R, G, B and white x and y, luminance), two flags."""
_LIGHT = struct.Struct("=2I")
"""libavutil's AVContentLightMetadata: MaxCLL and MaxFALL in cd/m2."""


def _side_data(frame: av.VideoFrame, name: str) -> bytes | None:
    found = frame.side_data.get(name)
    return bytes(found) if found is not None else None  # type: ignore[call-overload]


def mastering_display(frame: av.VideoFrame) -> str | None:
    """SMPTE ST 2086 volume as "G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)", in steps of 0.00002 and 0.0001 cd/m2."""
    data = _side_data(frame, "MASTERING_DISPLAY_METADATA")
    if data is None or len(data) < _MASTERING.size:
        return None
    *numbers, has_primaries, has_luminance = _MASTERING.unpack(data[: _MASTERING.size])
    pairs = list(zip(numbers[0::2], numbers[1::2], strict=True))
    if not (has_primaries and has_luminance) or any(den <= 0 for _, den in pairs):
        return None
    values = [num / den for num, den in pairs]
    red, green, blue, white = (tuple(round(v * 50000) for v in values[i : i + 2]) for i in range(0, 8, 2))
    low, high = (round(v * 10000) for v in values[8:])
    points = "".join(f"{n}({x},{y})" for n, (x, y) in zip("GBR", (green, blue, red), strict=True))
    return f"{points}WP({white[0]},{white[1]})L({high},{low})"


def content_light(frame: av.VideoFrame) -> str | None:
    """Content light level as "MaxCLL,MaxFALL"."""
    data = _side_data(frame, "CONTENT_LIGHT_LEVEL")
    if data is None or len(data) < _LIGHT.size:
        return None
    most, average = _LIGHT.unpack(data[: _LIGHT.size])
    return f"{most},{average}" if most or average else None


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """The 3 x 3 display matrix (rotation, flips) as nine 16.16 and 2.30 fixed point numbers, row by row."""
    data = _side_data(frame, "DISPLAYMATRIX")
    return struct.unpack("=9i", data[:36]) if data is not None and len(data) >= 36 else None
