"""H.264 parameter sets and slice headers."""

from concealer.bitstream.h264.sets import Pps, Sps, parse_pps, parse_sps
from concealer.bitstream.h264.slice_header import (
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
    parse_slice_header,
)
from concealer.bitstream.h264.timing import BOTTOM_TOP_BOTTOM, TOP_BOTTOM_TOP, pic_struct

__all__ = [
    "B",
    "BOTTOM_TOP_BOTTOM",
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
    "TOP_BOTTOM_TOP",
    "WeightTable",
    "parse_pps",
    "parse_slice_header",
    "parse_sps",
    "pic_struct",
]
