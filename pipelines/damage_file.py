"""The lossy channel between two files: same container, nothing re-encoded."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable
from typing import BinaryIO

import av

from concealer.bitstream import AccessUnit, StreamParser, join_length_prefixed
from concealer.loss import Channel, DamageRecord, Received
from pipelines.errors import InputError, OutputError, UsageError, one_line
from pipelines.reading import Source, with_late_streams
from pipelines.writing import ByteStream, Draft, Sink, output_file, with_data

_MP4_FAMILY = {"ipod", "psp", "f4v", "ismv"}
"""Muxers whose files the demuxer knows as mp4."""

FileChannel = Callable[[BinaryIO, BinaryIO], DamageRecord]


def damage_stream(source_name: str, target: str, channel: Channel) -> DamageRecord:
    """Send the first H.264 or HEVC stream of a file through `channel`; all other streams are copied.

    The damaged file appears under its name when it is complete. Raises ConcealError.
    """
    source = Source(source_name)
    try:
        with_late_streams(source, lambda: _damage(source, target, channel))
    finally:
        source.close()
    if source.ended_early:
        raise InputError(f"{source_name}: reading stopped: {source.ended_early}")
    return channel.record


def _damage(source: Source, target: str, channel: Channel) -> None:
    sink = _open_sink(source, target)
    try:
        _pump(source, sink, channel)
        sink.finish()
    except BaseException:
        sink.abort()
        raise


def damage_bytes(source_name: str, target: str, channel: FileChannel) -> DamageRecord:
    """Send the bytes of a file through `channel`. As `damage_stream`; its ValueError is InputError."""
    if not os.access(source_name, os.R_OK):
        raise InputError(f"{source_name}: cannot be read")
    draft = Draft(target)
    try:
        with open(source_name, "rb") as source, open(draft.path, "wb") as damaged:
            record = channel(source, damaged)
        draft.commit()
    except ValueError as error:
        raise InputError(f"{source_name}: {one_line(error)}") from error
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {one_line(error)}") from error
    finally:
        draft.discard()
    return record


def write_record(record: DamageRecord, path: str) -> None:
    """Write the record's JSON; it appears when it is complete. Raises OutputError."""
    draft = Draft(path)
    try:
        with open(draft.path, "w", encoding="utf-8") as file:
            file.write(record.to_json())
        draft.commit()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {one_line(error)}") from error
    finally:
        draft.discard()


def _open_sink(source: Source, target: str) -> Sink | ByteStream:
    name = _same_container(source, target)
    if source.elementary:
        return ByteStream(target, next(iter(source.video.values())))
    return Sink(target, name, source, encoded=(), reproducible=True)  # same seed, same bytes


def _same_container(source: Source, target: str) -> str:
    found = source.format_name.split(",")
    name = None
    with contextlib.suppress(UsageError):
        name = output_file.format_name(target, None)
        if ("mp4" if name in _MP4_FAMILY else name) in found:
            return name
    suffixes = {os.path.splitext(path)[1].lower() for path in (source.name, target)}
    writable = [known for known in found if _is_muxer(known)]
    # Where the input's own suffix says something else than its content, the output may bear it too.
    if len(suffixes) == 1 and writable:
        return writable[0]
    is_other = f", not {name}" if name else ""
    raise UsageError(f"{target}: the container must stay what {source.name} is ({source.format_name}){is_other}")


def _is_muxer(name: str) -> bool:
    try:
        return bool(av.format.ContainerFormat(name, "w").is_output)
    except ValueError:
        return False


def _pump(source: Source, sink: Sink | ByteStream, channel: Channel) -> None:
    index = next(iter(source.video))
    editor = _Editor(source, index, channel)
    for packet in source.events(decode=()):
        assert isinstance(packet, av.Packet)
        if packet.stream_index == index:
            for damaged in editor.push(packet):
                sink.copy(damaged)
        else:
            sink.copy(packet)
    for damaged in editor.flush():
        sink.copy(damaged)


class _Editor:
    """Puts the packets of one video stream through a channel.

    A packet is nearly always one access unit. Where two fields come in two packets they are one unit, and
    what is left of a damaged one is written as the first packet.
    """

    def __init__(self, source: Source, index: int, channel: Channel) -> None:
        self._stream = source.video[index]
        self._parser = StreamParser(source.codec(index), self._stream.codec_context.extradata, container_framed=True)
        self._channel = channel
        self._count = 0
        self._pending: deque[tuple[int, av.Packet]] = deque()
        self._sent: dict[int, list[tuple[AccessUnit, Received]]] = {}
        self._last_key = 0

    def push(self, packet: av.Packet) -> list[av.Packet]:
        """Take in one packet; returns those whose fate is now known."""
        self._pending.append((self._count, packet))
        units = self._parser.push(bytes(packet), pts=self._count)
        self._count += 1
        return self._send(units)

    def flush(self) -> list[av.Packet]:
        """The stream ended."""
        return self._send(self._parser.flush()) + self._release(self._count)

    def _send(self, units: list[AccessUnit]) -> list[av.Packet]:
        ready: list[av.Packet] = []
        for unit in units:
            # The parser was given packet numbers as times; a second unit in one packet has none.
            key = self._last_key if unit.pts is None else unit.pts
            if key != self._last_key:
                ready += self._release(key)
                self._last_key = key
            packet = next(packet for number, packet in self._pending if number == key)
            unit.pts = packet.pts
            self._sent.setdefault(key, []).append((unit, self._channel.send(unit)))
        return ready

    def _release(self, end: int) -> list[av.Packet]:
        """Packets before number `end`, as they arrive."""
        ready: list[av.Packet] = []
        rewritten = False
        while self._pending and self._pending[0][0] < end:
            number, packet = self._pending.popleft()
            sent = self._sent.pop(number, None)
            if sent is None:
                if not rewritten:
                    ready.append(packet)
                continue
            rewritten = any(_is_changed(unit, received) for unit, received in sent)
            if not rewritten:
                ready.append(packet)
            elif data := b"".join(self._framed(received) for _, received in sent):
                ready.append(with_data(packet, data))
        return ready

    def _framed(self, received: Received) -> bytes:
        size = self._parser.length_size
        return join_length_prefixed(received.nals, size) if size else received.payload


def _is_changed(unit: AccessUnit, received: Received) -> bool:
    # More units than were sent: parameter sets of a dropped access unit travel with this one.
    return received.damage is not None or len(received.nals) != len(unit.nals)
