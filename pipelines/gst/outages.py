"""Pictures for downstream while a live stream says nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

from concealer.decoder import DecodedPicture
from pipelines.gst.bindings import Gst
from pipelines.gst.decoding import Shown
from pipelines.outage import Outage

_TICK = 0.02
"""Seconds."""


class Outages:
    """A thread that shows pictures, while the element plays, in place of those that do not come.

    Streaming threads and this one exclude each other by `lock`.
    """

    def __init__(self, begin: Callable[[DecodedPicture | None], None], show: Callable[[Shown], None]) -> None:
        """begin: shows what is left of the stream and prepares for its return, given what is shown meanwhile."""
        self.lock = threading.RLock()
        self._begin, self._show = begin, show
        self._outage: Outage | None = None
        self._last: int | None = None
        self._leave = threading.Event()
        self._thread: threading.Thread | None = None

    def exclusively(self, function: Callable[[Gst.Buffer], Gst.FlowReturn], buffer: Gst.Buffer) -> Gst.FlowReturn:
        """Call `function` with the lock held."""
        with self.lock:
            return function(buffer)

    def start(self, what: str, duration: int) -> None:
        """what: as `Outage`'s, "" for nothing. duration: from picture to picture, in nanoseconds. Raises UsageError."""
        self.stop()
        if not what:
            return
        self._outage = Outage(what, duration / Gst.SECOND)
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._leave,), name="outages", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Show nothing more. Not to be called with the lock held."""
        self._leave.set()
        thread, self._thread, self._outage = self._thread, None, None
        if thread is not None:
            thread.join(1.0)  # it may be in the middle of a push that waits for this state change

    def forget(self) -> None:
        """What was shown is over; nothing is made up before there is a picture again."""
        self._last = None
        if self._outage is not None:
            self._outage = self._outage.anew()

    def came_too_late(self, shown: Shown) -> bool:
        """Whether the time of a picture of the stream was filled already; it is noted if not."""
        if self._outage is None:
            return False
        if self._last is not None and self._last - Gst.SECOND < shown.pts <= self._last:
            return True
        self._last = shown.pts
        if shown.picture.synthesised or shown.picture.repeated:
            self._outage.goes_on()
        else:
            self._outage.shown(shown.picture)
        return False

    def rate_is(self, duration: int) -> None:
        """Nanoseconds from picture to picture."""
        if self._outage is not None:
            self._outage.interval = duration / Gst.SECOND

    def _run(self, leave: threading.Event) -> None:
        while not leave.wait(_TICK):
            with self.lock:
                outage = self._outage
                if outage is None or leave.is_set():
                    return
                if outage.is_due:
                    self._begin(outage.begin())
                for picture in outage.pictures():
                    if self._last is not None and not leave.is_set():
                        self._last += round(outage.interval * Gst.SECOND)
                        self._show(Shown(picture, self._last, None))
