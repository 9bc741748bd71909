"""Reading: what a container holds, and its packets with what the transport knows about their damage."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar, cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from concealer.bitstream import Codec
from pipelines.errors import InputError, Interrupted, one_line
from pipelines.reading import files, streams
from pipelines.reading.connection import Connection, LateStreamsError, Tap, Wanted, rest
from pipelines.reading.inputs import find_input
from pipelines.reading.later_sets import take_later_sets
from pipelines.reading.live_times import LiveTimes
from pipelines.reading.payload import VideoPayload, payload_of
from pipelines.reading.reached import Reached
from pipelines.reading.receiving import Receiver
from pipelines.reading.timing import JoinedTimeline
from pipelines.reading.transport import FAR
from pipelines.salvage import Salvaged

log = logging.getLogger(__name__)
Result = TypeVar("Result")

_UNFRAMED = {"h264", "hevc", "mpegts", "mpeg", "mpegvideo", "rtp", "sdp"}
"""Formats whose packets libavformat cuts itself, at start codes: a lost slice misleads the cut."""
_DECODE_TIMES = {"avi", "asf"}
"""Formats that keep decode times only: what libavformat gives as times of presentation is in decode order."""
_PROBE_FRAMES = 100
_PAUSE_SECONDS = 1.0
"""Between two attempts to open a live input again."""
_MOST_PROBED, _MARGIN = 256 << 20, 4 << 20
"""Bytes that may be read, and kept, to find a stream that appears late; and how far behind its start."""
_MOST_ATTEMPTS = 4
"""To go on behind what cannot be read."""
_SILENT = 90000
"""Ticks without a packet of a video stream after which the others' times tell whose turn it is."""


