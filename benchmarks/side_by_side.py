"""An undamaged stream in the product's decoder and in plain libav: whatever one says or does and not the other."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from benchmarks.product import product_repairer
from concealer.bitstream import Codec
from concealer.damage import Damage
from concealer.decoder import DecodedPicture
from concealer.decoder.hook import padded_packet
from concealer.front_door import open_decoder
from pipelines import Settings, conceal_file

_LOOKAHEAD = 2
"""As `conceal` looks ahead in files."""
_UNFRAMED = ("h264", "hevc", "mpegts")
"""Formats whose packets are pieces of a stream with start codes."""
_ALL_PICTURES = {"h264": {"strict": "strict"}, "hevc": {}}
"""Without reorder information libav guesses how long to hold H.264 pictures back, and drops some."""


@dataclass
class Alarms:
    """What an undamaged stream gives no cause for; all but the first two must be 0."""

    pictures: int = 0
    """Pictures that plain libav puts out."""
    blocks: int = 0
    """Blocks of 16x16 in the pictures that the product puts out."""
    alarmed: int = 0
    """Pictures with a block that is marked, however little it is doubted."""
    alarmed_blocks: int = 0
    made_up: int = 0
    """Pictures put out for such as are said to be missing."""
    missing: int = 0
    """Pictures more or fewer than libav's."""
    changed: int = 0
    """Pictures that differ from libav's in any sample."""
    told: int = 0
    """Damage, holes and wrong times that `conceal` tells of the file."""

    def add(self, picture: DecodedPicture) -> None:
        """Count one picture of the product's."""
        marked = int(np.count_nonzero(picture.damage.state != Damage.INTACT))
        self.blocks += picture.damage.state.size
        self.alarmed += marked > 0
        self.alarmed_blocks += marked
        self.made_up += picture.synthesised


def compare(path: Path) -> Alarms:
    """Decode the first video stream of a file twice. Raises ValueError unless it is H.264 or HEVC."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        codec = _codec(video)
        framed = not any(name in _UNFRAMED for name in container.format.name.split(","))
        extradata = video.codec_context.extradata if framed else None
        plain = av.CodecContext.create(codec, "r")
        assert isinstance(plain, av.VideoCodecContext)
        plain.thread_count, plain.extradata, plain.options = 1, extradata, _ALL_PICTURES[codec]
        decoder = open_decoder(
            codec, extradata, repairer=product_repairer(), lookahead=_LOOKAHEAD, container_framed=framed
        )
        found = Alarms()
        ours: list[int] = []
        theirs: list[int] = []

        def take(pictures: Iterable[DecodedPicture]) -> None:
            for picture in pictures:
                found.add(picture)
                ours.append(digest(picture.frame))

        for number, packet in enumerate(_packets(container, video)):
            pts = number if packet.pts is None else packet.pts
            theirs += _plainly(plain, bytes(packet), pts)
            take(decoder.decode(bytes(packet), pts=pts, dts=packet.dts))
        theirs += _plainly(plain, None, 0)
        take(decoder.flush())
        decoder.close()
    found.pictures = len(theirs)
    found.missing = abs(len(ours) - len(theirs))
    found.changed = sum(a != b for a, b in zip(ours, theirs, strict=False))
    found.told = _told(path)
    return found


def _codec(video: VideoStream) -> Codec:
    match video.codec_context.name:
        case "h264":
            return "h264"
        case "hevc":
            return "hevc"
        case other:
            raise ValueError(f"neither H.264 nor HEVC, but {other}")


def _packets(container: av.container.InputContainer, video: VideoStream) -> Iterator[av.Packet]:
    return (packet for packet in container.demux(video) if packet.size)


def _plainly(context: av.VideoCodecContext, payload: bytes | None, pts: int) -> list[int]:
    packet = None if payload is None else padded_packet(payload)
    if packet is not None:
        packet.pts = pts
    return [digest(frame) for frame in context.decode(packet)]


def _told(path: Path) -> int:
    result = conceal_file(str(path), None, Settings(dry_run=True))
    totals = result.totals
    kinds = (totals.damaged, totals.tainted, totals.synthesised, totals.misplaced, totals.retimed)
    return sum(kinds) + result.losses + (result.ended_early is not None)


def digest(frame: av.VideoFrame) -> int:
    """Of all samples that are shown."""
    total = 0
    for plane, component in zip(frame.planes, frame.format.components, strict=True):
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]  # type: ignore[call-overload]
        width = plane.width * (component.bits + 7 >> 3)
        total = zlib.crc32(rows.reshape(plane.height, plane.line_size)[:, :width].tobytes(), total)
    return total
