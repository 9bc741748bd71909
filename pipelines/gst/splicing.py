"""The splicer inside `concealsplice`: access units and losses in, access units that any decoder shows out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from concealer.bitstream import Codec, join_annexb
from concealer.decoder import Settled
from concealer.front_door import open_decoder
from concealer.repair import Repairer
from concealer.splice import SplicedUnit, Splicer
from concealer.standins import UnsupportedStandInError
from pipelines.generative import choice_in_background
from pipelines.gst.intake import Feed
from pipelines.gst.unwinding import exceptions_work


class StreamSplicer:
    """One stream in Annex B. What it raises nothing for is whole; after an error it can only be closed."""

    def __init__(self, codec: Codec, seconds: float, threads: int) -> None:
        """seconds: from one picture to the next. Raises UnsupportedStandInError."""
        self.repairer = Repairer()
        # Slices are written here and now: what a process beside wrote would leave with the next access unit.
        self._splicer = Splicer(codec, seconds=seconds, quick=True)
        self._decoder = open_decoder(
            codec, repairer=self.repairer, live=True, threads=threads, observe=self._settled, container_framed=False
        )
        if not self._decoder.hooked:
            self.close()
            raise UnsupportedStandInError("the decoder hook does not hold on this system")
        self._ready: list[SplicedUnit] = []
        self._asked = False

    def splice(self, feed: Feed, deadline_ms: float | None) -> list[SplicedUnit]:
        """Take an access unit; those that are ready, in decode order. Raises UnsupportedStandInError."""
        self.repairer.begin(deadline_ms)
        self._splicer.begin()
        self._decoder.decode(
            feed.payload,
            pts=feed.pts,
            dts=feed.dts,
            duration=feed.duration,
            gaps=feed.gaps,
            truncated=feed.truncated,
            complete=True,
        )
        return self._take()

    def catch_up(self) -> None:
        """To be called once what was ready has left."""
        self._splicer.catch_up()

    def flush(self) -> list[SplicedUnit]:
        """The stream ended: what is left. Raises UnsupportedStandInError."""
        self.repairer.begin(None)
        self._decoder.flush()
        self._ready += self._splicer.flush()
        return self._take()

    def close(self) -> None:
        """Give back the decoders' memory."""
        self._decoder.close()
        self._splicer.close()

    def _settled(self, picture: Settled) -> None:
        if not self._asked and picture.damage is not None and picture.damage.any_hole:
            # At the first damage: a stream without any needs no network. Until it is ready, repair goes on without it.
            self._asked = True
            if self.repairer.method == "auto" and exceptions_work():
                choice_in_background("auto", partial(setattr, self.repairer, "choice"))
        self._ready += self._splicer.settled(picture)

    def _take(self) -> list[SplicedUnit]:
        ready, self._ready = self._ready, []
        return ready


def payload_of(unit: SplicedUnit) -> bytes:
    """Its NAL units in Annex B."""
    return join_annexb(unit.nals)


def counted(units: Sequence[SplicedUnit]) -> tuple[int, int, int]:
    """NAL units kept, written and left out."""
    written = sum(len(unit.written) for unit in units)
    removed = sum(len(unit.removed) for unit in units)
    return sum(len(unit.nals) for unit in units) - written, written, removed
