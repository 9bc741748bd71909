"""Times that are wrong in the input, put right where packets are not encoded anew."""

from __future__ import annotations

import logging

from concealer.bitstream import StreamParser
from pipelines.jobs.analyse import find_damage
from pipelines.jobs.facts import Known
from pipelines.jobs.passes import Pass
from pipelines.jobs.run import Run
from pipelines.reading import Source, TimeMender, VideoPayload

log = logging.getLogger(__name__)

_MOST_HELD = 16
"""Pictures, by the standards."""
Stamps = list[tuple[int, int]]
"""(pts, dts) of each packet of one stream in decode order, in ticks."""


class Restamper:
    """Gives the payloads of one stream their new times, in decode order."""

    def __init__(self, stamps: Stamps) -> None:
        self.changed = 0
        """Payloads that got another presentation time."""
        self._left = iter(stamps)

    def give(self, payload: VideoPayload) -> None:
        """The next payload, whose packet, if it has one, is changed with it."""
        stamp = next(self._left, None)
        if stamp is None:
            return
        self.changed += payload.pts != stamp[0]
        payload.pts, payload.dts = stamp
        if payload.packet is not None:
            payload.packet.pts, payload.packet.dts = stamp


def wrong_times(run: Run) -> dict[int, Restamper]:
    """New times for the streams that need them, by index; the input is then at its start again.

    The pictures' headers tell at little cost whether times rise in output order. Where they do not, the pictures are
    decoded to be sure of it.
    """
    suspect = {index for index in run.source.video if not _rises(run.source, index)}
    if not suspect:
        return {}
    with Pass(run, suspect, repair=False, track_taint=False, quiet=True) as analysis:
        find_damage(analysis, to_the_end=True)
        run.source.rewind()
        wrong = {index: track for index, track in analysis.known.items() if track.totals.retimed}
        for index, track in wrong.items():
            if not all_have_pictures(track):
                log.warning(
                    "stream #%d: %d wrong times, left as they are: packets without a picture of their own",
                    index,
                    track.totals.retimed,
                )
        fit = [(index, track) for index, track in wrong.items() if all_have_pictures(track)]
        return {index: Restamper(mended_times(track, run.source.first_delay(index)[1])) for index, track in fit}


def _rises(source: Source, index: int) -> bool:
    """Whether all of a stream has times, which rise in output order, as far as its headers tell that order."""
    parser = StreamParser(
        source.codec(index), source.video[index].codec_context.extradata, container_framed=source.framed
    )
    known: list[tuple[int, int]] = []
    all_timed = True
    for event in source.events({index}):
        if isinstance(event, VideoPayload):
            all_timed &= event.pts is not None or event.dts is not None
            units = parser.push(event.data, pts=event.pts, dts=event.dts, gaps=event.gaps, truncated=event.truncated)
            known += [(unit.order, unit.pts) for unit in units if unit.pts is not None]
    known += [(unit.order, unit.pts) for unit in parser.flush() if unit.pts is not None]
    source.rewind()
    mender = TimeMender(1)
    for _, pts in sorted(known, key=lambda pair: pair[0]):
        mender.push(pts)
    mender.flush()
    return all_timed and not mender.mended


def all_have_pictures(track: Known) -> bool:
    """Whether each packet gave one picture."""
    return sorted(track.tags) == list(range(track.payloads))


def mended_times(track: Known, held: int) -> Stamps:
    """Of a stream each of whose packets gave one picture: mended presentation times, and decode times that rise and lie
    before them.

    held: packets for which decoders hold the first picture back, at most 16. They may do so for longer than the order
    of these pictures asks for, and players that go by decode times show pictures when they come out.
    """
    shown = [0] * track.payloads
    for packet, time in zip(track.tags, track.times, strict=True):
        shown[packet] = time
    rising = sorted(shown)
    rank = {time: place for place, time in enumerate(rising)}
    delay = max((number - rank[time] for number, time in enumerate(shown)), default=0)
    delay = max(delay, min(held, _MOST_HELD, len(rising)))
    before = [rising[0] - track.interval * (delay - number) for number in range(delay)]
    return list(zip(shown, before + rising, strict=False))
