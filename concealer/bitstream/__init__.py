"""Bytes of H.264 and HEVC: NAL units, headers, what arrived and what is missing. No decoding, no pixels."""

from .access_unit import AccessUnit, Coverage, MissingPicture, Slice
from .bits import BitstreamError
from .nal import Codec, Framing, NalUnit
from .stream import StreamParser

__all__ = [
    "AccessUnit",
    "BitstreamError",
    "Codec",
    "Coverage",
    "Framing",
    "MissingPicture",
    "NalUnit",
    "Slice",
    "StreamParser",
]
