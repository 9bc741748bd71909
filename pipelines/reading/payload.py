"""A packet that is to be decoded, with what is known of its damage."""

from __future__ import annotations

from dataclasses import dataclass

import av

from pipelines.reading import streams

_LATE = 0.15
"""Seconds that an access unit may have waited for those before it."""


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
    complete: bool = False
    """It ends an access unit."""
    waited: float = 0.0
    """Of a live input: seconds from its arrival to its turn."""
    hidden: bool = False
    """To be decoded, not shown: outside the container's edit list."""
    extradata: bytes | None = None
    """New parameter sets in the container's form, valid from here on."""
    packet: av.Packet | None = None
    """As libavformat delivered it; None where the payload was read past it (MPEG-TS)."""

    @property
    def late(self) -> bool:
        """So much waits behind it that there is no time for it."""
        return self.waited > _LATE


def payload_of(packet: av.Packet, delay: int | None, gaps: tuple[int, ...] = ()) -> VideoPayload:
    """Of a packet as libavformat gives it.

    delay: from a decode time to when a player shows the picture that it releases; None where the container has times of
    presentation. gaps: as of a payload.
    """
    header = streams.new_header(packet)
    if header is None and packet.has_sidedata("new_extradata"):
        packet = streams.without_header(packet)
    dts = packet.dts if delay is None or packet.dts is None else packet.dts + delay
    return VideoPayload(
        packet.stream_index,
        bytes(packet),
        packet.pts if delay is None else None,
        dts,
        packet.duration or None,
        gaps,
        truncated=packet.is_corrupt,
        hidden=packet.is_discard,
        extradata=header,
        packet=packet,
    )
