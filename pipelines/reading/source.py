"""Reading: what a container holds, and its packets with what the transport knows about their damage."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, Literal, cast

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from pipelines.errors import InputError, Interrupted, one_line
from pipelines.reading.timing import Timeline
from pipelines.reading.transport import FAR, TransportTap, looks_like_ts

log = logging.getLogger(__name__)

Codec = Literal["h264", "hevc"]

STDIN = "-"
ELEMENTARY = {
    ".264": "h264", ".h264": "h264", ".26l": "h264", ".avc": "h264", ".jsv": "h264", ".jvt": "h264",
    ".265": "hevc", ".h265": "hevc", ".hevc": "hevc", ".hvc": "hevc",
}  # fmt: skip
"""Suffixes of byte streams without a container, and their FFmpeg format name."""
_UNFRAMED = {"h264", "hevc", "mpegts", "mpeg", "mpegvideo", "rtp", "sdp"}
"""Formats whose packets libavformat cuts itself, at start codes: a lost slice misleads the cut."""
_MP4_FIRST_BOXES = (b"ftyp", b"styp", b"moov", b"free", b"mdat", b"wide", b"skip")
_PROBE_FRAMES = 100
_CHROMA_LOCATION = re.compile(r"chroma_sample_loc_type_top_field\s+[01]+ = ([0-5])\b")


@dataclass(slots=True)
class VideoPayload:
    """One packet of a video stream that is to be decoded."""

    stream: int
    data: bytes
    pts: int | None
    dts: int | None
    duration: int | None
    gaps: tuple[int, ...] = ()
    """Offsets into `data` before which bytes are missing."""
    truncated: bool = False
    """The packet ends early, or the transport marked it as damaged without saying where."""
    hidden: bool = False
    """To be decoded, not shown: outside the container's edit list."""
    extradata: bytes | None = None
    """New parameter sets in the container's form, valid from here on."""
    packet: av.Packet | None = None
    """As libavformat delivered it; None where the payload was read past it (MPEG-TS)."""


class _PipeReader:
    """A pipe that can be left: a blocked read in C would not see Ctrl-C before the next byte."""

    def __init__(self, file: BinaryIO, stopped: Callable[[], bool]) -> None:
        self._descriptor = file.fileno()
        self._stopped = stopped

    def read(self, size: int) -> bytes:
        while not self._stopped():
            if select.select([self._descriptor], [], [], 0.2)[0]:
                return os.read(self._descriptor, size)
        return b""