class Source:
    """An opened input. Raises InputError with one clear line if there is nothing in it to repair."""

    def __init__(
        self,
        name: str,
        input_format: str | None = None,
        stopped: Callable[[], bool] = lambda: False,
        *,
        reconnect: bool = False,
        pauses: bool = False,
        parameter_sets: bytes = b"",
        description: str | None = None,
        like: str | None = None,
        again: Wanted | None = None,
    ) -> None:
        """name: a file, an address, or "-". input_format: FFmpeg's demuxer name; None = by content.
        parameter_sets: with start codes, for streams that have none of their own. description: path of an SDP file, for
        recordings of RTP. like: for MP4 without index, a healthy file of the same camera. again: a file that is open
        already and is to be read beside, without saying anything; nothing else counts then.

        reconnect: a live input is opened again, on the same timeline, when it ends or falls silent. pauses: while
        nothing comes of a live input, its time goes on.
        """
        wanted = Wanted(name, input_format, stopped, reconnect, 0, parameter_sets, description, {}, like)
        self._wanted = wanted if again is None else again
        self._warn = log.warning if again is None else log.debug
        self._input = find_input(self._wanted)
        self.name, self.label = self._wanted.name, self._wanted.label
        self.seekable, self.live = self._input.seekable, self._input.live
        self.ended_early: str | None = None
        """Why reading stopped before the end, if it did."""
        self._pauses = pauses
        self._timeline: JoinedTimeline | None = None
        self._position: float | None = None
        self._place = 0
        """In the file, in bytes, of the last packet."""
        self._shifts: dict[int, int] = {}
        self.unread = 0
        """Bytes of media that were passed over, as far as is known once all was read."""
        self.losses = 0
        """Places at which packets of a transport stream are missing, as far as is known once all was read."""
        self._reached = Reached()
        self.headless: set[int] = set()
        """Indexes of streams that begin without whole parameter sets; those of further on hold for them."""
        self.late_streams = 0
        """How often a packet came of a stream that appears in mid-file and could not be read."""
        self._connection: Connection
        self.video: dict[int, VideoStream]
        """The streams that can be repaired, by their index."""
        self._connect()

    def _connect(self) -> None:
        connection = self._input.open(self._wanted)
        try:
            video = streams.repairable(connection.container, self.label)
        except InputError:
            connection.close()
            raise
        self._connection, self.video = connection, video
        if connection.salvaged is not None and self._wanted.salvaged is None:
            self._wanted = replace(self._wanted, salvaged=connection.salvaged)
        if connection.converted is not None and self.seekable:
            self._wanted = replace(self._wanted, converted=connection.converted)
        for index, stream in video.items():
            if self._wanted.parameter_sets and not stream.codec_context.extradata:
                stream.codec_context.extradata = self._wanted.parameter_sets
            if self.seekable and take_later_sets(stream, lambda: files.open_again(self._wanted)):
                self.headless.add(index)
        if connection.tap is not None:
            connection.tap.keep([stream.id for stream in self.video.values()])

    @property
    def container(self) -> InputContainer:
        """As FFmpeg has it open."""
        return self._connection.container

    @property
    def format_name(self) -> str:
        """FFmpeg's short name of the container format, aliases and all."""
        return self.container.format.name

    @property
    def programmes(self) -> Mapping[int, tuple[int, ...]]:
        """Of a transport stream: PIDs of the streams of each programme, by its number."""
        known = {} if self._connection.tap is None else self._connection.tap.programmes
        present = {stream.id for stream in self.container.streams}
        return {number: pids for number, pids in known.items() if not present.isdisjoint(pids)}

    @property
    def wanted(self) -> Wanted:
        """What the same file can be opened with once more, in another process too."""
        return self._wanted.elsewhere

    @property
    def salvaged(self) -> Salvaged | None:
        """What was found in a file without index, of which one was made."""
        return self._wanted.salvaged

    @property
    def elementary(self) -> bool:
        """A byte stream without container: no timestamps."""
        return self.format_name in ("h264", "hevc")

    @property
    def framed(self) -> bool:
        """The container itself says where an access unit begins and ends."""
        return not _UNFRAMED & set(self.format_name.split(","))

    def codec(self, index: int) -> Codec:
        return streams.video_codec(self.video[index])

    def chroma_location(self, index: int) -> int | None:
        """chroma_sample_loc_type (H.264 E.2.1, HEVC E.3.1), 0..5; None if the parameter sets do not tell."""
        return streams.chroma_location(self.video[index])

    def rate(self, index: int) -> Fraction:
        """Pictures a second, as good as the container knows."""
        return streams.picture_rate(self.video[index])

    def time_base(self, index: int) -> Fraction:
        """Unit of the timestamps of a video stream; one picture for elementary streams."""
        return 1 / self.rate(index) if self.elementary else self.video[index].time_base or Fraction(1, 90000)

    @property
    def progress(self) -> float | None:
        """Share of the input read so far, 0..1, None if its length is not known."""
        return self._position

    def events(self, decode: Collection[int]) -> Iterator[VideoPayload | av.Packet]:
        """All packets in file order: those of the streams in `decode` as payloads, the others as they are.

        An error in the middle of the file ends the iteration and is told in `ended_early`. Raises InputError
        at the first encrypted packet.
        """
        ts_discont = bool(av.format.Flags(self.container.format.flags) & av.format.Flags.ts_discont)
        # Every connection to a live input may start its clock anew.
        self._timeline = JoinedTimeline(self._pauses) if ts_discont or self.live else None
        while True:
            yield from self._events_of(self._connection, decode)
            if not (self.live and self._wanted.reconnect) or self._wanted.stopped() or not self._again():
                return

    def _events_of(self, connection: Connection, decode: Collection[int]) -> Iterator[VideoPayload | av.Packet]:
        size = os.path.getsize(self.name) if self.seekable and os.path.isfile(self.name) else 0
        tap = connection.tap if connection.tap is not None and connection.tap.active and decode else None
        if connection.tap is not None and tap is None:
            connection.tap.stop()
        if tap is not None and self.live:
            yield from self._received(connection, tap, decode)
            return
        counted = self.format_name in _DECODE_TIMES
        delays = {index: self.first_delay(index)[0] for index in decode} if counted else {}
        turns: dict[int, tuple[int, int]] = {}
        self._reached = Reached()
        self._shifts.clear()
        for packet in self._packets(connection):
            if packet.size == 0 and not packet.has_sidedata("new_extradata"):
                continue
            if packet.has_sidedata("encryption_info"):
                raise InputError(f"{self.label}: stream #{packet.stream_index} is encrypted")
            if size and packet.pos is not None and packet.pos >= 0:
                self._place = packet.pos
                self._reached.add(packet.pos, packet.size)
                self._position = min(packet.pos / size, 1.0)
            index, dts = packet.stream_index, packet.dts
            shift = self._shift(packet)
            if index not in decode:
                yield packet
            elif tap is None or not tap.has(connection.container.streams[index].id):
                yield payload_of(packet, delays.get(index), connection.gaps.get((index, packet.pts), ()))
            elif dts is not None:
                yield from self._tapped(tap, index, dts, shift)
                turns[index] = dts, shift
            if tap is not None and dts is not None:
                for silent in [i for i, (last, _) in turns.items() if last < dts - _SILENT and i != index]:
                    yield from self._tapped(tap, silent, dts - _SILENT, turns[silent][1])
        if size:
            self._look_back(connection)
        if tap is not None:
            for index in tuple(decode):
                dts, shift = turns.get(index, (0, 0))
                yield from self._tapped(tap, index, dts, shift, everything=True)
            self.losses = tap.losses
        self.losses = max(self.losses, connection.losses)

    def _received(
        self, connection: Connection, tap: Tap, decode: Collection[int]
    ) -> Iterator[VideoPayload | av.Packet]:
        """Of a live input: video as soon as the tap has it whole."""
        videos = {connection.container.streams[index].id: self._live_times(index) for index in decode}
        receiver = Receiver(self._packets(connection), tap, connection.interrupt)
        for item in receiver.items():
            if isinstance(item, av.Packet):
                if item.has_sidedata("encryption_info"):
                    raise InputError(f"{self.label}: stream #{item.stream_index} is encrypted")
                index = item.stream_index
                if not item.size or (index in decode and tap.has(connection.container.streams[index].id)):
                    continue
                self._shift(item)
                yield payload_of(item, None) if index in decode else item
            elif item.pid in videos:
                payload = videos[item.pid].payload(item, self._timeline)
                payload.waited = receiver.waited
                yield payload

    def _live_times(self, index: int) -> LiveTimes:
        stream, time_base = self.video[index], self.time_base(index)
        interval = max(1, round(1 / (self.rate(index) * time_base)))
        reorders = bool(stream.codec_context.has_b_frames)
        return LiveTimes(index, stream.start_time or 0, time_base, interval, reorders)

    def _tapped(self, tap: Tap, index: int, until: int, shift: int, everything: bool = False) -> Iterator[VideoPayload]:
        """What the transport stream holds for a video stream up to a DTS, in place of libavformat's packets."""
        for pes in tap.take(self.container.streams[index].id, until, everything):
            if pes.dts is not None and abs(pes.dts - until) < FAR:
                self._shifts[index] = shift
            moved = self._shifts.get(index, shift)
            pts, dts = (None if stamp is None else stamp + moved for stamp in (pes.pts, pes.dts))
            yield VideoPayload(index, pes.payload, pts, dts, None, pes.gaps, pes.truncated)

    def _packets(self, connection: Connection) -> Iterator[av.Packet]:
        packets, attempts = connection.container.demux(), 0
        while True:
            reason: str | None = None
            try:
                packet = next(packets)
                attempts = 0 if packet.size else attempts
                self._follow_moves(connection.tap)
                yield packet
                continue
            except StopIteration:
                if "mp4" not in self.format_name:
                    break
            except IndexError:
                # PyAV knows the streams that there were at the start. Asked again, it passes over what is new.
                self._meet_late_stream(connection)
                packets = connection.container.demux()
                continue
            except (av.FFmpegError, OSError, ValueError) as error:
                reason = one_line(error)
            # One sample that is not in the file ends libavformat's reading of MP4; asked again it goes on behind it.
            attempts += 1
            if not self.seekable or attempts > _MOST_ATTEMPTS:
                if reason is not None:
                    self.ended_early = reason
                    self._warn("%s: reading stopped: %s", self.label, reason)
                break
            packets = connection.container.demux()
        self._follow_moves(connection.tap)

    def _look_back(self, connection: Connection) -> None:
        """All is read: find out what of the file was not, and say so once."""
        unread = connection.passed_over
        with contextlib.suppress(OSError):
            if connection.salvaged is None:
                unread = max(unread, self._reached.unread(self.name, self.format_name))
        if unread and not self.unread:
            self._warn("%s: %d bytes of it could not be read: passed over", self.label, unread)
        self.unread = unread

    def _follow_moves(self, tap: Tap | None) -> None:
        """Raise LateStreamsError where packets of a stream came on a PID before it was said to be its."""
        moved = tap.came_late if tap is not None and self.seekable else None
        if moved is not None and moved != self._wanted.moved:
            self._wanted = replace(self._wanted, moved=moved)
            raise LateStreamsError

    def _meet_late_stream(self, connection: Connection) -> None:
        """Raise LateStreamsError where opening the input anew shows the stream."""
        place = connection.tap.position if connection.tap is not None else self._place
        if self.seekable and self._wanted.probe_bytes < place + _MARGIN <= _MOST_PROBED:
            self._wanted = replace(self._wanted, probe_bytes=place + _MARGIN)
            raise LateStreamsError
        if not self.late_streams:
            invented = self.format_name == "flv"  # whose damaged tags name streams that there are not
            what = "packets of no stream of it are" if invented else "a stream that appears in mid-file is"
            self._warn("%s: %s left out", self.label, what)
        self.late_streams += 1

    def _shift(self, packet: av.Packet) -> int:
        """Move a packet to the joined timeline; returns by how many ticks."""
        if self._timeline is None:
            return 0
        stamp = packet.dts if packet.dts is not None else packet.pts
        shift = self._timeline.shift(packet.stream_index, stamp, packet.duration, packet.time_base)
        if shift:
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
        return shift

    def _again(self) -> bool:
        """Open a live input once more; True once that worked, False if stopped before."""
        codecs = {index: self.codec(index) for index in self.video}
        self.close()
        while not self._wanted.stopped():
            log.warning("%s: opened again", self.label)
            try:
                self._connect()
            except InputError as error:
                log.warning("%s", error)
            except Interrupted:
                return False
            else:
                if {index: self.codec(index) for index in self.video} == codecs:
                    self.ended_early = None
                    if self._timeline is not None:
                        self._timeline.cut()
                    return True
                log.warning("%s: other streams than before", self.label)
                self.close()
            rest(_PAUSE_SECONDS, self._wanted.stopped)
        return False

    def sample(self, index: int) -> av.VideoFrame | None:
        """An early picture by libavcodec's own decoder, with the container's side data attached to it.

        PyAV shows a stream's side data (display matrix, mastering display) on decoded pictures only. None
        from a pipe, or if none of the first packets can be decoded.
        """
        if not self.seekable:
            return None
        with contextlib.closing(files.open_again(self._wanted)) as connection:
            stream = connection.container.streams[index]
            with contextlib.suppress(av.FFmpegError):  # of a file that cannot be read on
                for count, packet in enumerate(connection.container.demux(stream)):
                    with contextlib.suppress(av.FFmpegError):
                        for frame in packet.decode():
                            return cast(av.VideoFrame, frame)
                    if count >= _PROBE_FRAMES:
                        break
        return None

    def first_delay(self, index: int) -> tuple[int, int]:
        """How long a decoder holds a stream's first picture back: in ticks and in packets. (0, 0) from a pipe."""
        if not self.seekable:
            return 0, 0
        again = files.open_again(self._wanted)
        with contextlib.closing(again), contextlib.suppress(av.FFmpegError):  # of a file that cannot be read on
            return streams.first_delay(again.container, index, _PROBE_FRAMES)
        return 0, 0

    def rewind(self) -> None:
        """Start over. For seekable inputs only."""
        self.close()
        self.ended_early = None
        self.late_streams = 0
        self._position = None
        self._connect()

    def close(self) -> None:
        self._connection.close()
