"""Units of time that a container insists on."""

from __future__ import annotations

from fractions import Fraction

from av.video.stream import VideoStream

from pipelines.reading import picture_rate

_PICTURE_RATES = {"mxf", "mxf_d10", "mxf_opatom"}
"""Muxers that take the time of a picture as their unit."""


def stream_time_base(container_format: str, stream: VideoStream) -> Fraction | None:
    """Unit of the times of video that a container counts in pictures; None where it takes any.

    MXF knows picture rates only. AVI would take any, and fill the time from one picture to the next with empty chunks:
    there two units a picture, as FFmpeg's tool does it, for what does not come evenly.
    """
    if container_format in _PICTURE_RATES:
        return 1 / picture_rate(stream)
    if container_format == "avi":
        untimed = stream.start_time is None
        return 1 / picture_rate(stream) if untimed else 1 / (2 * picture_rate(stream))
    return None
