"""Bytes in, access units out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from concealer.bitstream.access_unit import AccessUnit
from concealer.bitstream.assembly.assembler import PictureAssembler, Stamp
from concealer.bitstream.assembly.h264 import H264Assembler
from concealer.bitstream.assembly.hevc import HevcAssembler
from concealer.bitstream.nal import (
    START_CODE_PREFIX,
    Codec,
    NalUnit,
    mark_gaps,
    mark_zeros,
    parse_extradata,
    split_clean,
    split_sample,
)

_MOST_BYTES = 32 << 20
"""Without a start code; longer than any NAL unit that levels allow."""


class StreamParser:
    """Splits one video stream into access units and finds what is missing of them.

    `container_framed`: each push is one access unit, as in MP4 and Matroska; slices in it that contradict
    its first are broken. Otherwise payloads may begin and end anywhere, and pictures are told apart by
    their slice headers (H.264 7.4.1.2.4), also where first slices were lost.

    Samples with length prefixes (avcC / hvcC extradata) are always container framed. Garbage never
    raises. Memory is bounded by the greatest access unit, and by 32 MiB where there is no start code.
    """

    def __init__(self, codec: Codec, extradata: bytes | None = None, container_framed: bool = False) -> None:
        if codec not in ("h264", "hevc"):
            raise ValueError(f"codec must be 'h264' or 'hevc', got {codec!r}")
        framing = parse_extradata(codec, extradata)
        self._codec: Codec = codec
        self.length_size = framing.length_size
        """Bytes of the length prefix of samples, 0 = Annex B."""
        self._framed = container_framed or framing.length_size > 0
        make = H264Assembler if codec == "h264" else HevcAssembler
        self._assembler: PictureAssembler = make(self._framed)
        self._assembler.load(framing.parameter_sets)
        self._bytes = _ByteStream()

    @property
    def held_bytes(self) -> int:
        """Bytes kept for the next push: of the NAL unit being read and of the access unit not complete yet."""
        return self._bytes.held_bytes + self._assembler.held_bytes

    def push(
        self,
        payload: bytes,
        *,
        pts: int | None = None,
        dts: int | None = None,
        duration: int | None = None,
        tag: int | None = None,
        gaps: Sequence[int] = (),
        truncated: bool = False,
        complete: bool = False,
    ) -> list[AccessUnit]:
        """Take in one payload; returns the access units that it completes, in decoding order.

        The times and the tag belong to the first access unit that begins in this payload. `gaps`: byte offsets
        before which bytes are missing (len(payload): after the last); `truncated`: the payload's end is
        missing, in the middle of a NAL unit.

        `complete`: the payload ends an access unit, as demuxers with a parser deliver them, so the last
        one is returned at once instead of with the next push. Slices of the same picture in the next
        push then form an access unit of their own. The one exception, also with container framing: a
        single first field is kept back until its second field or another picture comes.
        """
        stamp = Stamp(pts, dts, duration, tag)
        if self._framed:
            if not payload and pts is None and not gaps and not truncated:
                return []
            return self._push_sample(payload, stamp, gaps, truncated)
        done: list[AccessUnit] = []
        for nal, gap_before, nal_stamp in self._bytes.push(payload, stamp, gaps, truncated, final=complete):
            done += self._assembler.push(mark_zeros(self._codec, nal), gap_before, nal_stamp)
        if complete:
            done += self._assembler.end_of_payload(stamp, self._bytes.take_gap())
        return done

    def flush(self) -> list[AccessUnit]:
        """The stream ended: return what is left."""
        done: list[AccessUnit] = []
        for nal, gap_before, stamp in self._bytes.push(b"", Stamp(), (), False, final=True):
            done += self._assembler.push(mark_zeros(self._codec, nal), gap_before, stamp)
        return done + self._assembler.flush()

    def _push_sample(self, payload: bytes, stamp: Stamp, gaps: Sequence[int], truncated: bool) -> list[AccessUnit]:
        if not gaps and not truncated:
            clean = split_clean(payload, self.length_size)
            if clean is not None:
                return self._assembler.push_sample(clean, stamp)
        nals, bad_length = split_sample(payload, self.length_size)
        nals = [mark_zeros(self._codec, nal) for nal in nals]
        if truncated and nals and nals[-1].damaged_at is None:
            nals[-1] = replace(nals[-1], damaged_at=len(nals[-1].data))
        nals, before, after = mark_gaps(nals, gaps)
        done: list[AccessUnit] = []
        for nal, gap_before in zip(nals, before, strict=True):
            done += self._assembler.push(nal, gap_before, stamp)
        return done + self._assembler.end_of_payload(stamp, after or truncated or bad_length)


class _ByteStream:
    """Finds NAL units in payloads that begin and end anywhere. Offsets count from the stream's start."""

    def __init__(self) -> None:
        self._buffer = b""
        self._base = 0
        """Stream offset of the buffer's first byte."""
        self._start: int | None = None
        """Index in the buffer of the unit being read; None before the first start code."""
        self._scan = 0
        self._gaps: list[int] = []
        self._gap_pending = False
        self._stamps: list[tuple[int, Stamp]] = []

    @property
    def held_bytes(self) -> int:
        return len(self._buffer)

    def push(
        self, payload: bytes, stamp: Stamp, gaps: Sequence[int], truncated: bool, final: bool
    ) -> list[tuple[NalUnit, bool, Stamp]]:
        """Units completed by `payload`, each with whether bytes are missing before it, and its times.

        `final`: the payload ends the last unit.
        """
        origin = self._base + len(self._buffer)
        self._gaps += [origin + min(max(gap, 0), len(payload)) for gap in gaps]
        end = origin + len(payload)
        if truncated and not final:
            # A place behind the last byte would lie between units: the last byte itself is not to be trusted.
            self._gaps.append(end - 1)
        if payload:
            self._stamps.append((origin, stamp))
        self._buffer = self._buffer + payload if self._buffer else payload
        nals = self._split(final)
        if truncated and final and nals and nals[-1].damaged_at is None:
            nals[-1] = replace(nals[-1], damaged_at=len(nals[-1].data))
        limit = self._base + (self._start if self._start is not None else self._scan)
        ready = [gap for gap in self._gaps if final or gap <= limit]
        self._gaps = [gap for gap in self._gaps if not final and gap > limit]
        nals, before, after = mark_gaps(nals, ready)
        if nals:
            before[0] |= self._gap_pending
            self._gap_pending = False
        self._gap_pending |= after or (truncated and final)
        return [(nal, gap, self._stamp(nal.offset)) for nal, gap in zip(nals, before, strict=True)]

    def take_gap(self) -> bool:
        """Whether bytes are missing after the last unit; asked once."""
        gap, self._gap_pending = self._gap_pending, False
        return gap

    def _split(self, final: bool) -> list[NalUnit]:
        buffer, nals = self._buffer, []
        while True:
            code = buffer.find(START_CODE_PREFIX, self._scan)
            if code < 0 and not (final and self._start is not None):
                break
            if self._start is not None:
                data = buffer[self._start : code if code >= 0 else None].rstrip(b"\x00")
                if data:
                    nals.append(NalUnit(data, self._base + self._start))
            if code < 0:
                break
            self._start = self._scan = code + 3
        if final:
            self._drop(len(buffer))
            self._start = None
        else:
            # A start code may be cut in two by the payload's end.
            self._scan = max(self._start or 0, len(buffer) - 2)
            if self._start is None or len(buffer) - self._start > _MOST_BYTES:
                self._start = None
                self._drop(self._scan)
            else:
                self._drop(self._start)
                self._start = 0
        return nals

    def _drop(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._base += count
        self._scan = max(0, self._scan - count)

    def _stamp(self, offset: int) -> Stamp:
        """Times of the payload in which the unit at `offset` begins."""
        index = bisect_right(self._stamps, offset, key=lambda entry: entry[0]) - 1
        if index > 0:
            del self._stamps[:index]
        return self._stamps[0][1] if self._stamps else Stamp()
