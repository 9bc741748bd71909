"""Parameter sets from further on in a file, where those at its beginning are damaged or missing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from concealer.bitstream import (
    PARAMETER_SETS,
    START_CODE,
    BitstreamError,
    Codec,
    NalUnit,
    h264,
    hevc,
    nal_type,
    parse_extradata,
    split_annexb,
)
from pipelines.reading.connection import Connection
from pipelines.reading.streams import video_codec

_MOST_BYTES = 64 << 20
"""Of the stream, in which they are looked for: a minute of broadcast."""
_Name = tuple[int, int]
"""NAL unit type and number of a parameter set."""
_SLICES: dict[Codec, range] = {"h264": range(1, 6), "hevc": range(32)}
"""NAL unit types."""
_LAST: dict[Codec, int] = {"h264": h264.NAL_PPS, "hevc": hevc.NAL_PPS}
"""The kind that slices refer to."""


def take_later_sets(stream: VideoStream, beside: Callable[[], Connection]) -> bool:
    """Give a stream that begins without what its slices refer to the first sets in it that can be read.

    An encoder that repeats its sets repeats them unchanged, as a rule: pictures before the first whole ones need not be
    lost. Where samples have length prefixes the container's header must have the sets. beside: opens the same file.
    Returns whether it was given any: not where none come, nor where they come in time.
    """
    context = stream.codec_context
    found = header_sets(stream)
    if found.whole or parse_extradata(found.codec, context.extradata).length_size:
        return False
    with contextlib.closing(beside()) as opened:
        late = _come_late(found, opened.container, stream.index)
    if late:
        context.extradata = b"".join(START_CODE + nal.data for nal in found.units)
    return late


def header_sets(stream: VideoStream) -> KnownSets:
    """Those of a stream's header that can be read."""
    found = KnownSets(video_codec(stream))
    found.add(parse_extradata(found.codec, stream.codec_context.extradata).parameter_sets)
    return found


def _come_late(found: KnownSets, container: InputContainer, index: int) -> bool:
    """Read on until whole sets are found; whether there are some, and slices before them."""
    seen, late = 0, False
    with contextlib.suppress(av.FFmpegError):  # what cannot be read on is told when it is read for good
        for packet in container.demux(container.streams[index]):
            for nal in split_annexb(bytes(packet)):
                found.add([nal])
                late |= nal_type(found.codec, nal) in _SLICES[found.codec] and not found.whole
            seen += packet.size
            if found.whole or seen > _MOST_BYTES:
                break
    return found.whole and late


class KnownSets:
    """Those that can be read, the first of each kind and number."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._sps: dict[int, h264.Sps] = {}
        self._known: dict[_Name, NalUnit] = {}
        self._needs: dict[_Name, _Name] = {}

    def add(self, nals: Iterable[NalUnit]) -> None:
        for nal in nals:
            if nal.damaged_at is None and nal.data and nal_type(self.codec, nal) in PARAMETER_SETS[self.codec]:
                with contextlib.suppress(BitstreamError):
                    self._take(nal)

    @property
    def whole(self) -> bool:
        """There are sets that a slice can refer to."""
        return any(self._complete(name) for name in self._known if name[0] == _LAST[self.codec])

    @property
    def units(self) -> list[NalUnit]:
        """In the order of their kinds, in which each stands behind what it needs."""
        return [self._known[name] for name in sorted(self._known)]

    def _complete(self, name: _Name) -> bool:
        return name in self._known and (name not in self._needs or self._complete(self._needs[name]))

    def _take(self, nal: NalUnit) -> None:
        kind = nal_type(self.codec, nal)
        if self.codec == "h264":
            self._take_h264(kind, nal)
        elif kind == hevc.NAL_VPS:
            self._keep((kind, hevc.parse_vps(nal)), nal, None)
        elif kind == hevc.NAL_SPS:
            sps = hevc.parse_sps(nal)
            self._keep((kind, sps.id), nal, (hevc.NAL_VPS, sps.vps_id))
        else:
            pps = hevc.parse_pps(nal)
            self._keep((kind, pps.id), nal, (hevc.NAL_SPS, pps.sps_id))

    def _take_h264(self, kind: int, nal: NalUnit) -> None:
        if kind == h264.NAL_SPS:
            sps = h264.parse_sps(nal)
            self._sps.setdefault(sps.id, sps)
            self._keep((kind, sps.id), nal, None)
        elif kind == h264.NAL_PPS:
            pps = h264.parse_pps(nal, self._sps)
            self._keep((kind, pps.id), nal, (h264.NAL_SPS, pps.sps_id))

    def _keep(self, name: _Name, nal: NalUnit, needs: _Name | None) -> None:
        if name not in self._known:
            self._known[name] = nal
            if needs is not None:
                self._needs[name] = needs
