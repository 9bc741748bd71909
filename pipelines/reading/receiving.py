"""A live container read in a thread of its own, so that nothing waits for what libavformat makes sure of first.

libavformat gives out an access unit when the next but one begins. Video that a tap sees whole before that overtakes it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import av

from concealer.bitstream.transport import PesPacket
from pipelines.reading.connection import Tap

_MOST_WAITING = 1024
"""Packets; where more wait, receiving waits too, and the system drops what comes."""
_PATIENCE = 0.2
_LEAVING = 10.0
"""Seconds."""

Item = TypeVar("Item")
_Item = av.Packet | PesPacket | BaseException | None


def ticking(items: Iterator[Item], seconds: float) -> Iterator[Item | None]:
    """What `items` yields, which is asked for in a thread of its own, and None as often as nothing came for so long."""
    waiting: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(_MOST_WAITING)
    left = threading.Event()

    def put(item: tuple[Item] | BaseException | None) -> None:
        while not left.is_set():
            try:
                waiting.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for item in items:
                put((item,))
                if left.is_set():
                    return
        except BaseException as error:
            put(error)
        else:
            put(None)

    thread = threading.Thread(target=read, name="events", daemon=True)
    thread.start()
    try:
        while True:
            try:
                found = waiting.get(timeout=seconds)
            except queue.Empty:
                yield None
                continue
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found[0]
    finally:
        left.set()
        thread.join(_LEAVING)


class Receiver:
    """Packets of a container and those its tap hands over, in the order in which they are complete."""

    def __init__(self, packets: Iterator[av.Packet], tap: Tap, interrupt: Callable[[], None]) -> None:
        """interrupt: ends a read of the container that waits for what comes."""
        self._queue: queue.Queue[tuple[float, _Item]] = queue.Queue(_MOST_WAITING)
        self.waited = 0.0
        """Seconds between the arrival of the latest item and its turn; 0 for what came before all was asked for."""
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
            while True:
                came, item = self._queue.get()
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                self.waited = time.monotonic() - came
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
        came = time.monotonic()
        while not self._left:
            try:
                self._queue.put((came, item), timeout=_PATIENCE)
            except queue.Full:
                continue
            return
