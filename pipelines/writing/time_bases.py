"""Units of time that a container insists on."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

from pipelines.reading import picture_rate

_PICTURE_RATES = {"mxf", "mxf_d10", "mxf_opatom"}
"""Muxers that take the time of a picture as their unit."""
_MOST_RATE = 240
"""Pictures a second; more is a container's guess from uneven times."""


def stream_time_base(container_format: str, stream: VideoStream) -> Fraction | None:
    """Unit of the times of video that a container counts in pictures; None where it takes any.

    MXF knows picture rates only. AVI would take any, and fill the time from one picture to the next with empty chunks:
    where pictures do not come evenly, two for each picture, as FFmpeg's tool does it.
    """
    rate = picture_rate(stream)
    if container_format in _PICTURE_RATES:
        return 1 / rate
    if container_format == "avi":
        highest = stream.base_rate
        even = stream.start_time is None or highest in (None, rate)  # a byte stream has no times
        return 1 / rate if not highest or even or highest > _MOST_RATE else 1 / (2 * highest)
    return None
