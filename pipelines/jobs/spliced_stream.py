"""One video stream on its way from damaged packets to packets with stand-ins in the gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import av
from av.video.stream import VideoStream

from concealer.bitstream import START_CODE, Codec, NalUnit, join_annexb, join_length_prefixed, parse_extradata
from concealer.decoder import Settled
from concealer.splice import SplicedUnit, Splicer
from pipelines.jobs.splice_totals import SpliceTotals, describe
from pipelines.jobs.untimed import Untimed
from pipelines.reading import VideoPayload
from pipelines.writing import with_data


@dataclass(slots=True)
class _Waiting:
    """A payload some of whose access units have not left yet."""

    payload: VideoPayload
    pieces: list[bytes] = field(default_factory=list)
    units: int = 0
    changed: bool = False


class SplicedStream:
    """Takes payloads and, as the decoder's observer, their repaired pictures; gives packets in decode order.

    The decoder must be given the number of each payload, counted from 0, as its tag.
    """

    def __init__(
        self,
        stream: VideoStream,
        codec: Codec,
        framed: bool,
        timed: bool,
        interval: int,
        seconds: float,
        *,
        live: bool = False,
        reported: bool = True,
        header: bytes | None = None,
        first: int = 0,
        headless: bool = False,
    ) -> None:
        """
        framed: the container delimits access units.
        timed: it has timestamps.
        interval, seconds: from one picture to the next, in ticks and in seconds.
        live: an access unit leaves before the next one comes in. reported: `changes` are kept.
        header: in place of the stream's own, where it does not begin with its first payload.
        first: number of the first payload that is given out; those before only lead there.
        headless: the stream begins without whole parameter sets: those of its header are put before what is given out.

        Raises UnsupportedStandInError for a codec that can't be spliced.
        """
        self.totals = SpliceTotals()
        self.changes: list[dict[str, object]] = []
        """What was done to each changed access unit, in decode order, for the report."""
        self._reported = reported
        self._first, self._begun = first, first == 0
        self._refused = False
        self._stream = stream
        self._codec = codec
        self._framed = framed
        self._timed_input = timed
        self._interval = interval
        framing = parse_extradata(codec, stream.codec_context.extradata if header is None else header)
        self._splicer = Splicer(codec, framing.parameter_sets, seconds=seconds, own_process=not live, quick=live)
        self._length_size = framing.length_size
        self._lead = [NalUnit(nal.data) for nal in framing.parameter_sets] if headless else []
        self._count = 0
        self._payloads: dict[int, _Waiting] = {}
        self._announced: dict[int | None, list[NalUnit]] = {}
        """Parameter sets of new container headers by the number of their payload."""
        self._out: list[av.Packet] = []
        self._untimed = Untimed(interval)
        self._raw = bytearray()
        self._raw_start = 0
        """Place in the stream of the first byte of `_raw`."""

    @property
    def changed(self) -> bool:
        """Anything was taken out or put in."""
        return self.totals.inserted + self.totals.replaced + self.totals.misplaced + self.totals.left_out > 0

    def add(self, payload: VideoPayload) -> None:
        """Take in a payload right before the decoder does, if it does."""
        if self._refused:
            self._send(self._unchanged(payload))
            return
        if payload.extradata is not None:
            framing = parse_extradata(self._codec, payload.extradata)
            self._length_size = framing.length_size
            self._announced[self._count] = framing.parameter_sets
        self._splicer.begin(payload.waited, hurry=payload.late)
        self._payloads[self._count] = _Waiting(payload)
        self._count += 1
        if not self._framed:
            self._raw += payload.data

    @property
    def refused(self) -> bool:
        """The stream cannot be spliced: its payloads leave as they come."""
        return self._refused

    def refuse(self) -> None:
        """Splice no more. What waits leaves as it came, and all that is added from now on."""
        self._refused = True
        for waiting in self._payloads.values():
            if not waiting.units:
                self._send(self._unchanged(waiting.payload))
        self._payloads.clear()
        self._announced.clear()
        self._raw.clear()

    def observe(self, picture: Settled) -> None:
        """The decoder's observer. Raises UnsupportedStandInError where the stream can't be spliced."""
        number = picture.au.tag if picture.au is not None else None
        if number in self._announced:
            self._splicer.announce(self._announced.pop(number))
        for unit in self._splicer.settled(picture):
            self._leave(unit)

    def take(self) -> list[av.Packet]:
        """Packets that are ready, in decode order."""
        out, self._out = self._out, []
        return out

    def catch_up(self) -> None:
        """To be called once what was ready has been sent."""
        if not self._refused:
            self._splicer.catch_up()

    def flush(self) -> list[av.Packet]:
        """The stream ended: what is left."""
        for unit in () if self._refused else self._splicer.flush():
            self._leave(unit)
        self._release(self._count)
        if self._raw:
            self._send(self._packet(bytes(self._raw), None, None, False))
            self._raw.clear()
        self._out += self._untimed.flush()
        return self.take()

    def close(self) -> None:
        """Free what it holds."""
        self._splicer.close()

    def _leave(self, unit: SplicedUnit) -> None:
        number = unit.au.tag if unit.au is not None else None
        if number is not None and number >= self._first and not self._begun:
            self._release(self._first)
            self._begun = True
        if self._begun:
            self.totals.add(unit)
            self.totals.misplaced += unit.au is not None and unit.au.moved
            self.totals.left_out += 0 if unit.au is None else unit.au.unreadable_sets
            if unit.changed and self._reported:
                self.changes.append(describe(unit))
        if not self._framed:
            self._leave_unframed(unit, number)
            return
        if number is None and unit.au is not None:
            # A second access unit in one payload has no number of its own.
            number = max(self._payloads_begun(), default=None)
        if number not in self._payloads:
            self._release(None)
            self._send(self._packet(self._join(unit), unit.pts, None, False))
            return
        self._release(number)
        waiting = self._payloads[number]
        waiting.units += 1
        waiting.changed |= unit.changed or (unit.au is not None and (unit.au.moved or unit.au.altered))
        waiting.pieces.append(self._join(unit))

    def _payloads_begun(self) -> list[int]:
        return [number for number, waiting in self._payloads.items() if waiting.units]

    def _release(self, end: int | None) -> None:
        """Send payloads before number `end`; None: those that access units have left."""
        if end is None:
            begun = self._payloads_begun()
            end = max(begun) + 1 if begun else min(self._payloads, default=0)
        rewritten = False
        for number in [number for number in self._payloads if number < end]:
            waiting = self._payloads.pop(number)
            if not self._framed:
                continue
            payload = waiting.payload
            if waiting.units:
                rewritten = waiting.changed
                if rewritten:
                    self._send(self._timed(payload, b"".join(waiting.pieces)))
                    continue
            elif rewritten:  # a second field, which went with the first
                continue
            self._send(self._unchanged(payload))

    def _leave_unframed(self, unit: SplicedUnit, number: int | None) -> None:
        data = self._spliced_bytes(unit)
        if unit.au is None or number is None:
            self._send(self._packet(data, unit.pts, None, unit.au is not None and unit.au.is_irap))
            return
        waiting = self._payloads[number]
        waiting.units += 1
        payload = waiting.payload
        self._release(number)
        packet = self._packet(data, payload.pts, payload.dts, unit.au.is_irap or unit.au.kind == "I")
        packet.duration, packet.opaque = payload.duration or 0, [number]
        self._send(packet)

    def _spliced_bytes(self, unit: SplicedUnit) -> bytes:
        """The stream's bytes up to the unit's end as they came, with ours put in and corrupt slices left out."""
        if unit.au is not None and (unit.au.moved or unit.au.altered):
            self._forget_raw(unit.au.nals)
            return join_annexb(unit.nals)
        ours = {id(one.nal) for one in unit.written}
        received = {id(nal) for nal in unit.nals} - ours
        pieces: list[bytes] = []
        arrived = iter(unit.au.nals if unit.au is not None else ())

        def copy_until(wanted: int | None) -> None:
            for nal in arrived:
                stop = nal.offset + len(nal.data) - self._raw_start
                if id(nal) in received:
                    pieces.append(bytes(self._raw[:stop]))
                del self._raw[:stop]
                self._raw_start += stop
                if id(nal) == wanted:
                    return

        for nal in unit.nals:
            if id(nal) in ours:
                pieces.append(START_CODE + nal.data)
            else:
                copy_until(id(nal))
        copy_until(None)
        return b"".join(pieces)

    def _forget_raw(self, nals: Sequence[NalUnit]) -> None:
        """Units that leave before or after their bytes' turn: the bytes up to their end are done with."""
        stop = max((nal.offset + len(nal.data) for nal in nals), default=0) - self._raw_start
        if stop > 0:
            del self._raw[:stop]
            self._raw_start += stop

    def _join(self, unit: SplicedUnit) -> bytes:
        if self._length_size:
            return join_length_prefixed(unit.nals, self._length_size)
        return join_annexb(unit.nals)

    def _unchanged(self, payload: VideoPayload) -> av.Packet:
        return payload.packet or self._timed(payload, payload.data)

    def _timed(self, payload: VideoPayload, data: bytes) -> av.Packet:
        if payload.packet is not None:
            return with_data(payload.packet, data)
        return self._packet(data, payload.pts, payload.dts, False)

    def _packet(self, data: bytes, pts: int | None, dts: int | None, key: bool) -> av.Packet:
        packet = av.Packet(data)
        packet.stream = self._stream
        if self._stream.time_base:
            packet.time_base = self._stream.time_base
        packet.pts, packet.dts, packet.duration = pts, dts, self._interval
        packet.is_keyframe = key
        return packet

    def _send(self, packet: av.Packet) -> None:
        """Give out a packet, with a DTS where the stream has times."""
        if not self._begun:
            return
        if self._lead:
            packet = with_data(packet, join_annexb(self._lead) + bytes(packet))
            self.totals.add_sets(self._lead)
            self._lead = []
        self._out += self._untimed.push(packet) if self._timed_input else [packet]
