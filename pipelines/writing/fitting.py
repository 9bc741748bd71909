"""Pictures of another size than the first: fitted into it in their own shape."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph


class Fitting:
    """Scales pictures to fit into one size, with black bars where their shape is another, as FFmpeg's filters do it."""

    def __init__(self, width: int, height: int, pixel_format: str) -> None:
        self._size = width, height
        self._format = pixel_format
        self._graphs: dict[tuple[int, int, str], Graph] = {}

    def fit(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The picture in the size and format of all. Raises FFmpegError."""
        key = frame.width, frame.height, frame.format.name
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = self._graph(*key)
        graph.vpush(frame)
        return graph.vpull()

    def _graph(self, width: int, height: int, pixel_format: str) -> Graph:
        graph, size = Graph(), f"{self._size[0]}:{self._size[1]}"
        start = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat(pixel_format), time_base=Fraction(1, 90000)
        )
        steps = [
            start,
            graph.add(
                "scale", f"{size}:force_original_aspect_ratio=decrease:force_divisible_by=2:interl=-1:flags=bicubic"
            ),
            graph.add("pad", f"{size}:(ow-iw)/2:(oh-ih)/2:black"),
            graph.add("format", f"pix_fmts={self._format}"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph
