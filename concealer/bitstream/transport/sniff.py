"""What a stream is by its own bytes, whatever the tables call it."""

from __future__ import annotations

from concealer.bitstream.nal import Codec, split_annexb

_H264_SETS, _HEVC_SETS = {7, 8}, {32, 33, 34}
"""nal_unit_type of the parameter sets."""


def codec_of(payload: bytes) -> Codec | None:
    """H.264 or HEVC if the payload of a PES packet begins with their parameter sets, else None.

    Other codecs have start codes too: values from 0x80 on (MPEG-2, MPEG-4, AVS) are no NAL units.
    """
    first = [nal.data[:2] for nal in split_annexb(payload)[:16] if len(nal.data) > 2]
    if not first or any(head[0] & 0x80 for head in first):
        return None
    h264 = {head[0] & 0x1F for head in first if head[0] & 0x60}
    if h264 >= _H264_SETS:
        return "h264"
    hevc = {head[0] >> 1 for head in first if head[0] & 1 == 0 and head[1] == 1}
    return "hevc" if hevc >= _HEVC_SETS else None
