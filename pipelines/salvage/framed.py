"""Sound whose frames tell their own length: AMR-NB, MP3 and MP2, AC-3, E-AC-3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from concealer.bitstream import BitReader
from pipelines.salvage.media import Media, Span

_AMR_SIZES = {0: 13, 1: 14, 2: 16, 3: 18, 4: 20, 5: 21, 6: 27, 7: 32, 8: 6, 15: 1}
"""Bytes of a frame of AMR-NB by its type (RFC 4867 5.3)."""
_MPEG_RATES = (44100, 48000, 32000)
_LAYER_3, _LAYER_2 = 1, 2
_MPEG_BITS = {
    (True, _LAYER_3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, _LAYER_2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, _LAYER_3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER_2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s by whether it is MPEG-1, and layer (ISO/IEC 11172-3 2.4.2.3, 13818-3 2.4.2.3)."""
_AC3_BITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48000, 44100, 32000)
_AC3_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
"""By acmod (ETSI TS 102 366 4.4.2.3)."""
_AC3_SYNC = b"\x0b\x77"
_HEAD = 8
_RESYNC = 1 << 16
"""Bytes in which frames are looked for behind a hole."""
_LEAST_ROW = 2
"""Frames behind a hole."""


@dataclass(frozen=True)
class Frame:
    """What a frame's head says."""

    kind: str
    """Four letters of its sample entry."""
    size: int
    samples: int
    rate: int
    channels: int
    config: bytes = b""
    """What stands in the box beside the sample entry."""


def _amr(head: bytes) -> Frame | None:
    size = _AMR_SIZES.get(head[0] >> 3 & 15) if head[0] & 0x87 == 4 else None
    return None if size is None else Frame("samr", size, 160, 8000, 1)


def _mpeg(head: bytes) -> Frame | None:
    """ISO/IEC 11172-3 2.4.1.3."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, bits, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer not in (_LAYER_2, _LAYER_3) or bits in (0, 15) or rate == 3:
        return None
    first = version == 3
    hertz = _MPEG_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 1152 if first or layer == _LAYER_2 else 576
    size = samples // 8 * _MPEG_BITS[first, layer][bits] * 1000 // hertz + (head[2] >> 1 & 1)
    return Frame(".mp3", size, samples, hertz, 1 if head[3] >> 6 == 3 else 2)


def _ac3(head: bytes) -> Frame | None:
    """ETSI TS 102 366 4.3, E.1.2."""
    if len(head) < _HEAD or not head.startswith(_AC3_SYNC):
        return None
    kind = head[5] >> 3
    if kind <= 8:
        return _plain_ac3(head, kind)
    return _enhanced_ac3(head, kind) if 11 <= kind <= 16 else None


def _plain_ac3(head: bytes, kind: int) -> Frame | None:
    rate, code = head[4] >> 6, head[4] & 63
    if rate == 3 or code >= 2 * len(_AC3_BITS):
        return None
    bits = _AC3_BITS[code >> 1]
    size = (4 * bits, 2 * (320 * bits // 147 + (code & 1)), 6 * bits)[rate]
    reader = BitReader(head[6:])
    mode = reader.u(3)
    reader.skip(2 * (mode & 1 and mode != 1) + 2 * bool(mode & 4) + 2 * (mode == 2))
    low = reader.u(1)
    config = rate << 22 | kind << 17 | (head[5] & 7) << 14 | mode << 11 | low << 10 | (code >> 1) << 5
    return Frame("ac-3", size, 1536, _AC3_RATES[rate], _AC3_CHANNELS[mode] + low, config.to_bytes(3, "big"))


def _enhanced_ac3(head: bytes, kind: int) -> Frame | None:
    size = 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    rate, blocks, mode, low = head[4] >> 6, head[4] >> 4 & 3, head[4] >> 1 & 7, head[4] & 1
    if head[2] >> 6 != 0 or rate == 3:
        return None  # dependent streams, and halved rates
    samples = 256 * (1, 2, 3, 6)[blocks]
    bits = size * 8 * _AC3_RATES[rate] // samples // 1000
    config = bits << 27 | rate << 22 | kind << 17 | mode << 9 | low << 8
    channels = _AC3_CHANNELS[mode] + low
    return Frame("ec-3", size, samples, _AC3_RATES[rate], channels, config.to_bytes(5, "big"))


Reader = Callable[[bytes], Frame | None]
FRAMED: tuple[Reader, ...] = (_ac3, _mpeg, _amr)
"""What reads the first bytes of a frame, the kinds with most to tell them by first."""


def frame_at(data: memoryview, start: int, end: int, read: Reader) -> Frame | None:
    """The frame that begins at a place, if it ends by `end`."""
    found = read(bytes(data[start : min(end, start + _HEAD)])) if start < end else None
    return found if found is not None and start + found.size <= end else None


def framed_run(data: memoryview, start: int, end: int, read: Reader) -> tuple[list[Span], int]:
    """Frames of one kind one behind the other, and where the last ends."""
    blocks: list[Span] = []
    like: tuple[object, ...] | None = None
    while (found := frame_at(data, start, end, read)) is not None:
        own = found.kind, found.samples, found.rate
        if like is not None and own != like:
            break
        blocks.append((start, start + found.size))
        start, like = start + found.size, own
    return blocks, start


def framed_blocks(media: Media, gaps: Sequence[Span], read: Reader) -> Iterator[Span]:
    """All frames in gaps; behind a hole those of a row that ends where pictures begin."""
    for start, end in gaps:
        media.go_on()
        run, stop = framed_run(media.data, start, end, read)
        yield from run
        for place in range(max(stop + 1, end - _RESYNC), end) if stop < end else ():
            later, last = framed_run(media.data, place, end, read)
            if last == end and (len(later) >= _LEAST_ROW or later[0][1] - later[0][0] >= 64):
                yield from later
                break
