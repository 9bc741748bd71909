"""H.264 parameter sets and slice headers."""

from concealer.bitstream.h264.header import (
    NAL_AUD,
    NAL_IDR,
    NAL_PARTITION_A,
    NAL_PPS,
    NAL_SEI,
    NAL_SLICE,
    NAL_SPS,
    SI,
    SP,
    B,
    I,
    P,
    SliceHeader,
    WeightTable,
)
from concealer.bitstream.h264.sets import Pps, Sps, parse_pps, parse_sps
from concealer.bitstream.h264.slice_header import parse_slice_header

__all__ = [
    "B",
    "I",
    "NAL_AUD",
    "NAL_IDR",
    "NAL_PARTITION_A",
    "NAL_PPS",
    "NAL_SEI",
    "NAL_SLICE",
    "NAL_SPS",
    "P",
    "Pps",
    "SI",
    "SP",
    "SliceHeader",
    "Sps",
    "WeightTable",
    "parse_pps",
    "parse_slice_header",
    "parse_sps",
]
