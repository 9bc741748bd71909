"""Reading H.264 and HEVC bytes: NAL units, headers, what arrived and what is missing. No decoding, no pixels."""

from concealer.bitstream.access_unit import AccessUnit, Coverage, Grid, Interlaced, MissingPicture, Slice, SliceHeader
from concealer.bitstream.bits import BitReader, BitstreamError, BitWriter, ceil_log2
from concealer.bitstream.nal import (
    PARAMETER_SETS,
    START_CODE,
    START_CODE_PREFIX,
    Codec,
    Framing,
    NalUnit,
    base_layer,
    escape,
    join_annexb,
    join_length_prefixed,
    nal_type,
    parse_extradata,
    split_annexb,
    split_length_prefixed,
    split_sample,
    unescape,
)
from concealer.bitstream.pic_struct import PicStruct, pic_struct_of
from concealer.bitstream.recovery import Recovery, recovery_count
from concealer.bitstream.stream import StreamParser

__all__ = [
    "AccessUnit",
    "BitReader",
    "BitWriter",
    "BitstreamError",
    "Codec",
    "Coverage",
    "Framing",
    "Grid",
    "Interlaced",
    "MissingPicture",
    "NalUnit",
    "PARAMETER_SETS",
    "PicStruct",
    "START_CODE",
    "START_CODE_PREFIX",
    "Slice",
    "SliceHeader",
    "Recovery",
    "StreamParser",
    "ceil_log2",
    "escape",
    "join_annexb",
    "join_length_prefixed",
    "base_layer",
    "nal_type",
    "parse_extradata",
    "pic_struct_of",
    "recovery_count",
    "split_annexb",
    "split_length_prefixed",
    "split_sample",
    "unescape",
]
