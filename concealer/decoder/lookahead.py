"""Looking ahead: access units wait here for their turn while a scout decodes them.

The scout starts at the first hole by decoding everything since the last IDR once more and stops when going on has cost
as much as starting anew would, so an undamaged stream pays nothing but the wait.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from concealer.bitstream import AccessUnit, Codec
from concealer.decoder.history import History
from concealer.decoder.hook import Buffer, Field
from concealer.decoder.painting import Painter
from concealer.decoder.rules import Rules
from concealer.decoder.scout import Scout
from concealer.decoder.turn import Held, Key
from concealer.outlook import Outlook

log = logging.getLogger(__name__)

_IDLE = 300
"""Access units without a hole after which the scout stops at the latest."""
_WORTH_KEEPING = 16
"""As many it goes on for however short the way from the last IDR picture is: opening a decoder has its cost."""


class LookAhead:
    """The waiting access units, and the scout when there is one."""

    def __init__(self, codec: Codec, rules: Rules, depth: int, painter: Painter) -> None:
        """depth: access units that wait. painter: the scout's own."""
        self._codec: Codec = codec
        self._rules = rules
        self._painter = painter
        self._depth = depth
        self._waiting: deque[AccessUnit] = deque()
        self._scout: Scout | None = None
        self._quiet = 0
        # A scout that repairs and measures takes the time of whoever repairs and measures for the main decoder.
        self._beside = ThreadPoolExecutor(1, "scout") if depth and rules.fills_holes else None
        self._task: Future[None] | None = None
        """What the scout is doing beside the main decoder; wait for it before asking the scout anything."""

    def push(self, au: AccessUnit) -> AccessUnit | None:
        """Take in the next access unit; the one whose turn it is now, if any."""
        if not self._depth:
            return au
        self._waiting.append(au)
        return self._waiting.popleft() if len(self._waiting) > self._depth else None

    @property
    def idle(self) -> bool:
        """No scout runs."""
        return self._scout is None

    @property
    def waiting(self) -> Sequence[AccessUnit]:
        """The access units that wait, the next one first."""
        return self._waiting

    def drain(self) -> Iterator[AccessUnit]:
        """The access units still waiting."""
        while self._waiting:
            yield self._waiting.popleft()

    def outlook(
        self, key: Key, au: AccessUnit, previous: AccessUnit | None, history: History, references: Sequence[Held]
    ) -> Outlook | None:
        """What follows the picture of `key`, in which the main decoder just found a hole; None if nothing is known.

        au: the access unit whose turn it is; `key` itself, or the one before which the picture of `key` is missing.
        previous: the one before it. history: what the main decoder got before `key`. references: its latest pictures.
        """
        if not self._waiting:
            return None
        self._quiet = 0
        if self._scout is None:
            if not history.complete:
                return None
            log.debug("scout starts after %d pictures", len(history))
            self._scout = Scout(self._codec, self._rules, self._painter, history, previous, references)
            self._scout.decode(au, late=key is au)
        self._wait()
        for unit in (au, *self._waiting):
            self._scout.decode(unit)
        return self._scout.outlook(key)

    def settled(self, key: Key, au: AccessUnit, buffer: Buffer, vectors: Field | None, history: History) -> None:
        """The main decoder's picture of `key` is final; `vectors`: its motion field, if that can be read.

        history: what the scout would have to be started with again.
        """
        if self._scout is None:
            return
        self._wait()
        if self._beside is None:
            self._scout.keep_step(key, au, buffer, vectors)
        else:
            self._task = self._beside.submit(self._scout.keep_step, key, au, buffer, vectors)
        self._quiet += 1
        if self._quiet > (min(_IDLE, max(_WORTH_KEEPING, len(history))) if history.complete else _IDLE):
            self.stop()

    def close(self) -> None:
        """Free the scout."""
        self.stop()
        if self._beside is not None:
            self._beside.shutdown()

    def stop(self) -> None:
        """Let the scout go; it starts anew at the next hole."""
        self._wait()
        if self._scout is not None:
            log.debug("scout stops")
            self._scout.close()
            self._scout = None

    def _wait(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            task.result()
