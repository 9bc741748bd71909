"""Writers of H.264 slices."""

from concealer.standins.h264.coded import InterBlocks, coded_header, coded_standin, slice_span
from concealer.standins.h264.header import with_header
from concealer.standins.h264.inter import inter_standin
from concealer.standins.h264.intra import grey_standin, intra_standin
from concealer.standins.h264.limits import BitBudget, vertical_range
from concealer.standins.h264.lost import lost_field_header, lost_idr_header, lost_picture_header
from concealer.standins.h264.motion import Span
from concealer.standins.h264.pcm import pcm_standin
from concealer.standins.h264.pps_copy import with_cavlc
from concealer.standins.h264.transform import Quantiser, coarseness, transformed

__all__ = [
    "BitBudget",
    "InterBlocks",
    "Quantiser",
    "Span",
    "coarseness",
    "coded_header",
    "coded_standin",
    "grey_standin",
    "inter_standin",
    "intra_standin",
    "lost_field_header",
    "lost_idr_header",
    "lost_picture_header",
    "pcm_standin",
    "slice_span",
    "transformed",
    "vertical_range",
    "with_cavlc",
    "with_header",
]
