"""Writing: every stream into one container, which gets its name only when it is complete."""

from __future__ import annotations

import contextlib
import errno
import logging
import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import cast

import av
from av.container import OutputContainer
from av.stream import Discard, Stream

from pipelines.errors import NotShownError, OutputError, one_line
from pipelines.reading import Source, addresses, codec_name, srt
from pipelines.writing import output_file
from pipelines.writing.accounting import Account, Count, Payloads, read_back
from pipelines.writing.copies import Filtered, copy_stream, held_together, kept_tags, stream_label
from pipelines.writing.draft import Draft
from pipelines.writing.encoder import PictureEncoder, has_flag
from pipelines.writing.leading import LeadingTimes
from pipelines.writing.programmes import ProgrammeFile, Writable

log = logging.getLogger(__name__)

EncoderMaker = Callable[[OutputContainer], PictureEncoder]

_FRAGMENTED = {"movflags": "frag_keyframe+delay_moov+default_base_moof"}
"""What the MP4 family needs where the writer cannot go back; with empty_moov there would be no edit lists."""
_LIVE = {"flush_packets": "1", "max_interleave_delta": "1"}
"""Nothing is held back; video must not wait for sound that comes later, as it does in most transport streams."""
_HELD_BYTES = 64 << 20
"""Packets kept while the first picture of an encoded stream has not come."""
_PRIMING_SECONDS = Fraction(1, 10)
_MOST_REFUSALS = 100
"""Packets in a row that the muxer may refuse before the output counts as not writable."""
_ROUNDING = 1
"""Ticks of the output by which a time may move because another time base is coarser."""
_MOST_MISSING = 0.02
"""Share of a stream's packets that may be missing in the file, with a warning."""
_MOST_DAMAGED = 0.5
"""Share of a stream's packets that the muxer may refuse before it counts as one that it cannot hold."""
_DEVICE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE, errno.EFBIG, errno.EROFS}


