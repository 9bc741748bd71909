"""A live container read in a thread of its own, so that nothing waits for what libavformat makes sure of first.

libavformat gives out an access unit when the next but one begins. Video that a tap sees whole before that overtakes it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import av

from concealer.bitstream.transport import PesPacket
from pipelines.reading.connection import Tap

_MOST_WAITING = 1024
"""Packets; where more wait, receiving waits too, and the system drops what comes."""
_PATIENCE = 0.2
_LEAVING = 10.0
"""Seconds."""

_Item = av.Packet | PesPacket | BaseException | None


class Receiver:
    """Packets of a container and those its tap hands over, in the order in which they are complete."""

    def __init__(self, packets: Iterator[av.Packet], tap: Tap, interrupt: Callable[[], None]) -> None:
        """interrupt: ends a read of the container that waits for what comes."""
        self._queue: queue.Queue[_Item] = queue.Queue(_MOST_WAITING)
        self._interrupt = interrupt
        self._left = False
        self._early: list[PesPacket] = []
        tap.hand_over(self._early.append)
        tap.hand_over(self._put)
        self._thread = threading.Thread(target=self._read, args=(packets,), name="receiver", daemon=True)

    def items(self) -> Iterator[av.Packet | PesPacket]:
        """All of them; what reading raises is raised here."""
        yield from self._early
        self._early.clear()
        self._thread.start()
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._left = True
            self._interrupt()
            self._thread.join(_LEAVING)

    def _read(self, packets: Iterator[av.Packet]) -> None:
        try:
            for packet in packets:
                self._put(packet)
        except BaseException as error:
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: _Item) -> None:
        while not self._left:
            try:
                self._queue.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return
