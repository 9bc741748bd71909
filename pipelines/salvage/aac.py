"""AAC without framing: raw blocks end where the decoder has read their END element, and nowhere before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import av

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""By samplingFrequencyIndex (ISO/IEC 14496-3 table 1.18)."""
FAMILIES = ((48000, 44100, 32000), (24000, 22050), (16000, 12000, 11025), (96000, 88200, 64000), (8000,))
"""Rates whose scale factor bands are so alike that decoding hardly tells them apart, the most frequent first."""
SAMPLES = 1024
"""Of a block."""
_LONGEST = 8191
_LEAST = 3
"""Bytes of a block of silence."""
_MOST_STARTS = 8
_MOST_PLACES = 100_000
"""Some seconds of decoding."""
_TAKEN = "avcodec_receive_frame()"
"""Where PyAV met an error: behind the first block, which was decoded."""


def config_of(rate: int, channels: int) -> bytes:
    """AudioSpecificConfig of AAC-LC (ISO/IEC 14496-3 1.6.2.1)."""
    layout = 7 if channels == 8 else channels
    return (2 << 11 | _RATES.index(rate) << 7 | layout << 3).to_bytes(2, "big")


def rate_of(config: bytes) -> int | None:
    """Sampling rate of the core of an AudioSpecificConfig; None if it is not in the table, or not AAC-LC or HE-AAC."""
    if len(config) < 2 or config[0] >> 3 not in (2, 5, 29):
        return None
    index = (config[0] & 7) << 1 | config[1] >> 7
    return _RATES[index] if index < len(_RATES) else None


class AacFramer:
    """Finds the ends of blocks."""

    def __init__(self, config: bytes) -> None:
        self._context = av.CodecContext.create("aac", "r")
        self._context.extradata = config
        self.patience = _MOST_PLACES
        """Places at which blocks may still be looked for."""
        self._starts: set[int] = set()
        """First bytes of blocks so far."""
        self._likely = re.compile(b"(?!)")

    def _whole(self, data: bytes) -> bool:
        """At least one block lies in the data, from its start."""
        try:
            return len(self._context.decode(av.Packet(data))) > 0
        except av.FFmpegError as error:
            return error.filename == _TAKEN
        except ValueError:
            return False

    def end_of(self, data: memoryview, start: int, end: int) -> int | None:
        """Where the block that begins at `start` ends, None if none does."""
        most = min(end - start, _LONGEST)
        block = bytes(data[start : start + most])
        if most < _LEAST or not self._whole(block):
            return None
        likely = [found.start() for found in self._likely.finditer(block, _LEAST)]
        low, high = _LEAST - 1, most
        size = self._first_whole(block, [*likely, most])
        if size is not None and (size == _LEAST or not self._whole(block[: size - 1])):
            high = size
        else:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if self._whole(block[:middle]) else (middle, high)
        if block[0] not in self._starts and len(self._starts) < _MOST_STARTS:
            self._starts.add(block[0])
            self._likely = re.compile(b"[" + b"".join(map(re.escape, (bytes([one]) for one in self._starts))) + b"]")
        return start + high

    def _first_whole(self, block: bytes, sizes: Sequence[int]) -> int | None:
        """The least of rising sizes at which a block is whole."""
        low, high = -1, len(sizes) - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._whole(block[: sizes[middle]]) else (middle, high)
        return sizes[high] if sizes else None

    def run(self, data: memoryview, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Blocks one behind the other from `start` on, until there is none."""
        while start < end:
            stop = self.end_of(data, start, end)
            if stop is None:
                return
            yield start, stop
            start = stop


def guesses(first: int) -> list[bytes]:
    """Configurations to try for blocks whose first byte is this, by its element (ISO/IEC 14496-3 table 4.85)."""
    channels = {0: (1, 6), 1: (2,)}.get(first >> 5, (2, 1, 6))
    return [config_of(family[0], count) for count in channels for family in FAMILIES]
