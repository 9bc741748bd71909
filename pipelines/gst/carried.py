"""What an access unit's buffer carries beside its bytes, for the picture that comes of it."""

from __future__ import annotations

from collections import OrderedDict

from pipelines.gst.bindings import Gst

_REMEMBERED = 64


class Carried:
    """Metas by presentation time: reference timestamps, captions, timecodes, whatever can be copied."""

    def __init__(self) -> None:
        self._buffers: OrderedDict[int, Gst.Buffer] = OrderedDict()

    def take(self, buffer: Gst.Buffer) -> None:
        """An access unit came in."""
        if buffer.pts == Gst.CLOCK_TIME_NONE:
            return
        metas = Gst.Buffer.new()
        metas.copy_into(buffer, Gst.BufferCopyFlags.META, 0, buffer.get_size())
        self._buffers[buffer.pts] = metas
        if len(self._buffers) > _REMEMBERED:
            self._buffers.popitem(last=False)

    def give(self, pts: int | None, buffer: Gst.Buffer) -> None:
        """The picture of the access unit at `pts` goes out as `buffer`."""
        metas = None if pts is None else self._buffers.pop(pts, None)
        if metas is not None:
            buffer.copy_into(metas, Gst.BufferCopyFlags.META, 0, 0)

    def clear(self) -> None:
        """The access units before will give no more pictures."""
        self._buffers.clear()