class Sink:
    """An output being written. `finish` makes it appear under its name, `abort` leaves nothing behind."""

    def __init__(
        self,
        target: str,
        output_format: str | None,
        source: Source,
        encoded: Iterable[int],
        *,
        reproducible: bool = False,
    ) -> None:
        """`encoded` are the input streams that will come through an encoder; all others are copied.

        reproducible: without what muxers write at random, such as Matroska's segment UID.
        Raises UsageError for an unknown format, OutputError if the target cannot be written.
        """
        self.target = target
        self.dropped: list[str] = []
        """Streams that the container cannot hold, in words."""
        self._format = output_file.format_name(target, output_format)
        self._source = source
        self._encoded = set(encoded)
        self._streams: dict[int, Stream | None] = {}
        self._filters: dict[int, Filtered] = {}
        self._leading: dict[int, LeadingTimes] = {}
        self.accounts: dict[int, Account] = {}
        """By index in the output."""
        self._payloads: dict[int, Payloads | None] = {}
        self._held_together = held_together(self._format, source.container.streams, source.video.values())
        self._offset = _offset(source, self._format)
        self._started = False
        self._held: list[tuple[bool, av.Packet]] = []
        self._least_dts: dict[int, int] = {}
        self._held_size = self._refusals = 0
        self._reason: str | None = None
        """Why a packet was refused."""
        self._draft: Draft | None = None
        self._sender: srt.SrtWriter | None = None
        self._file: ProgrammeFile | None = None
        """Written to in place of the draft, where there are several programmes."""
        self.container = self._open()
        if reproducible:
            self.container.flags |= cast(int, av.container.Flags.bitexact.value)
        self.container.metadata.update(kept_tags(source.container.metadata))
        if not self._encoded:
            try:
                self._start()
            except OutputError:
                self.abort()
                raise

    def _open(self) -> OutputContainer:
        options = {}
        if self.target == output_file.STDOUT:
            file: object = output_file.PipeWriter()
            options = _FRAGMENTED if self._format in output_file.MOV_FAMILY else {}
        elif addresses.scheme(self.target) is not None:
            self._sender = srt.foreign_sender(self.target)
            file, options = self._sender or self.target, _LIVE
        elif output_file.is_special(self.target):
            file = "file:" + self.target
        else:
            self._draft = Draft(self.target)
            file = "file:" + self._draft.path
        if self._keeps_pids and len(self._source.programmes) > 1:
            self._file = self._with_programmes(file)
            file = self._file or file
        try:
            return av.open(file, "w", format=self._format, container_options=options)
        except (av.FFmpegError, ValueError, OSError) as error:
            self._remove()
            raise self._failed(error) from error

    @property
    def _keeps_pids(self) -> bool:
        """The output is a transport stream like the input, with the same PIDs; M2TS has PIDs of its own."""
        return self._format == self._source.format_name == "mpegts" and not self.target.lower().endswith(".m2ts")

    def _with_programmes(self, file: object) -> ProgrammeFile | None:
        """What is written to, so that the input's programmes stay apart; None where that is an address."""
        if isinstance(file, str) and not file.startswith("file:"):
            return None
        opened = cast(Writable, open(file.removeprefix("file:"), "wb") if isinstance(file, str) else file)  # noqa: SIM115
        return ProgrammeFile(opened, self._source.programmes)

    def _failed(self, error: BaseException) -> OutputError:
        name = "standard output" if self.target == output_file.STDOUT else self.target
        return OutputError(f"{name}: cannot be written as {self._format}: {one_line(error)}")

    def add_encoder(self, index: int, make: EncoderMaker) -> PictureEncoder:
        """Make the encoder of input stream `index` in this container; the last expected one starts the file."""
        self._add_copies(below=index)
        original = self._source.container.streams[index]
        encoder = make(self.container)
        self._describe(encoder.stream, original)
        self._streams[index] = encoder.stream
        if self._encoded <= self._streams.keys():
            self._start()
        return encoder

    def _add_copies(self, below: int | None = None) -> None:
        for stream in self._source.container.streams:
            if below is not None and stream.index >= below:
                break
            if stream.index not in self._encoded and stream.index not in self._streams:
                self._streams[stream.index] = self._add_copy(stream)

    def _add_copy(self, stream: Stream) -> Stream | None:
        if stream.discard == Discard.all:  # MP4's chapter texts, which are chapters already
            return None
        if stream.index in self._held_together:
            made = copy_stream(self.container, stream)
            self._describe(made, stream)
            with contextlib.suppress(av.FFmpegError, ValueError):
                self._filters[made.index] = Filtered(self._format, stream)
            self._payloads[made.index] = Payloads(stream)
            return made
        label = stream_label(stream)
        if stream.index in self._source.video and not self._elsewhere(stream.index):
            raise OutputError(f"{self.target}: {self._format} cannot hold {label}; choose another container")
        self.dropped.append(label)
        log.warning("%s cannot hold %s: dropped", self._format, label)
        return None

    def _elsewhere(self, index: int) -> bool:
        """Whether other video that can be repaired is written already: a container may hold one stream only."""
        return any(self._streams.get(other) is not None for other in self._source.video if other != index)

    def _describe(self, made: Stream, original: Stream) -> None:
        given = Count(times=None if self._draft is None else set())  # what is not read back may run for ever
        self.accounts[made.index] = Account(stream_label(original), made.type, codec_name(made), given)
        made.metadata.update(kept_tags(original.metadata))
        made.disposition = original.disposition
        if self._keeps_pids:
            made.id = original.id

    def _start(self) -> None:
        self._add_copies()
        if not any(self._streams.values()):
            raise OutputError(f"{self.target}: {self._format} can hold none of the streams")
        try:
            self.container.set_chapters(self._source.container.chapters())
            self.container.start_encoding()
        except (av.FFmpegError, ValueError, OSError) as error:
            raise self._failed(error) from error
        self._started = True
        held, self._held = self._held, []
        for copied, packet in held:
            self._put(copied, packet)

    def copy(self, packet: av.Packet) -> None:
        """Write a packet of a copied input stream."""
        for one in self._leading.setdefault(packet.stream_index, LeadingTimes()).push(packet):
            self._put(True, one)

    def leave_out(self, index: int, count: int) -> None:
        """So many packets of an input stream have a picture that decoders leave out."""
        stream = self._streams.get(index)
        if stream is not None:
            self.accounts[stream.index].unseen = count

    def write(self, packets: Iterable[av.Packet]) -> None:
        """Write packets that an encoder made."""
        for packet in packets:
            self._put(False, packet)

    def _put(self, copied: bool, packet: av.Packet) -> None:
        if not self._started:
            self._hold(copied, packet)
            return
        if copied:
            target = self._streams.get(packet.stream_index)
            if target is None:
                return
            if _is_subtitle_gap(packet) and self._format in output_file.MOV_FAMILY:
                return
            packet.stream = target
        self._account(packet)
        if self._offset and packet.time_base:
            ticks = round(self._offset / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        self._mux(packet)

    def _account(self, packet: av.Packet) -> None:
        index = packet.stream.index
        self.accounts[index].given.add(packet, self.accounts[index].kind == "video")
        payloads = self._payloads.get(index)
        if payloads is not None:
            payloads.add(packet)

    def _hold(self, copied: bool, packet: av.Packet) -> None:
        self._held.append((copied, packet))
        self._held_size += packet.size
        if self._held_size <= _HELD_BYTES:
            return
        if not self._go_on_without_late():
            raise OutputError(f"{self.target}: no picture could be decoded in the first {_HELD_BYTES >> 20} MB")

    def _go_on_without_late(self) -> bool:
        """Start with those encoders that there are; False if there is none."""
        late = sorted(self._encoded - self._streams.keys())
        if len(late) == len(self._encoded):
            return False
        for index in late:
            label = stream_label(self._source.container.streams[index])
            log.warning("no picture from %s so far: dropped", label)
            self.dropped.append(label)
            self._streams[index] = None
        self._start()
        return True

    def accepts(self, index: int) -> bool:
        """False once an encoded stream was given up because its first picture came too late."""
        return self._streams.get(index, self) is not None

    def _mux(self, packet: av.Packet) -> None:
        index = packet.stream.index
        try:
            filtered = self._filters.get(index)
            for one in filtered.push(packet) if filtered is not None else (packet,):
                self._keep_order(one)
                self.container.mux_one(one)
            self._refusals = 0
        except (av.FFmpegError, ValueError, OSError) as error:
            self.accounts[index].refused += 1
            self._refused(error)

    def _refused(self, error: Exception) -> None:
        """Go on without a packet that the muxer will not take; it may be another than the one given last."""
        self._refusals += 1
        if getattr(error, "errno", None) in _DEVICE_ERRORS or self._refusals > _MOST_REFUSALS:
            raise self._failed(error) from error
        self._reason = one_line(error)

    def _keep_order(self, packet: av.Packet) -> None:
        """Muxers refuse a DTS that does not grow: move it up as little as they accept, as FFmpeg's tool does."""
        stream = packet.stream
        if packet.dts is None or not stream.time_base or not packet.time_base:
            return
        ratio = Fraction(packet.time_base) / stream.time_base
        dts = round(packet.dts * ratio)
        least = self._least_dts.get(stream.index)
        if least is not None and dts < least:
            dts = least
            if ratio * packet.dts < least - _ROUNDING:
                self.accounts[stream.index].moved += 1
            packet.dts = math.ceil(least / ratio)
            if packet.pts is not None:
                packet.pts = max(packet.pts, packet.dts)
        nonstrict = has_flag(self.container.format, av.format.Flags.ts_nonstrict)
        self._least_dts[stream.index] = dts if nonstrict else dts + 1

    def finish(self) -> None:
        """Complete the file, make sure it is on the disk, and give it its name. Raises OutputError."""
        if not self._started and not self._go_on_without_late():
            self.abort()
            raise OutputError(f"{self.target}: no picture could be decoded, nothing to write")
        for leading in self._leading.values():
            for packet in leading.flush():
                self._put(True, packet)
        try:
            self._close()
            if self._draft is not None:
                self._check(self._draft.path)
                self._draft.commit()
            if self._sender is not None:
                self._sender.close()
            self._tell()
        except OutputError:
            self._remove()
            raise
        except (av.FFmpegError, ValueError, OSError) as error:
            self._remove()
            raise self._failed(error) from error

    def _check(self, path: str) -> None:
        """Hold the complete file against what was given to it. Raises OutputError if most of a stream is gone."""
        indices = sorted(self.accounts)
        accounts = [self.accounts[index] for index in indices]
        failed = read_back(path, accounts, [self._payloads.get(index) for index in indices])
        worst = max(accounts, key=lambda one: one.missing / max(one.given.shown, 1))
        if failed is None and any(one.missing > one.given.shown * _most_missing(one) for one in accounts):
            failed = f"{worst.missing} of {worst.given.shown} packets of {worst.label} would not be shown"
        if failed is not None:
            reason = f" ({self._reason})" if self._reason is not None else ""
            raise NotShownError(
                f"{self.target}: {self._format} cannot hold these streams: {failed}{reason}; choose another container"
            )

    def _tell(self) -> None:
        """Say what a player of the output will not show."""
        for one in self.accounts.values():
            if one.missing:
                reason = f" ({self._reason})" if self._reason is not None else ""
                log.warning("%s: %d of %d packets are not shown%s", one.label, one.missing, one.given.shown, reason)
            if one.moved:
                log.warning("%s: %d packets had times out of order, which were moved", one.label, one.moved)
            if one.revealed:
                log.warning("%s: %d pictures outside its edit list are shown", one.label, one.revealed)
            if one.equal_times:
                log.warning("%s: %d pictures have the time of another", one.label, one.equal_times)

    def _close(self) -> None:
        try:
            self.container.close()
        except av.FFmpegError as error:  # the last packets go with the trailer, which is written all the same
            self._refused(error)
        if self._file is not None:
            self._file.close()

    def abort(self) -> None:
        """Forget the output."""
        with contextlib.suppress(av.FFmpegError, ValueError, OSError):
            self.container.close()
            if self._file is not None:
                self._file.close()
        self._remove()

    def _remove(self) -> None:
        if self._draft is not None:
            self._draft.discard()
        if self._sender is not None:
            self._sender.close()


def _most_missing(account: Account) -> float:
    """Share of a stream that may be missing. Packets of sound that the muxer refused were damaged, if others pass."""
    damaged = account.refused / max(account.given.shown, 1) if account.kind != "video" else 0.0
    return _MOST_MISSING + (damaged if damaged < _MOST_DAMAGED else 0.0)


def _is_subtitle_gap(packet: av.Packet) -> bool:
    """MP4 fills the time between subtitles with empty ones; the muxer makes its own."""
    return packet.size == 2 and packet.stream.type == "subtitle" and bytes(packet) == b"\0\0"


def _offset(source: Source, target_format: str) -> Fraction:
    """Seconds by which all times are moved: what lies before 0 is cut off by MP4's edit lists and players.

    A transport stream counts from anywhere, and negative where its clock wraps soon. Other containers mean what they
    say: sound that begins a little before 0 is an encoder's priming. AVI has no time of a first packet: it is 0.
    """
    starts = [s.start_time * s.time_base for s in source.container.streams if s.start_time is not None and s.time_base]
    discontinuous = has_flag(source.container.format, av.format.Flags.ts_discont)
    earliest = min(starts, default=Fraction(0))
    too_early = earliest < 0 and (discontinuous or earliest < -_PRIMING_SECONDS)
    return -earliest if too_early or (target_format == "avi" and earliest > 0) else Fraction(0)