class Source:
    """An opened input. Raises InputError with one clear line if there is nothing in it to repair."""

    live = False
    """It is received as it is sent, and has no end but the one it is given."""

    def __init__(self, name: str, input_format: str | None = None, stopped: Callable[[], bool] = lambda: False) -> None:
        self.name = name
        self.label = "standard input" if name == STDIN else name
        self.seekable = name != STDIN
        self.ended_early: str | None = None
        """Why reading stopped before the end, if it did."""
        self._input_format = input_format
        self._stopped = stopped
        self._timeline: Timeline | None = None
        self._position: float | None = None
        self._tap: TransportTap | None = None
        self._file: BinaryIO | None = None
        self._shifts: dict[int, int] = {}
        self.container = self._open()
        try:
            self.video = self._repairable()
        except InputError:
            self.close()
            raise

    def _open(self) -> InputContainer:
        if self.name == STDIN:
            pipe = _PipeReader(cast(BinaryIO, sys.stdin.buffer), self._stopped)
            self._tap = TransportTap(pipe.read)
            return self._open_as(self._tap, self._input_format)
        head = self._read_head()
        if self._input_format in (None, "mpegts") and looks_like_ts(head):
            self._file = open(self.name, "rb")  # noqa: SIM115
            self._tap = TransportTap(self._file.read)
            return self._open_as(self._tap, "mpegts")
        return self._open_plain(head)

    def _open_plain(self, head: bytes) -> InputContainer:
        input_format = self._input_format
        if input_format is None and b"\x00\x00\x01" in head and head[4:8] not in _MP4_FIRST_BOXES:
            input_format = ELEMENTARY.get(os.path.splitext(self.name)[1].lower())
        return self._open_as("file:" + self.name, input_format)

    def _read_head(self) -> bytes:
        try:
            if os.path.isdir(self.name):
                raise InputError(f"{self.label}: is a directory")
            with open(self.name, "rb") as file:
                head = file.read(65536)
        except OSError as error:
            raise InputError(f"{self.label}: {one_line(error)}") from error
        if not head:
            raise InputError(f"{self.label}: is empty")
        return head

    def _open_as(self, file: object, input_format: str | None) -> InputContainer:
        level = av.logging.get_level()
        try:
            with av.logging.Capture(local=True) as messages:
                av.logging.set_level(av.logging.ERROR)
                return av.open(file, "r", format=input_format, metadata_errors="replace")
        except (av.FFmpegError, ValueError, OSError) as error:
            if self._stopped():
                raise Interrupted("interrupted") from error
            # libavformat's own last word ("moov atom not found") says more than its error code.
            detail = next((text.strip() for _, _, text in reversed(messages) if text.strip()), "")
            reason = one_line(error) + (f" ({' '.join(detail.split())})" if detail else "")
            raise InputError(f"{self.label}: cannot read: {reason}") from error
        finally:
            av.logging.set_level(level)

    def _repairable(self) -> dict[int, VideoStream]:
        found: dict[int, VideoStream] = {}
        for stream in self.container.streams.video:
            if stream.codec_context is None or stream.disposition & Disposition.attached_pic:
                continue
            if stream.codec_context.codec.canonical_name in ("h264", "hevc"):
                if stream.codec_tag in ("encv", "drmi"):
                    raise InputError(f"{self.label}: video stream #{stream.index} is encrypted")
                found[stream.index] = stream
        if not found:
            held = ", ".join(f"{s.type} {codec_name(s)}" for s in self.container.streams) or "no streams"
            raise InputError(f"{self.label}: no H.264 or HEVC video in it ({held})")
        return found

    @property
    def format_name(self) -> str:
        """FFmpeg's short name of the container format, aliases and all."""
        return self.container.format.name

    @property
    def elementary(self) -> bool:
        """A byte stream without container: no timestamps."""
        return self.format_name in ("h264", "hevc")

    @property
    def framed(self) -> bool:
        """The container itself says where an access unit begins and ends."""
        return not _UNFRAMED & set(self.format_name.split(","))

    def codec(self, index: int) -> Codec:
        return cast(Codec, self.video[index].codec_context.codec.canonical_name)

    def chroma_location(self, index: int) -> int | None:
        """chroma_sample_loc_type (H.264 E.2.1, HEVC E.3.1), 0..5; None if the parameter sets do not tell.

        PyAV does not show it, but libavcodec's header tracer reads the stream's parameter sets aloud.
        """
        level = av.logging.get_level()
        try:
            with av.logging.Capture(local=True) as messages:
                av.logging.set_level(av.logging.INFO)
                BitStreamFilterContext("trace_headers", self.video[index])
        except (av.FFmpegError, ValueError):
            log.debug("stream #%d: parameter sets cannot be traced", index)
        finally:
            av.logging.set_level(level)
        found = _CHROMA_LOCATION.search("\n".join(text for _, _, text in messages))
        return int(found[1]) if found else None

    def rate(self, index: int) -> Fraction:
        """Pictures a second, as good as the container knows."""
        stream = self.video[index]
        for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
            if rate and 0 < rate <= 1000:
                return rate
        return Fraction(25)

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
        self._timeline = Timeline() if ts_discont else None
        size = os.path.getsize(self.name) if self.seekable and os.path.isfile(self.name) else 0
        tap = self._tap if self._tap is not None and self._tap.active and decode else None
        if self._tap is not None and tap is None:
            self._tap.stop()
        turns: dict[int, tuple[int, int]] = {}
        self._shifts.clear()
        for packet in self._demux():
            if packet.size == 0 and not packet.has_sidedata("new_extradata"):
                continue
            if packet.has_sidedata("encryption_info"):
                raise InputError(f"{self.label}: stream #{packet.stream_index} is encrypted")
            if size and packet.pos is not None and packet.pos >= 0:
                self._position = min(packet.pos / size, 1.0)
            time = packet.dts
            shift = self._shift(packet)
            if packet.stream_index not in decode:
                yield packet
            elif tap is None:
                yield self._payload(packet)
            elif time is not None:
                yield from self._tapped(tap, packet.stream_index, time, shift)
                turns[packet.stream_index] = time, shift
        if tap is not None:
            for index in tuple(decode):
                time, shift = turns.get(index, (0, 0))
                yield from self._tapped(tap, index, time, shift, everything=True)

    def _tapped(
        self, tap: TransportTap, index: int, time: int, shift: int, everything: bool = False
    ) -> Iterator[VideoPayload]:
        """What the transport stream holds for a video stream up to `time`, in place of libavformat's packets."""
        for pes in tap.take(self.container.streams[index].id, time, everything):
            if pes.dts is not None and abs(pes.dts - time) < FAR:
                self._shifts[index] = shift
            moved = self._shifts.get(index, shift)
            pts, dts = (None if stamp is None else stamp + moved for stamp in (pes.pts, pes.dts))
            yield VideoPayload(index, pes.payload, pts, dts, None, pes.gaps, pes.truncated)

    def _demux(self) -> Iterator[av.Packet]:
        packets = self.container.demux()
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError, ValueError) as error:
                self.ended_early = one_line(error)
                log.warning("%s: reading stopped: %s", self.label, self.ended_early)
                return
            yield packet

    def _shift(self, packet: av.Packet) -> int:
        """Move a packet to the joined timeline; returns by how many ticks."""
        if self._timeline is None:
            return 0
        time = packet.dts if packet.dts is not None else packet.pts
        shift = self._timeline.shift(packet.stream_index, time, packet.duration, packet.time_base)
        if shift:
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
        return shift

    def _payload(self, packet: av.Packet) -> VideoPayload:
        fresh = packet.get_sidedata("new_extradata") if packet.has_sidedata("new_extradata") else None
        return VideoPayload(
            packet.stream_index,
            bytes(packet),
            packet.pts,
            packet.dts,
            packet.duration or None,
            truncated=packet.is_corrupt,
            hidden=packet.is_discard,
            extradata=bytes(fresh) if fresh is not None else None,
            packet=packet,
        )

    def sample(self, index: int) -> av.VideoFrame | None:
        """An early picture by libavcodec's own decoder, with the container's side data attached to it.

        PyAV shows a stream's side data (display matrix, mastering display) on decoded pictures only. None
        from a pipe, or if none of the first packets can be decoded.
        """
        if not self.seekable:
            return None
        with contextlib.closing(self._open_plain(self._read_head())) as container:
            stream = container.streams[index]
            for count, packet in enumerate(container.demux(stream)):
                with contextlib.suppress(av.FFmpegError):
                    for frame in packet.decode():
                        return cast(av.VideoFrame, frame)
                if count >= _PROBE_FRAMES:
                    break
        return None

    def rewind(self) -> None:
        """Start over. For seekable inputs only."""
        self.close()
        self.ended_early = None
        self._position = None
        self.container = self._open()
        self.video = self._repairable()

    def close(self) -> None:
        self.container.close()
        if self._file is not None:
            self._file.close()


def codec_name(stream: Stream) -> str:
    """Name of a stream's codec, "?" if FFmpeg knows none."""
    context = stream.codec_context
    # A stream without context has its name, if any, by its type.
    return context.codec.canonical_name if context is not None else getattr(stream, "name", None) or "?"
