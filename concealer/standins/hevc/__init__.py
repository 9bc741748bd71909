"""Writers of HEVC slice segments."""

from concealer.standins.hevc.coded import CodedResidual, coded_header, coded_standin
from concealer.standins.hevc.header import slice_header_rbsp
from concealer.standins.hevc.inter import inter_standin
from concealer.standins.hevc.intra_coded import intra_coded_standin
from concealer.standins.hevc.lost import lost_picture_header, lost_picture_reference
from concealer.standins.hevc.substreams import CodingOrder, coding_order

__all__ = [
    "CodedResidual",
    "CodingOrder",
    "coded_header",
    "coded_standin",
    "coding_order",
    "inter_standin",
    "intra_coded_standin",
    "lost_picture_header",
    "lost_picture_reference",
    "slice_header_rbsp",
]
